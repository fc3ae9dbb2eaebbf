"""The chain of guards: each at its limit, one beyond it, and where its figure is not known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanch.domain.guards import Budgets, Day, FreezeWindow, Guards
from stanch.engine import guards, pace
from stanch.engine.availability import Pods, Unknown, Unseen
from stanch.engine.figures import Block, Budget, Input, Past, Touched, Underway
from stanch.engine.guards import judge

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)  # a Saturday
DARK = Unknown("forbidden")
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
# What each guard on pace holds up at its limit as it stands without a word.
PACED = {
    pace.storm: Past(opened=(NOW - MINUTE,) * 31),
    pace.consecutive_failures: Past(failures=3),
    pace.change_budget: Past(changes=(NOW - MINUTE,) * 60),
    pace.cooldown: Past(Touched("shop/other", NOW - MINUTE)),
}
EVERY_DAY = FreezeWindow("always", "UTC", days=tuple(Day), start_time="00:00", duration=timedelta(days=1))


def seen(limits: Guards | None = None, **changes: Any) -> Input:
    return Input(limits or Guards("aureus"), NOW, "deployment/app", **changes)


def word(block: Block | None) -> str:
    return block.guard if block else ""


@pytest.mark.parametrize(
    ("least", "pods", "held"),
    [
        ("", Pods(3, 3, 1), False),
        ("", Pods(3, 3, 0), True),
        ("", Pods(3, 1, 0), True),
        ("", Pods(1, 1, 0), False),
        ("", Pods(3, 0, 0), False),
        ("2", Pods(3, 3, 2), False),
        ("2", Pods(3, 3, 1), True),
        ("2", Pods(3, 1, 1), False),
        ("2", Pods(3, 1, 0), True),
        ("2", Pods(3, 0, 0), False),
        ("1", Pods(1, 1, 0), True),
        ("0", Pods(3, 3, 0), False),
        ("0%", Pods(3, 3, 0), False),
        ("50%", Pods(5, 5, 3), False),
        ("50%", Pods(5, 5, 2), True),
        ("100%", Pods(5, 5, 4), True),
        ("", Unseen("stale", 3), True),
        ("", Unseen("stale", 1), False),
        ("0", Unseen("stale", 3), False),
        ("", None, False),
    ],
)
def test_min_available(least: str, pods: Pods | Unseen | None, held: bool) -> None:
    assert word(guards.min_available(seen(Guards("aureus", least), pods=pods))) == ("MinAvailable" if held else "")


@pytest.mark.parametrize(
    ("pods", "budgets", "held"),
    [
        (Pods(3, 3, 2), (Budget("db", 1),), False),
        (Pods(3, 3, 1), (Budget("db", 1),), True),
        (Pods(3, 3, 2), (Budget("db", 0),), True),
        (Pods(3, 3, 2), (Budget("a", 1), Budget("b", 0)), True),
        (Pods(3, 0, 0), (Budget("db", 0),), False),
        (Pods(3, 3, 3), (Budget("db", 0),), False),
        (Pods(3, 3, 3), DARK, False),
        (Pods(3, 3, 2), DARK, True),
        (Pods(3, 3, 2), (Budget("db", DARK),), True),
        (Pods(3, 3, 2), (), False),
        (Unseen("stale", 3), (), False),
        (Unseen("stale", 3), (Budget("db", 3),), True),
        (None, DARK, False),
    ],
)
def test_disruption_budgets(pods: Any, budgets: Any, held: bool) -> None:
    assert word(guards.disruption_budgets(seen(pods=pods, budgets=budgets))) == ("DisruptionBudget" if held else "")
    ignored = Guards("aureus", budgets=Budgets.Ignore)
    assert guards.disruption_budgets(seen(ignored, pods=pods, budgets=budgets)) is None


@pytest.mark.parametrize(
    ("underway", "held"),
    [
        (Underway(), False),
        (Underway(1), False),
        (Underway(2), True),
        (Underway(2, mine=True), False),
        (DARK, True),
    ],
)
def test_concurrent_incidents(underway: Underway | Unknown, held: bool) -> None:
    block = guards.concurrent_incidents(seen(Guards("aureus", concurrent_incidents=2), underway=underway))
    assert word(block) == ("ConcurrentIncidents" if held else "")


@pytest.mark.parametrize("guard", PACED)
def test_what_people_stand_behind_passes_and_what_is_unknown_does_not(guard: guards.Guard) -> None:
    assert guard(seen(past=PACED[guard])) and guard(seen(past=DARK))
    assert guard(seen(past=PACED[guard], attended=True)) is None and guard(seen(past=DARK, attended=True)) is None
    assert guard(seen()) is None


def ago(*minutes: float) -> tuple[datetime, ...]:
    return tuple(sorted(NOW - minute * MINUTE for minute in minutes))


@pytest.mark.parametrize(
    ("minutes", "until"),
    [
        ((1, 2), None),
        ((1, 2, 9), NOW + MINUTE),
        ((9, 2, 1), NOW + MINUTE),
        ((1, 2, 3, 9), NOW + 7 * MINUTE),
        ((1, 2, 10), None),
        ((0, -1, 2), NOW + 8 * MINUTE),
    ],
)
def test_storm(minutes: tuple[float, ...], until: datetime | None) -> None:
    """Over when no more than the most are left within the time; a clock that was set back makes none of them younger."""
    block = pace.storm(seen(Guards("aureus", storm_incidents=2), past=Past(opened=ago(*minutes))))
    assert (block.until if block else None) == until


@pytest.mark.parametrize(
    ("minutes", "until"),
    [((1,), None), ((1, 20), NOW + 40 * MINUTE), ((1, 2, 3), NOW + 58 * MINUTE), ((1, 60), None), ((1, 59.5), NOW + MINUTE / 2)],
)
def test_change_budget(minutes: tuple[float, ...], until: datetime | None) -> None:
    block = pace.change_budget(seen(Guards("aureus", changes_per_hour=2), past=Past(changes=ago(*minutes))))
    assert (block.until if block else None) == until


@pytest.mark.parametrize(
    ("rest", "since", "until"),
    [
        (5 * MINUTE, 5 * MINUTE, None),
        (5 * MINUTE, 5 * MINUTE - SECOND, NOW + SECOND),
        (5 * MINUTE, -MINUTE, NOW + 6 * MINUTE),
        (timedelta(), timedelta(), None),
    ],
)
def test_cooldown(rest: timedelta, since: timedelta, until: datetime | None) -> None:
    block = pace.cooldown(seen(Guards("aureus", cooldown=rest), past=Past(Touched("shop/other", NOW - since))))
    assert (block.until if block else None) == until
    assert block is None or "incident shop/other changed deployment/app at 2026-11-21" in str(block)


@pytest.mark.parametrize(("failures", "held"), [(0, False), (1, False), (2, True), (9, True)])
def test_consecutive_failures_are_lifted_by_people_alone(failures: int, held: bool) -> None:
    block = pace.consecutive_failures(seen(Guards("aureus", consecutive_failures=2), past=Past(failures=failures)))
    assert (block is not None) is held
    assert block is None or (block.people and block.until is None and f"did not help: {failures};" in str(block))


def test_without_a_cooldown_nobody_need_know_of_the_past() -> None:
    assert pace.cooldown(seen(Guards("aureus", cooldown=timedelta()), past=DARK)) is None


def test_a_block_names_guard_figure_limit_and_what_would_lift_it() -> None:
    block = judge(seen(Guards("aureus", "2"), pods=Pods(3, 3, 1)))
    assert str(block) == (
        "MinAvailable: the step may leave 1 of 3 available pods of deployment/app; at least 2 of 3 must stay; lifted by more "
        "available pods, or another guards.minAvailable in the playbook, for incidents that are planned from then on"
    )
    many = judge(seen(Guards("aureus", concurrent_incidents=4), underway=Underway(4)))
    assert many and "mitigated: 4;" in str(many) and "lets 4 be" in many.limit


def test_an_open_window_says_when_it_ends() -> None:
    window = FreezeWindow("weekend", "Europe/Berlin", (Day.Friday,), "18:00", timedelta(hours=62))
    block = judge(seen(Guards("aureus", freeze_windows=(window,))))
    assert block and block.until == datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
    assert "weekend is open until Mon 2026-11-23 08:00 (Europe/Berlin, now Sat 2026-11-21 04:00)" in str(block)


def test_of_two_windows_the_later_end_counts_and_an_unknown_zone_is_no_leave() -> None:
    short = FreezeWindow("night", "UTC", (Day.Saturday,), "02:00", timedelta(hours=2))
    block = judge(seen(Guards("aureus", freeze_windows=(short, EVERY_DAY))))
    assert block and "window always" in block.figure
    nowhere = FreezeWindow("nowhere", "Europe/Atlantis", (Day.Monday,), "00:00", timedelta(hours=1))
    block = judge(seen(Guards("aureus", freeze_windows=(EVERY_DAY, nowhere))))
    assert block and "window nowhere is open is unknown: no data of time zone Europe/Atlantis" in str(block) and block.until is None


def test_the_chain_has_an_order_and_ends_at_the_first() -> None:
    everything = {"underway": DARK, "pods": Pods(3, 3, 0), "budgets": DARK}
    assert word(judge(seen(Guards("aureus", freeze_windows=(EVERY_DAY,)), **everything))) == "FreezeWindow"
    assert [word(judge(seen(past=past, **everything))) for past in PACED.values()] == [
        "Storm",
        "ConsecutiveFailures",
        "ChangeBudget",
        "Cooldown",
    ]
    assert word(judge(seen(**everything))) == "ConcurrentIncidents"
    assert word(judge(seen(**everything | {"underway": Underway()}))) == "MinAvailable"
    assert word(judge(seen(Guards("aureus", "0"), **everything | {"underway": Underway()}))) == "DisruptionBudget"
    assert judge(seen(pods=Pods(3, 3, 3))) is None and judge(seen()) is None


def test_every_name_is_known_to_those_who_wait_for_it() -> None:
    blocks = [
        judge(seen(Guards("aureus", freeze_windows=(EVERY_DAY,)))),
        *(judge(seen(past=past), chain=(guard,)) for guard, past in PACED.items()),
        judge(seen(untried=("undo",))),
        judge(seen(underway=DARK)),
        judge(seen(pods=Pods(3, 3, 0))),
        judge(seen(pods=Pods(3, 3, 2), budgets=DARK)),
    ]
    assert {word(block) for block in blocks} == guards.NAMES


pods = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20)).map(lambda n: Pods(n[0], n[1], min(n[1], n[2])))
least = st.one_of(st.just(""), st.integers(0, 20).map(str), st.integers(0, 100).map("{}%".format))


@given(least, pods, st.integers(0, 20))
def test_who_takes_no_available_pod_is_never_held_up_by_what_there_is(said: str, of: Pods, allowed: int) -> None:
    limits = Guards("aureus", said)
    block = judge(seen(limits, pods=of, budgets=(Budget("db", allowed),)))
    assert of.taken or block is None
    assert not (block and block.guard == "DisruptionBudget") or of.taken > allowed

"""The chain of guards: each at its limit, one beyond it, and where its figure is not known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanch.domain.guards import Budgets, Day, FreezeWindow, Guards
from stanch.engine import guards
from stanch.engine.availability import Pods, Unknown, Unseen
from stanch.engine.guards import Block, Budget, Input, Underway, judge

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)  # a Saturday
DARK = Unknown("forbidden")
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
    assert word(judge(seen(**everything))) == "ConcurrentIncidents"
    assert word(judge(seen(**everything | {"underway": Underway()}))) == "MinAvailable"
    assert word(judge(seen(Guards("aureus", "0"), **everything | {"underway": Underway()}))) == "DisruptionBudget"
    assert judge(seen(pods=Pods(3, 3, 3))) is None and judge(seen()) is None


def test_every_name_is_known_to_those_who_wait_for_it() -> None:
    blocks = [
        judge(seen(Guards("aureus", freeze_windows=(EVERY_DAY,)))),
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

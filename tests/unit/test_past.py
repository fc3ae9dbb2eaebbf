"""What incidents did until now, told one by one as they stand in the cluster."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from stanch.domain.incident import (
    ChangeRecord,
    EndRecord,
    Facts,
    Mode,
    OptionRecord,
    OptionState,
    Phase,
    Status,
    StepRecord,
    StepState,
)
from stanch.domain.plan import Pin
from stanch.engine.changes import ANY
from stanch.engine.figures import Past, Touched
from stanch.runtime.past import SKEW, PastIndex
from tests.unit.play import T0, facts

MINUTE = timedelta(minutes=1)
ME, RECIPE = ("aureus", "me"), ("aureus", "frontend-down", 3)
APP = frozenset({"uid-app"})


def index() -> PastIndex:
    return PastIndex()


def named(name: str, **changes: object) -> Facts:
    return facts(name=name, **changes)


def status(at: datetime = T0, state: OptionState = OptionState.Failed, phase: Phase = Phase.Escalated, **changes: object) -> Status:
    """Of one that changed the app, and came to this end."""
    base = Status(
        policy=Pin("standard"), playbook=Pin("frontend-down", generation=3), phase=phase,
        options=(OptionRecord("undo", state),), changes=(ChangeRecord("t", "uid-app", at),),
        steps=(StepRecord("undo", "undo", StepState.Done, "t", written_at=at),),
    )  # fmt: skip
    return replace(base, **changes)


def seen(past: PastIndex, now: datetime = T0) -> Past:
    return past.of(ME, "standard", RECIPE, APP, now)


def test_who_changed_it_last_but_for_oneself() -> None:
    past = index()
    past.told(named("a"), status(T0))
    past.told(named("b"), status(T0 - MINUTE))
    past.told(named("me"), status(T0 + MINUTE))
    assert seen(past).touched == Touched("aureus/a", T0)
    past.told(named("a"), status(T0, changes=()))
    assert seen(past).touched == Touched("aureus/b", T0 - MINUTE)
    past.forget(("aureus", "b"))
    assert seen(past).touched is None


def test_of_one_object_the_latest_change_of_an_incident_counts() -> None:
    past = index()
    both = (ChangeRecord("t", "uid-app", T0), ChangeRecord("u", "uid-db", T0), ChangeRecord("v", "uid-app", T0 + MINUTE))
    past.told(named("a"), status(changes=both))
    assert seen(past).touched == Touched("aureus/a", T0 + MINUTE) and seen(past).changes == (T0, T0, T0 + MINUTE)


def test_as_many_changes_as_a_record_stands_for_count_as_of_its_time() -> None:
    past = index()
    past.told(named("a"), status(changes=(ChangeRecord("t", "uid-app", T0, count=3), ChangeRecord("u", "uid-db", T0 - MINUTE))))
    assert seen(past).changes == (T0 - MINUTE, T0, T0, T0)
    past.forget(("aureus", "a"))
    assert past == index()


def test_what_was_changed_that_is_named_no_more_may_be_any_object_but_for_oneself() -> None:
    past = index()
    past.told(named("a"), status(changes=(ChangeRecord("", ANY, T0, count=2), ChangeRecord("t", "uid-app", T0 - MINUTE))))
    assert seen(past).touched == Touched("aureus/a", T0, named=False)
    assert past.of(("aureus", "a"), "standard", RECIPE, APP, T0).touched is None
    assert past.of(ME, "standard", RECIPE, frozenset(), T0).touched is None, "a step about no object need not wait"
    past.told(named("b"), status(T0))
    assert seen(past).touched == Touched("aureus/b", T0), "who is known to have changed it is told first"


def test_the_latest_by_its_time_counts_also_where_the_clock_was_set_back() -> None:
    past = index()
    past.told(named("a"), status(changes=(ChangeRecord("t", "uid-app", T0 + MINUTE), ChangeRecord("u", "uid-app", T0))))
    assert seen(past).touched == Touched("aureus/a", T0 + MINUTE)


def test_openings_and_changes_are_those_of_the_policy() -> None:
    past = index()
    past.told(named("a"), status())
    past.told(named("b", created_at=T0 - MINUTE), status(policy=Pin("other")))
    past.told(named("c", created_at=T0 + MINUTE), Status())
    assert set(seen(past).opened) == {T0, T0 + MINUTE}, "one whose policy nobody knows yet counts under each"
    assert seen(past).changes == (T0,)


def test_dry_runs_do_not_count() -> None:
    past = index()
    past.told(named("a", mode=Mode.DryRun), status())
    assert seen(past) == Past()


def heard(name: str) -> dict:
    return {"metadata": {"namespace": "aureus", "name": name, "creationTimestamp": "2026-11-21T03:00:00Z"}}


def test_what_the_watch_tells_first_counts_at_once_and_what_is_known_stays() -> None:
    past = index()
    past.heard(heard("a"))
    assert seen(past).opened == (T0,)
    past.told(named("a"), status())
    past.heard(heard("a"))
    assert seen(past).opened == (T0,) and seen(past).changes == (T0,)
    past.told(named("b", mode=Mode.DryRun), Status())
    past.heard(heard("b"))
    assert seen(past).opened == (T0,)


def test_a_change_about_to_be_made_counts_until_it_is_known() -> None:
    past = index()
    past.told(named("a"), status(changes=()))
    past.begin(("aureus", "a"), "standard", T0 + MINUTE)
    assert seen(past).changes == (T0 + MINUTE,)
    past.told(named("a"), status())
    assert seen(past).changes == (T0,)


def test_failures_in_a_row_end_with_one_that_helped() -> None:
    past = index()
    for minute, state in enumerate([OptionState.Failed, OptionState.Confirmed, OptionState.Denied, OptionState.Inconclusive]):
        phase = Phase.Resolved if state is OptionState.Confirmed else Phase.Escalated
        past.told(named(f"i{minute}"), status(T0 + minute * MINUTE, state, phase))
    assert seen(past, T0 + 9 * MINUTE).failures == 2
    past.told(named("i9"), status(T0 + 9 * MINUTE, OptionState.Confirmed, Phase.Mitigated))
    assert seen(past, T0 + 9 * MINUTE).failures == 0
    past.forget(("aureus", "i9"))
    past.forget(("aureus", "i1"))
    assert seen(past, T0 + 9 * MINUTE).failures == 3


def test_one_that_helped_at_a_time_that_has_not_come_yet_hides_no_failure() -> None:
    """The clock was ahead then, and set back: nobody knows which of them came first."""
    past = index()
    for minute in range(3):
        past.told(named(f"i{minute}"), status(T0 + minute * MINUTE))
    past.told(named("i9"), status(T0 + 60 * MINUTE, OptionState.Confirmed, Phase.Resolved))
    assert seen(past, T0 + 2 * MINUTE).failures == 3
    past.told(named("i5"), status(T0 + MINUTE, OptionState.Confirmed, Phase.Resolved))
    assert seen(past, T0 + 2 * MINUTE).failures == 1, "one of a time that has come still ends the row"
    assert seen(past, T0 + 60 * MINUTE).failures == 0


def test_a_leader_whose_clock_is_a_moment_behind_the_one_before_knows_what_helped() -> None:
    past = index()
    past.told(named("a"), status(T0 - MINUTE))
    past.told(named("b"), status(T0 + SKEW, OptionState.Confirmed, Phase.Resolved))
    assert seen(past).failures == 0


@pytest.mark.parametrize(
    "one",
    [
        status(phase=Phase.Verifying),
        status(steps=()),
        status(options=()),
        status(options=(OptionRecord("undo", OptionState.Skipped),)),
        status(options=(OptionRecord("undo", OptionState.Running),), phase=Phase.Aborted),
        status(playbook=Pin("frontend-down", generation=4)),
        status(playbook=Pin("other", generation=3)),
        status(playbook=None),
    ],
)
def test_what_is_no_failure_of_the_playbook_as_it_is(one: Status) -> None:
    """Under way, nothing changed, aborted by people, or of a playbook that was edited since."""
    past = index()
    past.told(named("a"), one)
    assert seen(past).failures == 0


def test_what_attempts_before_came_to_counts_also_while_it_goes_on_or_ends_without_a_change() -> None:
    past, failed = index(), EndRecord(Pin("frontend-down", generation=3), T0)
    for number, phase in enumerate((Phase.Opened, Phase.Mitigating, Phase.Escalated, Phase.Closed)):
        past.told(named(f"i{number}"), status(phase=phase, options=(), steps=(), ended=failed))
    assert seen(past, T0 + MINUTE).failures == 4
    past.told(named("i9"), status(phase=Phase.Opened, ended=replace(failed, at=T0 + MINUTE, helped=True)))
    assert seen(past, T0 + MINUTE).failures == 0
    past.told(named("i9"), status(T0 + MINUTE, ended=replace(failed, helped=True)))
    assert seen(past, T0 + MINUTE).failures == 5, "what it came to since counts instead"


def test_what_came_to_nothing_before_its_playbook_was_edited_is_none_of_the_new_one() -> None:
    past, failed = index(), EndRecord(Pin("frontend-down", generation=2), T0)
    past.told(named("a"), status(phase=Phase.Escalated, options=(), steps=(), ended=failed))
    assert seen(past).failures == 0
    assert past.of(ME, "standard", ("aureus", "frontend-down", 2), APP, T0).failures == 1


def test_one_that_failed_after_another_option_helped_for_a_while_is_a_failure() -> None:
    past = index()
    options = (OptionRecord("restart", OptionState.Confirmed), OptionRecord("undo", OptionState.Failed))
    past.told(named("a"), status(options=options, phase=Phase.Closed))
    assert seen(past).failures == 1


def test_what_was_deleted_counts_for_a_day_also_beside_one_of_its_name() -> None:
    past = index()
    past.told(named("a"), status())
    past.gone(("aureus", "a"), T0)
    past.gone(("aureus", "a"), T0)
    past.told(named("a", created_at=T0 + MINUTE), Status())
    found = seen(past)
    assert found.touched == Touched("aureus/a (deleted, 1)", T0) and (found.changes, found.failures) == ((T0,), 1)
    assert set(found.opened) == {T0, T0 + MINUTE}
    past.gone(("aureus", "a"), T0 + timedelta(days=1))
    assert len(seen(past).opened) == 2
    past.gone(("aureus", "x"), T0 + timedelta(days=1, seconds=1))
    assert seen(past) == Past(opened=(T0 + MINUTE,))


def test_what_was_deleted_counts_no_longer_than_a_day_also_where_nothing_is_deleted_since() -> None:
    past = index()
    past.told(named("a"), status())
    past.gone(("aureus", "a"), T0)
    assert seen(past, T0 + timedelta(days=1)).failures == 1
    assert seen(past, T0 + timedelta(days=1, seconds=1)) == Past()


def test_times_are_in_order_whoever_is_known_first() -> None:
    past = index()
    for name, minute, policy in (("a", 3, "standard"), ("b", 1, "standard"), ("c", 2, "")):
        known = status(T0 + minute * MINUTE) if policy else Status()
        past.told(named(name, created_at=T0 + minute * MINUTE), known)
    assert seen(past).opened == tuple(T0 + minute * MINUTE for minute in (1, 2, 3))
    assert seen(past).changes == (T0 + MINUTE, T0 + 3 * MINUTE)
    past.forget(("aureus", "b"))
    assert seen(past).opened == (T0 + 2 * MINUTE, T0 + 3 * MINUTE) and seen(past).changes == (T0 + 3 * MINUTE,)


def test_what_is_forgotten_leaves_nothing_behind() -> None:
    past = index()
    past.told(named("a"), status())
    past.forget(("aureus", "a"))
    assert past == index()

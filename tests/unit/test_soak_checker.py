"""The checker of the soak finds each fault that is put into a clean audit log, and nothing in the clean one.

The log: two incidents of a real soak, cut down. In the first nobody knows what came of an intent: it is fenced and tried anew,
denied and taken back; then a release is undone, and the operator killed. The second makes three changes, each for a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.stage.audit.judge import judge
from tests.stage.audit.log import Event, parse
from tests.stage.audit.tell import tell
from tests.stage.audit.terms import EPOCH, TOKEN, Kind, Outage, Promise, annotation, covered

LOG = Path(__file__).parent / "goldens" / "audit" / "soak.jsonl"
EVIDENCE = frozenset({("list", "events"), ("get", "pods/log")})
SWITCH, UNDO, FIRST = "1/flag/switch", "1/undo/undo", "1/box/set-0"
DENIED = frozenset({SWITCH, f"{SWITCH}/revert", UNDO})
BOXES = {f"1/box/set-{number}": timedelta(seconds=seconds) for number, seconds in enumerate((5, 7, 6))}
BOXED = frozenset(BOXES) | {f"{token}/revert" for token in BOXES}
OTHERS = ({"acting": ""}, {"acting": "system:serviceaccount:other:trier"}, {"user": "mallory"})
MOMENT = timedelta(milliseconds=1)


@pytest.fixture
def log() -> list[Event]:
    return [parse(line) for line in LOG.read_bytes().splitlines()]


def bears(event: Event, token: str) -> bool:
    return annotation(event, TOKEN).partition("/")[2] == token


def write_of(log: Sequence[Event], token: str) -> Event:
    """The committed one."""
    return next(event for event in log if bears(event, token) and event.done)


def intent_of(log: Sequence[Event], token: str) -> Event:
    """The write of the status right before that write."""
    at = write_of(log, token).received
    return [event for event in log if event.resource == "incidents/status" and event.received < at][-1]


def at(event: Event, seconds: float) -> Event:
    """The same so much later."""
    later = timedelta(seconds=seconds)
    return replace(event, received=event.received + later, answered=event.answered + later)


def next_created(log: Sequence[Event], event: Event) -> datetime:
    """When the incident after it was opened."""
    times = [other.received for other in log if other.resource == "incidents" and other.received > event.received]
    return min(times, default=log[-1].received + MOMENT)


def swapped(log: Sequence[Event], old: Event, *new: Event) -> list[Event]:
    return [event for event in log if event is not old] + list(new)


def promises(log: Sequence[Event]) -> list[Promise]:
    first, second = (write_of(log, token) for token in (SWITCH, FIRST))
    names = [event.name for event in log if event.resource == "incidents"]
    return [
        Promise(
            uid=annotation(write, TOKEN).partition("/")[0], namespace=write.namespace, name=name, operator=write.user,
            account=write.acting, effects=effects, boxes=BOXES if effects is BOXED else {}, evidence=EVIDENCE,
        )
        for write, name, effects in zip((first, second), names, (DENIED, BOXED), strict=True)
    ]  # fmt: skip


Judge = Callable[..., set[Kind]]


@pytest.fixture
def kinds(log: list[Event]) -> Judge:
    """What is found in another log, by what the clean one is to hold."""
    promised = promises(log)

    def judged(other: Sequence[Event], outages: Sequence[Outage] = ()) -> set[Kind]:
        return {finding.kind for finding in judge(other, promised, {one.namespace: outages for one in promised})}

    return judged


def test_a_clean_log_passes(log: list[Event], kinds: Judge) -> None:
    assert kinds(log) == set()


def test_what_the_log_says_of_an_incident_is_told_in_order(log: list[Event]) -> None:
    first, second = promises(log)
    told = list(tell(reversed(log), first))
    places = [next(n for n, line in enumerate(told) if line.endswith(f"/{token}")) for token in (SWITCH, f"{SWITCH}/revert", UNDO)]
    assert places == sorted(places) and all("patch" in told[place] for place in places)
    before = "\n".join(told[: places[0]])
    assert "phase Mitigating" in before and "steps name=switch state=Intended" in before and "get pods/log" in before
    assert not [line for line in told if f"incidents/status {second.namespace}/{second.name} " in line]


def test_the_clean_log_holds_what_the_faults_are_put_into(log: list[Event]) -> None:
    assert sum(bool(annotation(event, EPOCH)) for event in log) == 2
    assert any(event.dry and annotation(event, TOKEN) for event in log)


@pytest.mark.parametrize("token", sorted(DENIED | BOXED))
def test_a_doubled_write_is_found(log: list[Event], kinds: Judge, token: str) -> None:
    write = write_of(log, token)
    again = replace(write, received=write.answered + MOMENT, answered=write.answered + 2 * MOMENT)
    assert Kind.Doubled in kinds([*log, again])


@pytest.mark.parametrize("token", sorted(DENIED | BOXED))
def test_a_missing_write_is_found(log: list[Event], kinds: Judge, token: str) -> None:
    assert Kind.Lost in kinds(swapped(log, write_of(log, token)))


@pytest.mark.parametrize("change", [{"code": 409}, {"dry": True}])
@pytest.mark.parametrize("token", sorted(DENIED | BOXED))
def test_a_write_that_was_refused_or_only_tried_is_missing(log: list[Event], kinds: Judge, token: str, change: dict) -> None:
    write = write_of(log, token)
    assert Kind.Lost in kinds(swapped(log, write, replace(write, **change)))


def test_a_write_of_which_the_api_server_does_not_know_is_neither(log: list[Event], kinds: Judge) -> None:
    write = write_of(log, f"{FIRST}/revert")
    assert kinds(swapped(log, write, replace(write, code=504))) == set()
    assert kinds([*log, replace(at(write, 0.001), code=504)]) == set()


def test_a_write_that_nobody_promised_is_found(log: list[Event], kinds: Judge) -> None:
    write = write_of(log, FIRST)
    metadata = write.body["metadata"]
    more = {**metadata, "annotations": {TOKEN: metadata["annotations"][TOKEN] + "-more"}}
    assert kinds([*log, replace(at(write, 0.1), body={**write.body, "metadata": more})]) >= {Kind.Unpromised, Kind.Intent}


@pytest.mark.parametrize("missing", sorted(EVIDENCE))
@pytest.mark.parametrize("token", [SWITCH, UNDO, FIRST])
def test_a_write_before_its_evidence_is_found(log: list[Event], kinds: Judge, token: str, missing: tuple[str, str]) -> None:
    write = write_of(log, token)
    late = [event for event in log if (event.verb, event.resource) == missing and event.received < write.received]
    assert kinds([event for event in log if event not in late]) == {Kind.Evidence}
    after = [replace(event, received=write.received + MOMENT, answered=write.answered + MOMENT) for event in late]
    assert kinds([*(event for event in log if event not in late), *after]) == {Kind.Evidence}


def test_evidence_of_before_the_last_change_is_none(log: list[Event], kinds: Judge) -> None:
    back, undo = write_of(log, f"{SWITCH}/revert").received, write_of(log, UNDO).received
    assert kinds([event for event in log if event.resource != "events" or not back < event.received < undo]) == {Kind.Evidence}


def test_evidence_that_somebody_else_read_is_none(log: list[Event], kinds: Judge) -> None:
    assert kinds([replace(event, acting="") if event.resource == "events" else event for event in log]) == {Kind.Evidence}


@pytest.mark.parametrize("token", sorted(DENIED | BOXED))
def test_a_write_before_its_intent_is_found(log: list[Event], kinds: Judge, token: str) -> None:
    write, intent = write_of(log, token), intent_of(log, token)
    late = replace(intent, received=write.received + MOMENT, answered=write.received + 2 * MOMENT)
    assert kinds(swapped(log, intent, late)) == {Kind.Intent}


def test_an_intent_that_was_not_answered_yet_is_none(log: list[Event], kinds: Judge) -> None:
    write, intent = write_of(log, FIRST), intent_of(log, FIRST)
    assert kinds(swapped(log, intent, replace(intent, answered=write.received + MOMENT))) == {Kind.Intent}


def test_an_intent_that_was_refused_is_none(log: list[Event], kinds: Judge) -> None:
    intent = intent_of(log, SWITCH)
    assert Kind.Intent in kinds(swapped(log, intent, replace(intent, code=409)))


@pytest.mark.parametrize("change", OTHERS)
@pytest.mark.parametrize("token", sorted(DENIED | BOXED))
def test_a_write_by_somebody_else_is_found(log: list[Event], kinds: Judge, token: str, change: dict) -> None:
    write = write_of(log, token)
    assert kinds(swapped(log, write, replace(write, **change))) == {Kind.Identity}


def test_a_write_that_bears_no_token_is_found(log: list[Event], kinds: Judge) -> None:
    write = write_of(log, FIRST)
    assert kinds([*log, replace(at(write, 0.5), body={"data": {"more": "on"}})]) == {Kind.Unmarked}
    assert kinds([*log, replace(at(write, 0.5), acting="", body={"data": {"more": "on"}})]) == {Kind.Identity}


def test_the_operators_own_kinds_and_its_events_are_no_targets(log: list[Event], kinds: Judge) -> None:
    told = replace(write_of(log, FIRST), acting="", verb="create", resource="events", body=None)
    assert kinds([*log, told, replace(told, group="stanch.dev", resource="decisions/status")]) == set()


@pytest.mark.parametrize("token", [f"{SWITCH}/revert", f"{FIRST}/revert"])
def test_a_late_revert_is_found_unless_an_outage_covers_it(log: list[Event], kinds: Judge, token: str) -> None:
    write = write_of(log, token)
    late, end = at(write, 11), next_created(log, write)
    other = [at(event, 11) if write.received <= event.received < end else event for event in log]
    assert kinds(other) == {Kind.Late}
    assert kinds(other, [(write.received, write.received + timedelta(seconds=8))]) == set()
    assert kinds(other, [(late.received, late.received + timedelta(seconds=8))]) == {Kind.Late}


def test_an_early_revert_is_found(log: list[Event], kinds: Judge) -> None:
    """That one came 0.4 s after its time."""
    intent, write = intent_of(log, "1/box/set-1/revert"), write_of(log, "1/box/set-1/revert")
    other = [event for event in log if event not in (intent, write)]
    assert kinds([*other, at(intent, -0.3), at(write, -0.3)]) == set()
    assert kinds([*other, at(intent, -0.4), at(write, -0.4)]) == {Kind.Early}


def test_a_time_box_that_is_not_the_playbooks_is_found(log: list[Event]) -> None:
    promised = [replace(one, boxes={token: timedelta(minutes=1) for token in one.boxes}) for one in promises(log)]
    assert {finding.kind for finding in judge(log, promised, {})} == {Kind.Due}


def test_a_write_of_an_old_leader_is_found(log: list[Event], kinds: Judge) -> None:
    fence = next(event for event in log if annotation(event, EPOCH))
    late = replace(write_of(log, SWITCH), received=fence.answered + MOMENT, answered=fence.answered + 2 * MOMENT)
    assert Kind.Stale in kinds([*log, late])
    assert Kind.Stale not in kinds([*log, replace(late, received=fence.received - 2 * MOMENT, answered=fence.received - MOMENT)])


def test_what_a_person_writes_meanwhile_is_no_fence(log: list[Event], kinds: Judge) -> None:
    write = write_of(log, SWITCH)
    assert kinds([*log, replace(at(write, -0.01), user="alice", acting="", body={"data": {"other": "on"}})]) == set()


def test_a_write_that_no_later_leader_could_keep_out_is_found(log: list[Event], kinds: Judge) -> None:
    write = write_of(log, FIRST)
    metadata = {name: value for name, value in write.body["metadata"].items() if name != "resourceVersion"}
    assert kinds(swapped(log, write, replace(write, body={**write.body, "metadata": metadata}))) == {Kind.Stale}


def test_a_log_that_ends_early_is_said_and_not_read_as_nothing(log: list[Event], kinds: Judge) -> None:
    last = max(write_of(log, token).received for token in BOXED)
    assert kinds([event for event in log if event.received <= last]) == {Kind.Log}
    assert Kind.Log in kinds([])


def test_a_log_that_begins_late_is_said(log: list[Event], kinds: Judge) -> None:
    begin = next(event for event in log if event.resource == "incidents").received
    assert Kind.Log in kinds([event for event in log if event.received > begin])


def test_a_log_without_what_was_written_is_said(log: list[Event], kinds: Judge) -> None:
    """As a policy makes it that keeps no bodies."""
    intent, write = intent_of(log, FIRST), write_of(log, FIRST)
    assert kinds(swapped(log, intent, replace(intent, body=None))) >= {Kind.Log, Kind.Intent}
    assert kinds(swapped(log, write, replace(write, body=None))) == {Kind.Log, Kind.Lost}


def test_of_outages_each_moment_counts_once(log: list[Event]) -> None:
    begin = log[0].received
    second = timedelta(seconds=1)
    outages = [(begin + 2 * second, begin + 4 * second), (begin - second, begin + second), (begin, begin + 3 * second)]
    assert covered((begin, begin + 10 * second), outages) == 4 * second

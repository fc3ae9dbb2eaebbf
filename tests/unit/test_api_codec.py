"""What is written is read back alike, and what cannot be read or written says which field and why."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanch.api import codec
from stanch.domain.conditions import Condition
from stanch.domain.decision import Verb
from stanch.domain.incident import (
    CHANGES,
    ChangeRecord,
    CheckRecord,
    EndRecord,
    Mode,
    Phase,
    RevertRecord,
    RevertState,
    Status,
    StepRecord,
    StepState,
    Verdict,
)
from stanch.domain.messages import MessageRecord, MessageState
from stanch.domain.objects import DecisionStatus, Standing
from stanch.domain.plan import Approval, Check, FactType, Option, Pin, Plan, Ref, Risk, Step, Target
from stanch.domain.timeline import Entry, Line
from stanch.engine.changes import ANY
from stanch.engine.debts import MOST
from stanch.engine.errors import Refused
from stanch.engine.parts import Reading
from tests.unit import api_examples as examples
from tests.unit.play import YES, Play, option
from tests.unit.play import plan as planned

AT = datetime(2026, 11, 21, 9, 0, 0, 123456, tzinfo=UTC)


def plan() -> Plan:
    step = Step("undo", "rolloutUndo", "app", {"to": "LastStable", "revision": 4}, "serves")
    check = Check("http", "http", {"path": "/health"}, within=timedelta(minutes=2), hold_for=timedelta(seconds=90))
    option = Option("undo", (step,), (check,), risk=Risk.Medium, approval=Approval({"incident-commander": 1}))
    target = Target("app", Ref("apps/v1", "Deployment", "aureus", "frontend", "u-9"))
    return Plan("u-1", 1, Pin("frontend-down", "u-2", 3), Pin("remediator", "u-3"), "aureus", (target,), options=(option,))


def status() -> Status:
    entry = Entry(1, "sha256:0", AT, Line("opened", "alice", "open"), "sha256:1")
    return Status(
        phase=Phase.Verifying,
        phase_since=AT,
        wake_at=AT + timedelta(seconds=5),
        playbook=Pin("frontend-down", "u-2", 3),
        targets=plan().targets,
        facts={"lastDeploy.at": "2026-11-21T08:50:00Z"},
        steps=(StepRecord("undo", "undo", StepState.Done, token="t", intended_at=AT),),
        checks=(CheckRecord("http", Verdict.Denied, "503", Verdict.Inconclusive, "200", "503"),),
        pack=replace(Status().pack, pending=(entry,)),
        locked=True,
        conditions=(Condition("Ready", "False", "Verifying", last_transition_time=AT),),
    )


def incident(**status: object) -> dict:
    return examples.served(examples.incident()) | {"status": status}


def test_facts_are_what_the_incident_opened_with() -> None:
    facts = codec.facts_of(incident())
    assert (facts.namespace, facts.name, facts.uid, facts.generation) == ("aureus", "frontend-502", "u-1", 3)
    assert (facts.opened_by, facts.severity, facts.component, facts.mode) == ("alice", "P0", "frontend", Mode.Live)
    assert facts.created_at == datetime(2026, 11, 21, 9, tzinfo=UTC)
    assert not facts.deleted


@pytest.mark.requirement("B-02")
@pytest.mark.parametrize(("said", "read"), [
    ("2026-11-21T09:30:00+02:00", datetime(2026, 11, 21, 7, 30, tzinfo=UTC)),
    ("2026-11-21T09:30:00+00:00", datetime(2026, 11, 21, 9, tzinfo=UTC)),
    ("0001-01-01T00:00:00+14:00", datetime(1, 1, 1, tzinfo=UTC)),
    ("9999-12-31T23:59:59-14:00", datetime(2026, 11, 21, 9, tzinfo=UTC)),
], ids=["elsewhere", "later", "before all", "after all"])  # fmt: skip
def test_when_it_was_noticed_is_told_in_utc_and_no_moment_is_too_odd(said: str, read: datetime) -> None:
    """What it says of it counts on: the time is told to people as UTC."""
    noticed = incident()
    noticed["spec"]["startedAt"] = said
    found = codec.facts_of(noticed).detected_at
    assert found == read and found.utcoffset() == timedelta() and found + timedelta(minutes=5)


def test_a_moment_without_a_zone_is_none() -> None:
    noticed = incident()
    noticed["spec"]["startedAt"] = "2026-11-21T09:30:00"
    with pytest.raises(Refused, match=r"spec\.startedAt: Input should have timezone info"):
        codec.facts_of(noticed)


def test_a_status_reads_back_through_json() -> None:
    body = json.loads(json.dumps(codec.status_to_json(status())))
    assert codec.status_of(incident() | {"status": body}) == status()


def test_no_status_is_the_initial_one_and_is_written_visibly() -> None:
    assert codec.status_of(incident()) == Status()
    assert codec.status_to_json(Status()) == {"formatVersion": 3, "observedGeneration": 0, "phase": "Opened"}


def test_changes_of_before_they_were_counted_are_one_each() -> None:
    read = codec.status_of(incident(changes=[{"token": "t", "target": "u-9", "at": "2026-11-21T09:00:00.123456Z"}]))
    assert read.changes == (ChangeRecord("t", "u-9", AT),) and read.changes[0].count == 1 and read.ended is None


def test_conditions_are_whole_as_kstatus_wants_them() -> None:
    (condition,) = codec.status_to_json(status())["conditions"]
    assert condition.keys() == {"type", "status", "reason", "message", "lastTransitionTime"}


def test_a_status_of_a_later_version_is_not_guessed_at() -> None:
    with pytest.raises(Refused, match=r"NewerFormat.*aureus/frontend-502.*formatVersion 99.*run the later version"):
        codec.status_of(incident(formatVersion=99))


def test_what_cannot_be_read_names_the_field() -> None:
    with pytest.raises(Refused, match=r"Incident aureus/frontend-502: status\.steps\[0\]\.state: Input should be"):
        codec.status_of(incident(steps=[{"option": "a", "name": "b", "state": "Odd"}]))
    broken = incident()
    del broken["spec"]["severity"]
    with pytest.raises(Refused, match=r"Incident aureus/frontend-502: spec\.severity: Field required"):
        codec.facts_of(broken)


def test_sentences_are_cut_to_what_the_api_server_takes() -> None:
    long = replace(status(), message="x" * 5000, checks=(CheckRecord("http", Verdict.Denied, message="ü" * 3000),))
    body = codec.status_to_json(long)
    assert body["message"] == "x" * 1023 + "…"
    assert len(body["checks"][0]["message"]) == 1024


def test_a_status_stays_under_100_kb_with_200_targets_and_50_steps() -> None:
    """All of them with names as long as labels may be, and messages as long as they get: sentences of records give way."""
    body = codec.status_to_json(huge(200, 50))
    assert len(stored(body)) < 100_000
    assert len(body["targets"]) == 200 and len(body["steps"]) == 50 and len(body["reverts"]) == MOST
    assert body["message"] == "m" * 1024, "what decide compares is as it was"
    assert len(body["changes"]) == CHANGES, "each object that was changed is named"
    assert all(len(step["message"]) >= 16 for step in codec.status_to_json(huge(150, 50))["steps"])
    assert len(stored(body)) > 90_000, "it is the worst there is"
    assert codec.status_of(incident(**body)).steps[1].token.endswith("/1/option/step-000000000000000000000000000001")


def test_texts_for_people_outside_give_way_first_the_pack_has_them() -> None:
    record = MessageRecord("status-page", "all customers", "comms", MessageState.Released, "sha256:" + "d" * 64, "ü" * 4096)
    messages = tuple(replace(record, name=f"status-page-{number:02}") for number in range(16))
    small = codec.status_to_json(replace(status(), messages=messages[:2]))
    assert [len(one["text"]) for one in small["messages"]] == [4096, 4096]
    body = codec.status_to_json(replace(huge(200, 50), messages=messages))
    assert len(stored(body)) < 100_000
    read = codec.status_of(incident(**body))
    assert read.messages == tuple(replace(one, text="") for one in messages), "who may release which text is never cut"


def test_it_stays_so_while_it_carries_the_answers_of_sixteen_questions() -> None:
    """Beside the facts that they become, and lines that were held back until there was something to store."""
    asked = sixteen_answers()
    told = tuple(Entry(n, "sha256:" + "0" * 64, AT, Line(f"2/resolve/{n}", "stanch", "x" * 253)) for n in (1, 2, 3, 4))
    full = replace(huge(200, 50), facts=asked.facts, pack=replace(asked.pack, pending=(*told, *asked.pack.pending)))
    body = codec.status_to_json(full)
    assert len(stored(body)) < 100_000
    assert len(body["pack"]["pending"]) == 20 and body["message"] == "m" * 1024, "what is owed to the chain is never cut"
    read = codec.status_of(incident(**body))
    assert read.steps[0].message == "", "the sentences of records are: the chain has them"
    assert sum(change.count for change in read.changes) == CHANGES and read.changes[0].target == ANY, "guards miss none"
    kept = {debt.token: debt.digest for debt in read.reverts}
    assert all(step.before or kept[step.token] for step in read.steps), "each before-image is named once"


def sixteen_answers() -> Status:
    """As diagnosis tells them, each longer than there is room."""
    checks = tuple(Check(f"question-{number:030d}", "prometheus", fact=FactType.String) for number in range(16))
    play = Play(planned(option("undo"), diagnosis=checks))
    play.readings = {check.name: Reading(Verdict.Confirmed, "m" * 1000, value="v" * 1000) for check in checks} | {"health": YES}
    play.until(Phase.Resolved)
    most = max(play.statuses, key=lambda status: len(status.pack.pending))
    answers = tuple(entry for entry in most.pack.pending if "/diagnosis/" in entry.line.key)
    assert len(answers) == 16
    return replace(most, pack=replace(most.pack, pending=answers))


def stored(body: dict) -> bytes:
    """As the API server keeps it."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def test_a_small_status_is_cut_nowhere() -> None:
    assert codec.status_to_json(huge(5, 10))["steps"][9]["message"] == "x" * 1024


def huge(targets: int, steps: int) -> Status:
    def ref(number: int) -> Ref:
        return Ref("apps/v1", "Deployment", "namespace-of-a-team", f"workload-{number:030d}", f"{number:036d}")

    def token(number: int) -> str:
        return f"{number:036d}/1/option/step-{number:030d}"

    return replace(
        status(),
        message="m" * 1024,
        targets=tuple(Target(f"workload-{number:030d}", ref(number)) for number in range(targets)),
        steps=tuple(
            StepRecord("option", f"step-{number:030d}", StepState.Done, token=token(number), resource_version="123456789",
                       before="sha256:" + "0" * 64, message="x" * 1024, intended_at=AT, done_at=AT)
            for number in range(steps)
        ),
        reverts=tuple(
            RevertRecord("option", f"step-{number:030d}", RevertState.Owed, ref(number), token(number), "stanch-before-" + "0" * 32,
                         "sha256:" + "0" * 64, due_at=AT, message="y" * 253)
            for number in range(min(steps, MOST))
        ),
        checks=tuple(
            CheckRecord(f"check-{number:030d}", Verdict.Confirmed, message="z" * 1024) for number in range(min(steps, 32))
        ),
        ended=EndRecord(Pin("playbook-" + "p" * 40, f"{0:036d}", 12), AT, helped=True),
        changes=tuple(
            ChangeRecord(f"{token(number)}/revert", f"{number:036d}", AT, "Deployment", f"workload-{number:030d}")
            for number in range(min(targets, CHANGES))
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("spoilt", "where"),
    [
        ({"option": "x" * 64}, r"status\.option: length 64, at most 63"),
        ({"steps": (StepRecord("o", "s", StepState.Done),) * 65}, r"status\.steps: length 65, at most 64"),
        ({"steps": (StepRecord("o", "s" * 64, StepState.Done),)}, r"status\.steps\[0\]\.name: length 64, at most 63"),
        (
            {"pack": replace(Status().pack, pending=(Entry(1, "", AT, Line("k", "a", "x" * 1025)),))},
            r"status\.pack\.pending\[0\]\.line\.action: length 1025",
        ),
    ],
)
def test_what_must_not_be_cut_is_refused(spoilt: dict, where: str) -> None:
    with pytest.raises(Refused, match=where):
        codec.status_to_json(replace(status(), **spoilt))


def test_a_decision_is_read() -> None:
    decision = codec.decision_of(examples.served(examples.decision()))
    assert (decision.verb, decision.by, decision.role, decision.option) == (Verb.Approve, "bob", "incident-commander", "undo")
    assert decision.incident_uid == "6f1c"
    assert not decision.recorded


def test_a_marked_decision_is_recorded() -> None:
    body = codec.decision_status_to_json(DecisionStatus(AT, Standing.NoEffect, "too late"))
    assert body == {"recordedAt": "2026-11-21T09:00:00.123456Z", "effect": "NoEffect", "message": "too late"}
    assert codec.decision_of(examples.served(examples.decision()) | {"status": body}).recorded


def test_a_plan_reads_back_from_its_bytes() -> None:
    data = codec.plan_to_bytes(plan())
    assert codec.plan_of(data) == plan()
    assert codec.plan_to_bytes(codec.plan_of(data)) == data


def test_the_digest_is_of_the_content_alone() -> None:
    """An approval that was given must still hold after an upgrade: a change of these bytes is a change of format."""
    option = plan().options[0]
    step = replace(option.steps[0], params={"revision": 4, "to": "LastStable"})
    reordered = replace(plan(), options=(replace(option, steps=(step,)),))
    assert codec.plan_to_bytes(reordered) == codec.plan_to_bytes(plan())
    assert codec.digest(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(st.data())
def test_any_change_of_a_plan_is_another_digest(data: st.DataObject) -> None:
    changes = [
        {"attempt": 2},
        {"namespace": "other"},
        {"targets": (replace(plan().targets[0], ref=replace(plan().targets[0].ref, uid="u-10")),)},
        {"options": (replace(plan().options[0], timeout=timedelta(minutes=31)),)},
        {"options": (replace(plan().options[0], approval=None),)},
        {"service_account": Pin("remediator", "u-4")},
    ]
    changed = replace(plan(), **data.draw(st.sampled_from(changes)))
    assert codec.digest(codec.plan_to_bytes(changed)) != codec.digest(codec.plan_to_bytes(plan()))


@pytest.mark.parametrize("value", [2**53, -(2**53)])
def test_what_json_cannot_carry_exactly_is_refused(value: object) -> None:
    step = Step("s", "a", "t", {"limit": value})
    with pytest.raises(Refused, match="Invalid"):
        codec.plan_to_bytes(replace(plan(), options=(Option("o", (step,)),)))


def test_bytes_that_are_no_plan_are_refused() -> None:
    with pytest.raises(Refused, match=r"stored plan: plan\.incidentUid: Field required"):
        codec.plan_of(b"{}")

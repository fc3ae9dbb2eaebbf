"""What people say through the command line: the Decision that is created, who says it, what became of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stanch.api.codec import decision_of
from stanch.cli import decide
from stanch.cli.decide import Manner, Said
from stanch.cli.ending import Code, Ending
from stanch.cli.output import Format
from stanch.cli.speaking import Asking, speak
from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from stanch.engine.errors import Refused
from stanch.engine.shipped import DECISIONS
from stanch.engine.vouching import unproven
from tests.unit.cli_kit import answers, created, incident, parsed, session, sleeper
from tests.unit.memory import MemoryServer
from tests.unit.play import DIGEST, NO, Play, approval, option, plan


def server_with(play: Play | None = None) -> MemoryServer:
    server = MemoryServer()
    incident(server, play)
    return server


def manner(server: MemoryServer, *, wait: bool = True, output: Format = Format.text) -> Manner:
    return Manner(wait, output, sleeper(server))


@pytest.mark.requirement("A-17")
async def test_a_note_bears_the_name_that_the_api_server_knows(capsys: pytest.CaptureFixture[str]) -> None:
    server = server_with()
    answers(server, "Counted", "noted")
    await decide.decide(session(server, user="carol"), Said(Verb.Note, "frontend-502", "pool is full"), manner(server))
    (made,) = created(server)
    assert made["metadata"]["name"].startswith("frontend-502-note-")
    assert made["spec"] == {
        "incidentRef": {"name": "frontend-502", "uid": server.read(server.ref(made_for(server)))["metadata"]["uid"]},
        "verb": "Note",
        "by": "carol",
        "reason": "pool is full",
    }
    assert capsys.readouterr().out.splitlines()[1] == "counted: noted; it stands in the timeline"


def made_for(server: MemoryServer) -> dict:
    return created(server, "Incident")[0]


@pytest.mark.parametrize("verb", Verb)
async def test_every_verb_makes_a_decision_that_the_models_take(verb: Verb) -> None:
    server = server_with()
    of_step = {"step": "undo", "extend_by": "1h" if verb is Verb.Extend else ""}
    glass = {"digest": DIGEST, "ticket": "OPS-4711"} if verb is Verb.BreakGlass else {"digest": DIGEST}
    bound = of_step if verb in (Verb.Confirm, Verb.Extend, Verb.Revert) else glass
    bound |= {"severity": "P0"} if verb is Verb.Classify else {"assignee": "carol"} if verb is Verb.Assign else {}
    bound |= {"message": "status-page", "message_digest": DIGEST} if verb is Verb.Release else {}
    said = Said(verb, "frontend-502", "because", "incident-commander", "undo", **bound)
    await decide.decide(session(server), said, manner(server, wait=False))
    decision = decision_of(created(server)[0])
    assert (decision.verb, decision.role, decision.by) == (verb, "incident-commander", "bob")
    assert verb in decide.FOLLOWS


async def test_two_of_the_same_kind_have_different_names() -> None:
    server = server_with()
    for _ in range(2):
        await decide.decide(session(server), Said(Verb.Note, "frontend-502", "again"), manner(server, wait=False))
    assert len({made["metadata"]["name"] for made in created(server)}) == 2


async def test_without_effect_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    server = server_with()
    answers(server, "NoEffect", "an incident that is Closed cannot be aborted")
    with pytest.raises(Ending, match="cannot be aborted") as ending:
        await decide.decide(session(server), Said(Verb.Abort, "frontend-502", "wrong"), manner(server))
    assert ending.value.code is Code.Problems


async def test_an_operator_that_is_down_is_said_and_waited_for_ten_seconds_only(capsys: pytest.CaptureFixture[str]) -> None:
    server = server_with()
    await decide.decide(session(server), Said(Verb.Abort, "frontend-502", "stop"), manner(server))
    assert server.time.monotonic() == decide.PATIENCE
    out = capsys.readouterr().out
    assert (
        "not recorded within 10 s: is the operator up?" in out
        and f"kubectl get dec {created(server)[0]['metadata']['name']}" in out
    )


async def test_that_nobody_vouches_for_decisions_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    play = awaiting()
    play.trust = unproven(DECISIONS, None)
    play.tick()
    server = server_with(play)
    await decide.decide(session(server), Said(Verb.Abort, "frontend-502", "stop"), manner(server))
    out = capsys.readouterr().out
    assert "not accepted (ProbeAccepted): the API server takes a forged Decision" in out and "is the operator up" not in out


async def test_json_is_the_decision_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    server = server_with()
    answers(server, "Counted", "noted")
    await decide.decide(session(server), Said(Verb.Note, "frontend-502", "x"), manner(server, output=Format.json))
    assert parsed(capsys.readouterr().out)["status"]["effect"] == "Counted"


async def test_a_refusal_at_admission_reaches_the_person() -> None:
    server = server_with()

    def forbid(write: object) -> None:
        raise Refused("Forbidden", "'bob' may not approve as 'incident-commander'")

    server.before_write.append(forbid)
    with pytest.raises(Refused, match="may not approve"):
        await decide.decide(session(server), Said(Verb.Note, "frontend-502", "x"), manner(server))


def awaiting() -> Play:
    play = Play(plan=plan(option("restart"), option("undo", approval=approval(incident_commander=1))), readings={"health": NO})
    play.until(Phase.AwaitingApproval)
    return play


def asking(yes: bool, answer: Callable[[str], bool] | None = None) -> Asking:
    def unasked(what: str) -> bool:
        raise AssertionError(f"asked: {what}")

    return Asking(yes, answer or unasked, "stanch-system")


@pytest.mark.requirement("A-15")
async def test_an_approval_is_bound_to_the_plan_and_the_option_that_waits() -> None:
    server = server_with(awaiting())
    said = Said(Verb.Approve, "frontend-502", role="incident-commander", unseen=True)
    await speak(session(server), said, asking(yes=True), manner(server, wait=False))
    decision = decision_of(created(server)[0])
    assert (decision.option, decision.plan_digest, decision.role) == ("undo", DIGEST, "incident-commander")


async def test_the_plan_that_was_looked_at_must_be_the_plan() -> None:
    server = server_with(awaiting())
    other = Said(Verb.Approve, "frontend-502", role="incident-commander", digest="sha256:" + "0" * 64)
    with pytest.raises(Ending, match="look at it again"):
        await speak(session(server), other, asking(yes=True), manner(server))
    assert not created(server)


@pytest.mark.parametrize(("play", "message"), [(Play(), "name an option"), (None, "name an option")])
async def test_nothing_waits_for_approval(play: Play | None, message: str) -> None:
    server = server_with(play)
    with pytest.raises(Ending, match=message):
        await speak(session(server), Said(Verb.Approve, "frontend-502", role="x"), asking(yes=True), manner(server))


async def test_an_incident_without_a_plan_cannot_be_approved() -> None:
    server = server_with(Play())
    said = Said(Verb.Approve, "frontend-502", role="x", option="undo")
    with pytest.raises(Ending, match="no plan yet: the operator has not looked"):
        await speak(session(server), said, asking(yes=True), manner(server))


async def test_nobody_is_taken_to_have_agreed_off_a_terminal() -> None:
    server = server_with(awaiting())
    said = Said(Verb.Approve, "frontend-502", role="incident-commander", unseen=True)
    with pytest.raises(Ending, match="say --yes") as ending:
        await speak(session(server), said, asking(yes=False), manner(server))
    assert ending.value.code is Code.Unusable and not created(server)


@pytest.mark.parametrize(("answer", "made"), [(True, 1), (False, 0)])
def test_on_a_terminal_a_person_is_asked(answer: bool, made: int) -> None:
    said: list[str] = []

    def question(what: str) -> bool:
        said.append(what)
        return answer

    try:
        decide.agreed(question, True, False, "Approve option undo")
    except Ending as ending:
        assert not answer and ending.message == "nothing was said"
    assert said == ["Approve option undo?"]


async def test_who_cannot_read_the_plan_is_told_so_before_the_question(capsys: pytest.CaptureFixture[str]) -> None:
    server = server_with(awaiting())
    said = Said(Verb.Reject, "frontend-502", "too risky", "incident-commander")
    with pytest.raises(Ending, match="say --yes"):
        await speak(session(server), said, asking(yes=False), manner(server))
    out = capsys.readouterr().out
    assert f"Plan {DIGEST}: what it would do cannot be shown here" in out and "file:///packs/x" in out

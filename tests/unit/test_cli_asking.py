"""Before a command decides anything: what it will do is shown, a person is asked, and what changed meanwhile is found."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import yaml

from stanch.api import codec
from stanch.cli import saying, telling
from stanch.cli.decide import Manner, Said
from stanch.cli.ending import Code, Ending
from stanch.cli.judge import still_missing
from stanch.cli.looking import Look
from stanch.cli.output import Format
from stanch.cli.speaking import Asking, speak
from stanch.domain.decision import Verb
from stanch.domain.incident import (
    OptionRecord,
    OptionState,
    Phase,
    RevertRecord,
    RevertState,
    Status,
    StepRecord,
    StepState,
)
from stanch.domain.said import AckRecord, ApprovalRecord, ClassRecord, GlassRecord, HoldRecord, RoleRecord
from stanch.domain.severity import Proposal
from stanch.engine.errors import NotFound
from tests.unit.cli_kit import becomes, created, incident, parsed, session
from tests.unit.cli_story import Story
from tests.unit.memory import MemoryServer
from tests.unit.play import APP, T0, approval, facts, option, plan
from tests.unit.test_cli_messages import DRAFT

ASKED = "Approve option undo as incident-commander?"


class Desk:
    """A person at a terminal, whose answers a test gives in advance."""

    def __init__(self, server: MemoryServer, *answers: bool | Callable[[], bool], user: str = "bob") -> None:
        self.server, self.user = server, user
        self.answers = list(answers)
        self.questions: list[str] = []

    def answer(self, question: str) -> bool:
        self.questions.append(question)
        given = self.answers.pop(0)
        return given() if callable(given) else given

    async def says(self, verb: Verb, output: Format = Format.text, yes: bool = False, terminal: bool = True, **said: str) -> None:
        asking = Asking(yes, self.answer, "stanch-system", terminal)
        said = {"role": "incident-commander", "reason": "because"} | said
        await speak(session(self.server, self.user), Said(verb, "frontend-502", **said), asking, Manner(False, output))

    def spec(self) -> dict[str, Any]:
        (made,) = created(self.server)
        return made["spec"]


@pytest.fixture
async def story() -> Story:
    found = Story()
    await found.in_vault()
    return found


def stands(server: MemoryServer, **status: Any) -> None:
    ref = incident(server)
    becomes(server, ref, replace(Status(), **status))


class TestApprove:
    @pytest.mark.requirement("A-15")
    async def test_all_that_a_yes_is_about_is_shown_and_asked(self, story: Story, capsys: pytest.CaptureFixture[str]) -> None:
        desk = Desk(story.server, True)
        await desk.says(Verb.Approve)
        out = capsys.readouterr().out
        for line in (
            "Incident aureus/frontend-502, P0, AwaitingApproval, waits for incident-commander 0/1, sre 0/2: 502 on every page",
            f"  Plan {story.digest}",
            "  2. option undo  risk Medium, needs approval: 1 as incident-commander, 2 as sre, within 15m  [Running]",
            "       -      image: app:v2",
            "       +      image: app:v1",
            "  It touches 1: deployment/frontend (UID uid-app); and nothing else in aureus",
            "  With yours, it still lacks 2 as sre",
        ):
            assert line in out.splitlines()
        assert "It waits until 2026-11-21 03:1" in out and "then silence is a no" in out
        assert desk.questions == [ASKED] and desk.spec()["planDigest"] == story.digest
        shown = yaml.safe_load(out.partition("kubectl create -f -:\n")[2].partition("decision/")[0])
        assert shown["spec"] == desk.spec()

    async def test_the_last_one_begins_it(self, story: Story, capsys: pytest.CaptureFixture[str]) -> None:
        approves(story, ("carol", "sre"), ("dave", "sre"))
        await Desk(story.server, True).says(Verb.Approve)
        assert "With yours, nobody's yes is missing: it begins at once" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("user", "said", "why"),
        [
            ("alice", {}, "alice opened this incident: somebody else must approve"),
            ("carol", {}, "carol approved option undo already"),
            ("bob", {"role": "cook"}, "asks for incident-commander, sre, not for cook"),
            ("bob", {"option": "restart"}, "option restart needs no approval"),
            ("bob", {"option": "nope"}, "no option 'nope'; it has restart, undo"),
        ],
    )
    async def test_what_would_not_count_is_not_asked(self, story: Story, user: str, said: dict[str, str], why: str) -> None:
        approves(story, ("carol", "sre"))
        with pytest.raises(Ending, match=why) as ending:
            await Desk(story.server, user=user).says(Verb.Approve, **said)
        assert ending.value.code is Code.Problems and not created(story.server)

    @pytest.mark.requirement("E-10")
    def test_a_last_resort_is_approved_in_its_turn_only(self) -> None:
        last = option("restart", last_resort=True, approval=approval(incident_commander=1))
        said = Said(Verb.Approve, "frontend-502", role="incident-commander", option="restart")
        seen = Look({}, facts(), Status(phase=Phase.Verifying, option="undo"), "bob", T0, plan(option("undo"), last))
        with pytest.raises(Ending, match="option restart is a last resort: approve it when it waits for that"):
            still_missing(said, seen, last)
        now = replace(seen, status=Status(phase=Phase.AwaitingApproval, option="restart"))
        assert still_missing(said, now, last) == "With yours, nobody's yes is missing: it begins at once"

    async def test_an_option_that_is_over_waits_for_nobody(self, story: Story) -> None:
        over = (OptionRecord("undo", OptionState.Failed),)
        becomes(story.server, story.ref, replace(status_of(story), phase=Phase.Escalated, options=over))
        with pytest.raises(Ending, match="option undo is failed already"):
            await Desk(story.server).says(Verb.Approve, option="undo")

    @pytest.mark.parametrize("verb", [Verb.Approve, Verb.Reject, Verb.BreakGlass])
    async def test_what_is_said_too_late_is_not_asked(self, story: Story, verb: Verb) -> None:
        late = replace(status_of(story), deadline=story.server.time.now() - timedelta(seconds=1))
        becomes(story.server, story.ref, late)
        with pytest.raises(Ending, match="option undo could be approved until 2026-"):
            await Desk(story.server).says(verb, ticket="OPS-4711")
        assert not created(story.server)

    async def test_a_no_says_nothing(self, story: Story) -> None:
        with pytest.raises(Ending, match="nothing was said"):
            await Desk(story.server, False).says(Verb.Approve)
        assert not created(story.server)

    async def test_a_rejection_says_what_comes_then(self, story: Story, capsys: pytest.CaptureFixture[str]) -> None:
        await Desk(story.server, True).says(Verb.Reject)
        assert "  Option undo will not be run; no other is left: people are called" in capsys.readouterr().out.splitlines()


class TestBreakGlass:
    @pytest.mark.requirement("A-16")
    async def test_what_one_person_alone_answers_for_is_shown_and_asked(
        self, story: Story, capsys: pytest.CaptureFixture[str]
    ) -> None:
        desk = Desk(story.server, True, user="alice")
        await desk.says(Verb.BreakGlass, role="", ticket="OPS-4711")
        out = capsys.readouterr().out
        for line in (
            f"  Plan {story.digest}",
            "       +      image: app:v1",
            "  It touches 1: deployment/frontend (UID uid-app); and nothing else in aureus",
            "  It begins at once, without incident-commander 0/1, sre 0/2: you alone answer for it, under ticket OPS-4711",
            "  Everybody is told: a Warning on the incident and on each target, an alert, the pack; a postmortem is required",
        ):
            assert line in out.splitlines()
        assert "It waits until 2026-11-21 03:1" in out and desk.questions == ["BreakGlass option undo as no role?"]
        spec = desk.spec()
        assert (spec["planDigest"], spec["option"], spec["ticket"]) == (story.digest, "undo", "OPS-4711") and "role" not in spec

    @pytest.mark.parametrize(
        ("status", "said", "why"),
        [
            ({}, {"option": "restart"}, "option restart needs no approval"),
            ({}, {"option": "nope"}, "no option 'nope'"),
            (
                {"phase": Phase.Diagnosing, "option": "", "options": ()},
                {"option": "undo"},
                "waits for no approval now: say it again",
            ),
            ({"waits_for": ""}, {}, "option undo has its approvals already"),
        ],
    )
    async def test_what_would_have_no_effect_is_not_asked(
        self, story: Story, status: dict[str, Any], said: dict[str, str], why: str
    ) -> None:
        becomes(story.server, story.ref, replace(status_of(story), **status))
        with pytest.raises(Ending, match=why) as ending:
            await Desk(story.server).says(Verb.BreakGlass, ticket="OPS-4711", **said)
        assert ending.value.code is Code.Problems and not created(story.server)

    async def test_it_is_broken_once(self, story: Story) -> None:
        glass = GlassRecord("d", "undo", story.digest, "carol", "OPS-1", "sre 0/2", T0)
        becomes(story.server, story.ref, replace(status_of(story), broken_glass=(glass,)))
        with pytest.raises(Ending, match="carol broke the glass already"):
            await Desk(story.server).says(Verb.BreakGlass, ticket="OPS-4711")

    async def test_who_may_not_read_the_plan_sees_whose_yes_it_lacks(self, capsys: pytest.CaptureFixture[str]) -> None:
        await Desk(Story().server, True).says(Verb.BreakGlass, ticket="OPS-4711")
        out = capsys.readouterr().out
        assert "what it would do cannot be shown here" in out and "without incident-commander 0/1, sre 0/2: you alone" in out


def status_of(story: Story) -> Status:
    return codec.status_of(story.server.read(story.ref))


def approves(story: Story, *people: tuple[str, str]) -> None:
    records = tuple(ApprovalRecord(f"d-{by}", "undo", role, by, T0) for by, role in people)
    becomes(story.server, story.ref, replace(status_of(story), approvals=records))


class TestChanged:
    async def test_another_plan_is_shown_and_asked_again(self, story: Story, capsys: pytest.CaptureFixture[str]) -> None:
        other = "sha256:" + "0" * 64

        def meanwhile() -> bool:
            becomes(story.server, story.ref, replace(status_of(story), plan_digest=other))
            return True

        desk = Desk(story.server, meanwhile, True)
        await desk.says(Verb.Approve)
        assert desk.questions == [ASKED, ASKED] and desk.spec()["planDigest"] == other
        before, _, after = capsys.readouterr().out.partition("It has changed while you were asked. Now:")
        assert f"Plan {story.digest}" in before and f"Plan {other}" in after

    async def test_another_plan_than_the_one_that_was_named_is_refused(self, story: Story) -> None:
        def meanwhile() -> bool:
            becomes(story.server, story.ref, replace(status_of(story), plan_digest="sha256:" + "0" * 64))
            return True

        with pytest.raises(Ending, match="look at it again"):
            await Desk(story.server, meanwhile).says(Verb.Approve, digest=story.digest)
        assert not created(story.server)

    async def test_what_an_abort_takes_back_may_have_grown(self, capsys: pytest.CaptureFixture[str]) -> None:
        server = MemoryServer()
        ref = incident(server)
        becomes(server, ref, Status(phase=Phase.Mitigating))

        def meanwhile() -> bool:
            becomes(server, ref, Status(phase=Phase.Mitigating, reverts=(owed("scale"),)))
            return True

        desk = Desk(server, meanwhile, True)
        await desk.says(Verb.Abort)
        before, _, after = capsys.readouterr().out.partition("It has changed")
        assert len(desk.questions) == 2 and "Nothing is to be taken back" in before and "by undo/scale is taken back now" in after

    async def test_what_says_nothing_about_the_decision_is_no_change(self) -> None:
        server = MemoryServer()
        ref = incident(server)
        becomes(server, ref, Status(phase=Phase.Verifying))

        def meanwhile() -> bool:
            server.time.move(60)
            becomes(server, ref, Status(phase=Phase.Holding, message="holds", reverts=()))
            return True

        desk = Desk(server, meanwhile)
        await desk.says(Verb.Abort)
        assert len(desk.questions) == 1 and desk.spec()["verb"] == "Abort"

    async def test_an_incident_of_the_same_name_is_another_one(self) -> None:
        server = MemoryServer()
        ref = incident(server)

        def meanwhile() -> bool:
            server.delete(ref, "")
            incident(server)
            return True

        with pytest.raises(NotFound):
            await Desk(server, meanwhile).says(Verb.Abort)
        assert not created(server)


def owed(step: str, minutes: int = 40) -> RevertRecord:
    return RevertRecord(option="undo", step=step, state=RevertState.Owed, ref=APP, token=step, image="i", digest="d",
                        due_at=T0 + timedelta(minutes=minutes))  # fmt: skip


STEPS = (
    StepRecord("undo", "purge", StepState.Done, message="12 keys", written_at=T0),
    StepRecord("undo", "scale", StepState.Done, message="3 -> 5", written_at=T0),
    StepRecord("undo", "send", StepState.Intended),
    StepRecord("undo", "job", StepState.Waiting),
)
TRIED = {"options": (OptionRecord("restart", OptionState.Failed),), "approvals": (ApprovalRecord("d", "undo", "sre", "carol", T0),)}
GLASS = GlassRecord("d", "undo", "sha256:" + "a" * 64, "carol", "OPS-1", "sre 0/2", T0)
FOLLOWS: dict[str, tuple[Verb, dict[str, Any], tuple[str, ...]]] = {
    "abort": (Verb.Abort, {"phase": Phase.Mitigating, "steps": STEPS, "reverts": (owed("scale"),)},
              ("Nothing further is changed, and it ends Aborted",
               "Step undo/send is about to be written: whether it was is looked at first",
               "Step undo/job is under way: what runs already is not ended",
               "The change to deployment/frontend by undo/scale is taken back now (Owed, due 2026-",
               "What undo/purge changed stays: 12 keys")),
    "resume": (Verb.Resume, {"phase": Phase.Escalated, "reverts": (owed("scale"),), **TRIED},
               ("It is planned anew (attempt 2), with playbook, policy and objects as they are then",
                "Every option may be run again; so far: restart failed",
                "Approvals do not count any more: carol (sre, undo)",
                "Still to be taken back: the change to deployment/frontend by undo/scale")),
    "close": (Verb.Close, {"phase": Phase.Resolved, "steps": STEPS[:1], "retention": timedelta(hours=24)},
              ("It ends for good: a recurrence is another incident", "What undo/purge changed stays: 12 keys",
               "The object and its Decisions are deleted 24h later; its pack stays")),
    "close after a broken glass": (Verb.Close, {"phase": Phase.Resolved, "broken_glass": (GLASS,), "said": {"postmortem": "OPS-2"}},
                                   ("It ends for good: a recurrence is another incident",)),
    "release": (Verb.Close, {"phase": Phase.Mitigated, "close_role": "incident-commander", "reverts": (owed("scale"),)},
                ("It is released: it ends Resolved once its recovery is over",)),
}  # fmt: skip
LEVELS = ("P0", "P1")
HELD = HoldRecord("carol", T0, "a freeze next door")
SCRIBE = RoleRecord("scribe", "carol", "bob", T0)
FOLLOWS |= {
    "ack": (Verb.Acknowledge, {"phase": Phase.AwaitingApproval, "acknowledge_by": T0},
            ("It stands on the incident that bob has it, and since when", "It is to be taken on by 2026-")),
    "classify as it is": (Verb.Classify, {"phase": Phase.Capturing, "levels": LEVELS, "said": {"severity": "P0"},
                                          "proposal": Proposal("P0", "completeOutage is true")},
                          ("The policy's criteria propose P0: completeOutage is true",
                           "Severity P0 is confirmed; nothing is planned anew")),
    "classify what nobody knows": (Verb.Classify, {"phase": Phase.Capturing, "said": {"severity": "P0"},
                                                   "proposal": Proposal(message="not known: workaround")},
                                   ("The policy's criteria propose none: not known: workaround", "Severity P0 is confirmed")),
    "classify": (Verb.Classify, {"phase": Phase.AwaitingApproval, "option": "undo", "said": {"severity": "P1"}, **TRIED},
                 ("Severity P0 -> P1",
                  "It is planned anew (attempt 2), with playbook, policy and objects as they are then, and approved anew",
                  "Approvals do not count any more: carol (sre, undo)")),
    "classify again": (Verb.Classify, {"phase": Phase.Capturing, "said": {"severity": "P2"},
                                       "classified": ClassRecord("P1", "P0", "carol", T0)},
                       ("Severity P1 -> P2", "It is planned anew (attempt 2)")),
    "classify what goes on": (Verb.Classify, {"phase": Phase.Verifying, "option": "undo", "said": {"severity": "P1"}, **TRIED},
                              ("Severity P0 -> P1", "What is under way goes on; it is planned with it after a Resume")),
    "assign": (Verb.Assign, {"said": {"role": "scribe", "assignee": "sam"}},
               ("sam is scribe", "It gives nobody a right: who may say what is said by RBAC")),
    "assign another one": (Verb.Assign, {"roles": (SCRIBE,), "said": {"role": "scribe", "assignee": "sam"}},
                           ("sam is scribe instead of carol", "It gives nobody a right")),
    "hold": (Verb.Hold, {"phase": Phase.Mitigating, "steps": STEPS[2:3],
                         "reverts": (owed("scale"), replace(owed("flag"), due_at=None))},
             ("Nothing further is changed until somebody says Resume; what was begun goes to its end",
              "Step undo/send is about to be written: whether it was is looked at first",
              "The change to deployment/frontend by undo/scale is taken back at its time, 2026-",
              "The change to deployment/frontend by undo/flag is taken back only after a Resume")),
    "hold while it is asked": (Verb.Hold, {"phase": Phase.AwaitingApproval, "deadline": T0},
                               ("Nothing further is changed until somebody says Resume",
                                "It goes on waiting for approval, until 2026-11-21 03:00:00 UTC (")),
    "resume what is on hold": (Verb.Resume, {"phase": Phase.Mitigating, "held": HELD},
                               ("The Hold by carol ends: a freeze next door",
                                "It goes on from where it stands; guards hold as before")),
    "resume what was on hold": (Verb.Resume, {"phase": Phase.Escalated, "held": HELD},
                                ("The Hold by carol ends", "It is planned anew (attempt 2)")),
    "classify before there is a plan": (Verb.Classify, {"phase": Phase.Opened, "said": {"severity": "P1"}},
                                        ("Severity P0 -> P1", "It is planned with it")),
}  # fmt: skip
QUESTIONS = {Verb.Assign: "{assignee} as {role} of frontend-502", Verb.Classify: "frontend-502 as {severity}"}
REFUSED: dict[str, tuple[Verb, dict[str, Any], str]] = {
    "abort of what is over": (Verb.Abort, {"phase": Phase.Closed}, "that is Closed cannot be aborted"),
    "resume of what goes on": (Verb.Resume, {"phase": Phase.Mitigating}, "that is Mitigating cannot be resumed"),
    "close of what goes on": (Verb.Close, {"phase": Phase.Mitigating}, "that is Mitigating cannot be closed"),
    "close with a debt": (Verb.Close, {"phase": Phase.Escalated, "reverts": (owed("scale"),)}, "undo/scale is still to be taken"),
    "close of a broken glass": (
        Verb.Close,
        {"phase": Phase.Resolved, "broken_glass": (GLASS,)},
        "the glass was broken under OPS-1, and where the postmortem of that is .* is not said: give it with --postmortem",
    ),
    "ack of what is had": (
        Verb.Acknowledge,
        {"acknowledged": AckRecord("carol", T0)},
        "carol acknowledged it already, at 03:00",
    ),
    "ack of what is over": (Verb.Acknowledge, {"phase": Phase.Resolved}, "that is Resolved waits for nobody to take it on"),
    "hold of what stands still": (Verb.Hold, {"phase": Phase.Escalated}, "that is Escalated changes nothing by itself"),
    "hold of what is held": (Verb.Hold, {"phase": Phase.Verifying, "held": HELD}, "carol holds it up already, since 03:00:00"),
    "assign of what is over": (Verb.Assign, {"phase": Phase.Closed}, "that is Closed has no roles to fill"),
    "assign who is": (Verb.Assign, {"roles": (replace(SCRIBE, assignee="sam"),)}, "sam is scribe already"),
    "assign too many": (
        Verb.Assign,
        {"roles": tuple(replace(SCRIBE, role=f"role-{n}") for n in range(16))},
        "16 roles are",
    ),
    "classify what is over": (Verb.Classify, {"phase": Phase.Aborting}, "that is Aborting is not classified any more"),
    "classify as no level": (Verb.Classify, {"levels": LEVELS}, "the policy has no severity 'P9'; it has P0, P1"),
    "close as somebody else": (Verb.Close, {"phase": Phase.Resolved, "close_role": "captain"}, "needs --role captain, not inc"),
}


class TestWhole:
    """Abort, Resume and Close: about the incident as a whole."""

    @pytest.mark.parametrize("name", FOLLOWS)
    async def test_what_follows_is_shown(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        verb, status, expected = FOLLOWS[name]
        said = status.get("said", {})
        server = MemoryServer()
        stands(server, **{key: value for key, value in status.items() if key != "said"})
        desk = Desk(server, True)
        await desk.says(verb, **said)
        lines = capsys.readouterr().out.partition("The same with")[0].splitlines()[1:]
        assert len(lines) == len(expected)
        for line, start in zip(lines, expected, strict=True):
            assert line.startswith(f"  {start}"), line
        about = QUESTIONS.get(verb, "frontend-502").format(**said)
        assert desk.questions == [f"{verb} {about}?"] and desk.spec()["verb"] == verb

    @pytest.mark.parametrize("name", REFUSED)
    async def test_what_would_have_no_effect_is_not_asked(self, name: str) -> None:
        verb, status, why = REFUSED[name]
        server = MemoryServer()
        stands(server, **status)
        said = {Verb.Classify: {"severity": "P9"}, Verb.Assign: {"role": "scribe", "assignee": "sam"}}.get(verb, {})
        with pytest.raises(Ending, match=why):
            await Desk(server).says(verb, **said)
        assert not created(server)


class TestEveryVerb:
    @pytest.mark.parametrize("verb", [verb for verb in Verb if verb is not Verb.Note])
    async def test_nobody_has_agreed_off_a_terminal(self, verb: Verb, story: Story) -> None:
        phase = {Verb.Resume: Phase.Escalated, Verb.Close: Phase.Escalated}.get(verb, Phase.AwaitingApproval)
        steps = (StepRecord("undo", "purge", StepState.Indeterminate),)
        ahead = replace(owed("scale"), due_at=story.server.time.now() + timedelta(hours=1))
        reverts = (ahead,) if verb in (Verb.Extend, Verb.Revert) else ()
        standing = replace(status_of(story), phase=phase, steps=steps, reverts=reverts, messages=(DRAFT,))
        becomes(story.server, story.ref, standing)
        said = {
            Verb.Confirm: {"step": "purge"},
            Verb.Extend: {"step": "scale", "extend_by": "1h"},
            Verb.BreakGlass: {"ticket": "OPS-4711"},
            Verb.Classify: {"severity": "P1"},
            Verb.Assign: {"role": "scribe", "assignee": "sam"},
            Verb.Release: {"role": "comms", "message": "status-page"},
        }.get(verb, {})
        with pytest.raises(Ending, match=f"{verb} .* needs a person's yes, and this is no terminal: .* say --yes") as ending:
            await Desk(story.server).says(verb, terminal=False, **said)
        assert ending.value.code is Code.Unusable and not created(story.server)
        await Desk(story.server).says(verb, terminal=False, yes=True, **said)
        assert created(story.server)[0]["spec"]["verb"] == verb

    @pytest.mark.parametrize("command", (*saying.COMMANDS, telling.release))
    def test_every_command_but_note_can_be_told_not_to_ask(self, command: Callable[..., None]) -> None:
        assert ("yes" in inspect.signature(command).parameters) == (command is not saying.note)

    async def test_one_without_a_way_of_its_own_says_what_follows(self, capsys: pytest.CaptureFixture[str]) -> None:
        server = MemoryServer()
        stands(server)
        desk = Desk(server, True)
        await desk.says(Verb.Note)
        assert "  It stands in the timeline" in capsys.readouterr().out.splitlines() and desk.questions == ["Note frontend-502?"]


class TestJson:
    async def test_it_is_quiet_and_so_asks_nobody(self, story: Story, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(Ending, match="-o json asks nobody") as ending:
            await Desk(story.server).says(Verb.Approve, Format.json)
        assert ending.value.code is Code.Unusable and not created(story.server) and capsys.readouterr().out == ""
        await Desk(story.server).says(Verb.Approve, Format.json, yes=True)
        assert parsed(capsys.readouterr().out)["spec"]["verb"] == "Approve"

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
from stanch.cli import saying, stepwise, telling
from stanch.cli.decide import Manner, Said
from stanch.cli.ending import Code, Ending
from stanch.cli.judge import breaking, still_missing, untried
from stanch.cli.looking import Look
from stanch.cli.output import Format
from stanch.cli.speaking import Asking, speak
from stanch.domain.conditions import Condition
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
from stanch.domain.plan import Check, Step
from stanch.domain.said import AckRecord, ApprovalRecord, ClassRecord, GlassRecord, HoldRecord, RoleRecord
from stanch.domain.severity import Proposal
from stanch.engine.errors import NotFound
from stanch.engine.summary import TRUSTED
from stanch.engine.vouching import Distrust
from tests.unit.cli_kit import becomes, created, incident, parsed, session
from tests.unit.cli_story import DIFFERENCE, Story, a_plan, permit
from tests.unit.memory import MemoryServer
from tests.unit.play import APP, T0, approval, facts, option, plan
from tests.unit.test_cli_messages import DRAFT

ASKED = "Approve option undo as incident-commander?"
SHIPPED = {
    Verb.Approve: ("stanch-commander",),
    Verb.Reject: ("stanch-commander",),
    Verb.BreakGlass: ("stanch-commander", "stanch-break-glass"),
}


def distrusted(reason: Distrust) -> Condition:
    return Condition(TRUSTED, "False", str(reason), "it is missing: mend it", 1, T0)


class Desk:
    """A person at a terminal, whose answers a test gives in advance."""

    def __init__(self, server: MemoryServer, *answers: bool | Callable[[], bool], user: str = "bob", by: str = "") -> None:
        self.server, self.user, self.by = server, user, by
        self.answers = list(answers)
        self.questions: list[str] = []

    def answer(self, question: str) -> bool:
        self.questions.append(question)
        given = self.answers.pop(0)
        return given() if callable(given) else given

    async def says(self, verb: Verb, output: Format = Format.text, yes: bool = False, terminal: bool = True, **said: Any) -> None:
        asking = Asking(yes, self.answer, "stanch-system", terminal)
        said = {"role": "incident-commander", "reason": "because"} | said
        await speak(session(self.server, self.user, self.by), Said(verb, "frontend-502", **said), asking, Manner(False, output))

    def spec(self) -> dict[str, Any]:
        (made,) = created(self.server)
        return made["spec"]


@pytest.fixture
async def story() -> Story:
    found = Story()
    await found.in_vault()
    return found


async def waiting(*steps: Step) -> Story:
    """The option that waits runs these."""
    restart, undo = a_plan().options
    found = Story(plan=replace(a_plan(), options=(restart, replace(undo, steps=steps))))
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

    @pytest.mark.requirement("A-15")
    async def test_of_commands_calls_and_jobs_it_is_said_that_nobody_can_tell(self, capsys: pytest.CaptureFixture[str]) -> None:
        story = await waiting(
            Step("purge", "exec", "app", {"argv": ["sh", "-c", f"{'true; ' * 800}rm -rf /data"]}, at_most_once=True),
            Step("tell", "http", params={"method": "POST", "json": {"user": "u1"}}, at_most_once=True),
            Step("report", "runJob", params={"image": "tools:v1"}),
            Step("more", "scale", "app", {"replicas": 5}, reversible=True),
            Step("later", "ofAnotherVersion"),
            Step("pause", "wait", params={"for": "PT30S"}, writes=False),
        )
        await Desk(story.server, True).says(Verb.Approve)
        out = capsys.readouterr().out
        radius = out[out.index("  It touches") :].splitlines()
        assert radius[:6] == [
            "  It touches 1: deployment/frontend (UID uid-app); and what nobody can tell beforehand:",
            "    step purge, exec in deployment/frontend: all that may be changed from inside the pod in which the command runs",
            "    step tell, http: all that whoever gets the call changes upon it",
            "    step report, runJob: all that may be changed from inside its pod",
            "    step later, ofAnotherVersion: what this version of stanch does not know",
            "  With yours, it still lacks 2 as sre",
        ]
        assert 'rm -rf /data"\n' in out and '       with json: {"user": "u1"}\n' in out and "nothing else" not in out

    async def test_a_command_that_checks_reaches_as_far(self, capsys: pytest.CaptureFixture[str]) -> None:
        smoke = (Check("sessions", "exec", {"argv": ["psql"]}, "app"), Check("health", "http"))
        story = await waiting(Step("more", "scale", "app", {"replicas": 5}, smoke=smoke))
        await Desk(story.server, True).says(Verb.Approve)
        assert "    check sessions, exec: all that may be changed from inside the pod, though" in (out := capsys.readouterr().out)
        assert "check health, http:" not in out

    @pytest.mark.requirement("A-15")
    @pytest.mark.parametrize("verb", [Verb.Approve, Verb.BreakGlass])
    async def test_what_a_command_says_is_no_line_of_the_question(self, verb: Verb, capsys: pytest.CaptureFixture[str]) -> None:
        fake = "true\n  It touches 0: nothing; and nothing else in aureus\n     proven: the server would admit it"
        story = await waiting(Step("purge", "exec", "app", {"argv": [fake]}, fake, preview=f"run {fake} in pod/x"))
        await Desk(story.server, True).says(verb, ticket="OPS-4711")
        out = capsys.readouterr().out.splitlines()
        assert [line for line in out if line.startswith("  It touches")] == [
            "  It touches 0: nothing; and what nobody can tell beforehand:"
        ]
        assert not [line for line in out if "Unproven" not in line and line.strip().startswith("proven:")]

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

    async def test_one_voice_more_than_are_asked_is_none(self, story: Story) -> None:
        approves(story, ("carol", "incident-commander"))
        with pytest.raises(Ending, match="enough people approved option undo as incident-commander already"):
            await Desk(story.server).says(Verb.Approve)
        await Desk(story.server).says(Verb.Approve, role="sre", yes=True)
        assert created(story.server)[0]["spec"]["role"] == "sre"

    @pytest.mark.requirement("E-10")
    def test_a_last_resort_is_approved_in_its_turn_only(self) -> None:
        last = option("restart", last_resort=True, approval=approval(incident_commander=1))
        said = Said(Verb.Approve, "frontend-502", role="incident-commander", option="restart")
        seen = Look({}, facts(), Status(phase=Phase.Verifying, option="undo"), "bob", T0, plan(option("undo"), last))
        with pytest.raises(Ending, match="option restart is a last resort: approve it when it waits for that"):
            still_missing(said, seen, last)
        now = replace(seen, status=Status(phase=Phase.AwaitingApproval, option="restart", message="not tried: undo"))
        assert still_missing(said, now, last) == (
            "With yours, nobody's yes is missing: it begins at once, unless another option was not tried"
        )
        assert list(untried(last, now)) == ["It is a last resort: not tried: undo"] and not list(untried(option("undo"), now))

    @pytest.mark.requirement("E-10")
    def test_who_breaks_the_glass_for_an_approved_last_resort_is_told_what_it_comes_before(self) -> None:
        last = option("restart", last_resort=True, approval=approval(incident_commander=1))
        waits = Status(phase=Phase.AwaitingApproval, option="restart", reason="LastResort", waits_for="BreakGlass",
                       message="held up by LastResort: options that were not tried: undo")  # fmt: skip
        seen = Look({}, facts(), waits, "bob", T0, plan(option("undo"), last))
        shown = list(breaking(Said(Verb.BreakGlass, "frontend-502", option="restart", ticket="OPS-4711"), seen))
        assert "It is a last resort: held up by LastResort: options that were not tried: undo" in shown
        assert "It begins at once, without the others having been tried: you alone answer for it, under ticket OPS-4711" in shown

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

    async def test_what_is_let_run_is_rejected_until_it_is_written(self, story: Story, capsys: pytest.CaptureFixture[str]) -> None:
        approves(story, ("carol", "incident-commander"))
        becomes(story.server, story.ref, replace(status_of(story), phase=Phase.Mitigating))
        await Desk(story.server, True).says(Verb.Reject, option="undo")
        assert "  It is let run, and nothing of it is written: a no stops it" in capsys.readouterr().out
        intended = (StepRecord("undo", "undo", StepState.Intended, intended_at=T0),)
        becomes(story.server, story.ref, replace(status_of(story), steps=intended))
        with pytest.raises(Ending, match="option undo is running already"):
            await Desk(story.server).says(Verb.Reject, option="undo")

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

    async def test_who_says_so_sees_at_least_whose_yes_it_lacks(self, capsys: pytest.CaptureFixture[str]) -> None:
        desk = Desk(Story().server, True)
        await desk.says(Verb.BreakGlass, ticket="OPS-4711", unseen=True)
        out = capsys.readouterr().out
        assert "what it would do cannot be shown here" in out and "without incident-commander 0/1, sre 0/2: you alone" in out
        assert desk.spec()["reason"] == "plan not seen: because"


class TestUnseen:
    """The plan lies beside the operator, and who is asked may not read it there."""

    @pytest.mark.requirement("A-15")
    @pytest.mark.parametrize("verb", [Verb.Approve, Verb.BreakGlass])
    @pytest.mark.parametrize("yes", [False, True])
    async def test_nobody_is_asked_for_a_yes_to_what_they_cannot_see(self, story: Story, verb: Verb, yes: bool) -> None:
        permit(story.server, "bob", *SHIPPED[verb])
        why = 'option undo would do cannot be shown here, and so you are not asked: .*"configmaps".* stanch-plan-reader,.*--unseen'
        with pytest.raises(Ending, match=why) as ending:
            await Desk(story.server, by="bob").says(verb, yes=yes, ticket="OPS-4711")
        assert ending.value.code is Code.Problems and not created(story.server)

    @pytest.mark.parametrize("verb", SHIPPED)
    async def test_with_the_role_of_readers_it_is_shown(self, story: Story, verb: Verb, capsys: pytest.CaptureFixture[str]) -> None:
        permit(story.server, "bob", *SHIPPED[verb], "stanch-plan-reader")
        desk = Desk(story.server, True, by="bob")
        await desk.says(verb, ticket="OPS-4711")
        assert "       +      image: app:v1" in capsys.readouterr().out.splitlines() and desk.spec()["reason"] == "because"

    @pytest.mark.parametrize(("reason", "said"), [("", "plan not seen"), ("it burns", "plan not seen: it burns")])
    async def test_who_did_not_see_it_says_so(self, story: Story, reason: str, said: str) -> None:
        permit(story.server, "bob", *SHIPPED[Verb.Approve])
        desk = Desk(story.server, True, by="bob")
        await desk.says(Verb.Approve, reason=reason, unseen=True)
        assert desk.spec()["reason"] == said

    async def test_who_sees_it_says_nothing_of_the_kind(self, story: Story) -> None:
        desk = Desk(story.server, True)
        await desk.says(Verb.Approve, unseen=True)
        assert desk.spec()["reason"] == "because"

    @pytest.mark.requirement("A-15")
    @pytest.mark.parametrize("verb", [Verb.Approve, Verb.BreakGlass])
    @pytest.mark.parametrize("mark", ["… cut: 12 characters more", "… cut, see plan"])
    async def test_a_difference_that_is_not_whole_is_not_seen(
        self, verb: Verb, mark: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        story = await waiting(Step("undo", "rolloutUndo", "app", preview=f"{DIFFERENCE}\n{mark}"))
        why = "cannot be shown whole, .*difference of step undo; `stanch plan frontend-502` shows what it has; or say with --unseen"
        with pytest.raises(Ending, match=why):
            await Desk(story.server).says(verb, yes=True, ticket="OPS-4711")
        assert not created(story.server)
        desk = Desk(story.server, True)
        await desk.says(verb, ticket="OPS-4711", unseen=True)
        assert f"       {mark}\n" in capsys.readouterr().out and desk.spec()["reason"] == "plan not seen whole: because"

    async def test_a_no_to_it_and_a_yes_to_another_option_need_no_such_word(self) -> None:
        story = await waiting(Step("undo", "rolloutUndo", "app", preview="… cut: 12 characters more"))
        await Desk(story.server, True).says(Verb.Reject)
        with pytest.raises(Ending, match="no option 'nope'"):
            await Desk(story.server).says(Verb.Approve, option="nope")
        assert len(created(story.server)) == 1

    async def test_a_no_needs_no_sight(self, story: Story, capsys: pytest.CaptureFixture[str]) -> None:
        permit(story.server, "bob", *SHIPPED[Verb.Reject])
        await Desk(story.server, True, by="bob").says(Verb.Reject)
        assert "what it would do cannot be shown here" in capsys.readouterr().out and created(story.server)


def status_of(story: Story) -> Status:
    return codec.status_of(story.server.read(story.ref))


def approves(story: Story, *people: tuple[str, str]) -> None:
    records = tuple(ApprovalRecord(f"d-{by}", "undo", role, by, T0) for by, role in people)
    becomes(story.server, story.ref, replace(status_of(story), approvals=records))


class TestChanged:
    async def test_another_plan_is_shown_and_asked_again(self, story: Story, capsys: pytest.CaptureFixture[str]) -> None:
        first = story.digest
        story.replan("LastGood")
        await story.in_vault()
        other = story.digest

        def meanwhile() -> bool:
            becomes(story.server, story.ref, replace(status_of(story), plan_digest=other))
            return True

        desk = Desk(story.server, meanwhile, True)
        await desk.says(Verb.Approve)
        assert desk.questions == [ASKED, ASKED] and desk.spec()["planDigest"] == other
        before, _, after = capsys.readouterr().out.partition("It has changed while you were asked. Now:")
        assert f"Plan {first}" in before and f"Plan {other}" in after

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
EXPLAINED = {"broken_glass": (GLASS,), "said": {"postmortem": "OPS-2"}}
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
    "the postmortem of one that was aborted": (Verb.Close, {"phase": Phase.Aborted, "retention": timedelta(hours=24), **EXPLAINED},
                                               ("It stays Aborted, and is explained",
                                                "The object and its Decisions are deleted 24h later; its pack stays")),
    "release": (Verb.Close, {"phase": Phase.Mitigated, "close_role": "incident-commander", "reverts": (owed("scale"),)},
                ("It is released: it ends Resolved once its recovery is over",
                 "The change to deployment/frontend by undo/scale is taken back at 2026-")),
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
                                "It goes on from where it stands; guards hold as before",
                                "What comes then cannot be shown here: incident frontend-502 has no plan")),
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
    "close of a broken glass that was aborted": (
        Verb.Close,
        {"phase": Phase.Aborted, "broken_glass": (GLASS,)},
        "the glass was broken under OPS-1, .* give it with --postmortem",
    ),
    "close of what is explained": (
        Verb.Close,
        {"phase": Phase.Aborted, "postmortem": "OPS-1", "broken_glass": (GLASS,)},
        "cannot be closed",
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


NOBODY_VOUCHES = ((Verb.Abort, Distrust.PolicyMissing), (Verb.Hold, Distrust.ProbeAccepted), (Verb.Assign, Distrust.PolicyChanged))
REFUSED |= {
    f"{verb} while nobody vouches": (
        verb,
        {"phase": Phase.Mitigating, "conditions": (distrusted(reason),)},
        rf"what is said now does not count afterwards \({reason}\): it is missing: mend it",
    )
    for verb, reason in NOBODY_VOUCHES
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

    async def test_where_nobody_knows_whether_it_is_vouched_for_it_is_said_that_it_waits(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        server = MemoryServer()
        stands(server, phase=Phase.Mitigating, conditions=(distrusted(Distrust.Unreadable),))
        await Desk(server, True).says(Verb.Abort)
        out = capsys.readouterr().out
        assert "  It waits: no Decision is accepted now (Unreadable): it is missing: mend it" in out and created(server)


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

    @pytest.mark.parametrize("command", (*saying.COMMANDS, *stepwise.COMMANDS, telling.release))
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

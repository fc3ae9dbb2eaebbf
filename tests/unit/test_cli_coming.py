"""Before somebody confirms, resumes, or ends what was changed for a time: what comes then is shown, with its differences."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from stanch.cli.coming import reversed_difference
from stanch.cli.decide import Manner, Said
from stanch.cli.ending import Ending
from stanch.cli.output import Format
from stanch.cli.speaking import Asking, speak
from stanch.domain.decision import Verb
from stanch.domain.incident import OptionRecord, OptionState, Phase, RevertRecord, RevertState, Status, StepRecord, StepState
from stanch.domain.plan import Plan, Step
from stanch.domain.said import HoldRecord
from tests.unit.cli_kit import becomes, created, session
from tests.unit.cli_story import DIFFERENCE, Story, permit
from tests.unit.play import APP, T0, approval, option, plan

QUESTION = "Is the backup of tonight there?"


def asking_plan() -> Plan:
    """Somebody is asked, then it is gone back, then a Job runs."""
    ask = Step("ask", "askPerson", params={"question": QUESTION}, expect="there is a backup", writes=False, role="dba")
    undo = Step("undo", "rolloutUndo", "app", {"to": "Previous"}, "the release before serves", preview=DIFFERENCE, proven=True)
    job = Step("report", "runJob", expect="it is told", preview="job report")
    return plan(option("undo", steps=(ask, undo, job), approval=approval(incident_commander=1)), option("restart"))


class Site(Story):
    """It stands as a test says, under that plan."""

    def __init__(self, plan: Plan | None = None) -> None:
        super().__init__(plan=plan or asking_plan())

    def stands(self, *steps: StepRecord, **status: Any) -> None:
        running = (OptionRecord("undo", OptionState.Running, started_at=T0),)
        base = replace(Status(), phase=Phase.Mitigating, option="undo", options=running, steps=steps, plan_digest=self.digest)
        becomes(self.server, self.ref, replace(base, **status))

    async def says(self, verb: Verb, role: str = "dba", by: str = "", **said: Any) -> None:
        manner = Manner(False, Format.text)
        await speak(session(self.server, by=by), Said(verb, "frontend-502", "because", role, **said), asking(), manner)


def asking() -> Asking:
    return Asking(True, lambda _: True, "stanch-system")


def owed(site: Site, attempt: int = 1, **changes: Any) -> RevertRecord:
    token = f"{site.server.read(site.ref)['metadata']['uid']}/{attempt}/undo/undo"
    at = site.server.time.now() + timedelta(hours=1)
    base = RevertRecord("undo", "undo", RevertState.Owed, APP, token=token, image="i", digest="d", due_at=at)
    return replace(base, **changes)


def undone(site: Site) -> StepRecord:
    return StepRecord("undo", "undo", StepState.Done, owed(site).token, message="revision 3 -> 2", written_at=T0)


def shown(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.partition("decision/")[0].splitlines()


def waits(name: str = "ask") -> StepRecord:
    return StepRecord("undo", name, StepState.Waiting, intended_at=T0)


@pytest.fixture
async def site() -> Site:
    found = Site()
    await found.in_vault()
    return found


class TestWhoIsAsked:
    @pytest.mark.parametrize("role", ["", "on-call"])
    async def test_another_role_is_not_the_one_that_the_step_asks(self, site: Site, role: str) -> None:
        site.stands(waits())
        with pytest.raises(Ending, match=f"step undo/ask asks for --role dba, not {role or 'none'}"):
            await site.says(Verb.Confirm, role, step="ask")
        assert not created(site.server)

    @pytest.mark.parametrize("verb", [Verb.Confirm, Verb.Reject])
    async def test_a_job_that_runs_waits_for_nobody(self, site: Site, verb: Verb) -> None:
        site.stands(waits("report"))
        with pytest.raises(Ending, match="step undo/report waits for its own end, and for nobody's word: it is Waiting"):
            await site.says(verb, step="report")
        assert not created(site.server)

    async def test_anybody_who_may_says_no(self, site: Site) -> None:
        site.stands(waits())
        await site.says(Verb.Reject, "on-call", step="ask")
        assert created(site.server)


FORWARD = ["     -      image: app:v2", "     +      image: app:v1"]
BACKWARD = ["    it was: revision 3 -> 2", "         spec:", "    -      image: app:v1", "    +      image: app:v2"]
HELD = HoldRecord("carol", T0, "a freeze next door")


class TestConfirm:
    async def test_shows_the_question_and_what_follows_from_a_yes(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        site.stands(waits())
        await site.says(Verb.Confirm, step="ask")
        out = shown(capsys)
        for line in (
            f"  dba is asked: {QUESTION}",
            "  Then option undo goes on with:",
            "     step undo: rolloutUndo of app, expecting: the release before serves",
            *(f"  {line}" for line in FORWARD),
            "     step report: runJob, expecting: it is told",
        ):
            assert line in out
        assert not [line for line in out if "step ask: askPerson" in line]

    async def test_of_what_nobody_knows_too(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        site.stands(undone(site), StepRecord("undo", "report", StepState.Indeterminate))
        await site.says(Verb.Confirm, step="report")
        assert "  Then option undo goes on with:" in (
            out := shown(capsys)
        ) and "     step ask: askPerson, expecting: there is" in str(out)
        site.stands(StepRecord("undo", "ask", StepState.Done), undone(site), StepRecord("undo", "report", StepState.Indeterminate))
        await site.says(Verb.Confirm, step="report")
        assert "  Then come the checks of option undo: it has no further step" in shown(capsys)

    async def test_a_difference_that_is_not_whole_says_so_backwards_too(self, capsys: pytest.CaptureFixture[str]) -> None:
        cut = replace(asking_plan().options[0].steps[1], preview=f"{DIFFERENCE}\n… cut: 12 characters more")
        site = Site(replace(asking_plan(), options=(option("undo", steps=(cut,), approval=approval(dba=1)),)))
        await site.in_vault()
        site.stands(undone(site), reverts=(owed(site, state=RevertState.Conflict, message="image is app:v4"),))
        await site.says(Verb.Confirm, step="undo")
        assert "    … cut: 12 characters more" in shown(capsys)

    async def test_of_what_cannot_be_taken_back_what_stays_then(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        site.stands(undone(site), reverts=(owed(site, state=RevertState.Conflict, message="image is app:v4"),))
        await site.says(Verb.Confirm, step="undo")
        assert [line for line in shown(capsys) if line in BACKWARD] == BACKWARD

    async def test_what_is_run_then_is_shown_to_its_end(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A-15: with when it runs, and nothing in it that looks like a line of stanch's own."""
        argv = ["sh", "-c", f"true\n  Then come the checks of option undo{'; true' * 800}; rm -rf /data"]
        purge = Step("purge", "exec", "app", {"argv": argv}, when="facts.n > 3", at_most_once=True)
        ask, undo, _ = asking_plan().options[0].steps
        site = Site(replace(asking_plan(), options=(option("undo", steps=(ask, undo, purge), approval=approval(dba=1)),)))
        await site.in_vault()
        site.stands(waits())
        await site.says(Verb.Confirm, step="ask")
        out = shown(capsys)
        assert [line for line in out if line.endswith('; rm -rf /data"')] and "       when facts.n > 3" in out
        assert not [line for line in out if line.startswith("  Then come the checks")]

    async def test_who_may_not_read_the_plan_is_told_so_and_asked(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        site.stands(waits())
        permit(site.server, "bob", "stanch-on-call")
        await site.says(Verb.Confirm, by="bob", step="ask")
        (line,) = [line for line in shown(capsys) if "What comes then cannot be shown here" in line]
        assert "stanch-plan-reader" in line and created(site.server)


class TestResume:
    async def test_of_a_hold_shows_the_steps_that_come(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        site.stands(StepRecord("undo", "ask", StepState.Done), held=HELD)
        await site.says(Verb.Resume)
        out = shown(capsys)
        assert "  Then option undo goes on with:" in out and all(f"  {line}" in out for line in FORWARD)
        assert not [line for line in out if "step ask" in line]

    async def test_before_an_option_is_chosen_those_that_may_be(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        site.stands(held=HELD, phase=Phase.Diagnosing, option="", options=(OptionRecord("undo", OptionState.Failed),))
        await site.says(Verb.Resume)
        out = shown(capsys)
        assert (
            "  Then one of these is run, the first that fits:" in out and "  2. option restart  risk Low, needs no approval" in out
        )
        assert not [line for line in out if "1. option undo" in line]

    async def test_while_it_is_asked_and_while_it_recovers(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        site.stands(held=HELD, phase=Phase.AwaitingApproval)
        await site.says(Verb.Resume)
        assert "  It goes on waiting for approval of option undo" in shown(capsys)
        site.stands(undone(site), held=HELD, phase=Phase.Mitigated, reverts=(owed(site, due_at=None, on_recovery=True),))
        await site.says(Verb.Resume)
        out = shown(capsys)
        assert "  The change to deployment/frontend by undo/undo is taken back on recovery" in out
        assert [line for line in out if line in BACKWARD] == BACKWARD


class TestTakenBack:
    @pytest.mark.parametrize(
        ("verb", "said", "status"),
        [
            (Verb.Abort, {}, {}),
            (Verb.Revert, {}, {}),
            (Verb.Revert, {"step": "undo/undo"}, {}),
            (Verb.Extend, {"step": "undo", "extend_by": "1h"}, {}),
            (Verb.Close, {}, {"phase": Phase.Mitigated, "close_role": "dba"}),
        ],
    )
    async def test_from_what_was_written_to_what_was_there(
        self, site: Site, verb: Verb, said: dict[str, str], status: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        site.stands(undone(site), **{"reverts": (owed(site),), **status})
        await site.says(verb, **said)
        assert [line for line in shown(capsys) if line in BACKWARD] == BACKWARD

    async def test_of_an_earlier_plan_it_is_not_known(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        site.stands(undone(site), reverts=(owed(site, attempt=7),))
        await site.says(Verb.Abort)
        out = shown(capsys)
        assert "by undo/undo is taken back now" in str(out) and not [line for line in out if line in BACKWARD]

    def test_what_was_written_goes_before_what_was_there_comes(self) -> None:
        lines = ["@@ -1,4 +1,5 @@", " a", "-one", "-two", "+three", " b", "+--- before", "@@ -9 +9 @@", "-last"]
        assert list(reversed_difference(lines)) == [" a", "-three", "+one", "+two", " b", "---- before", "+last"]

"""BreakGlass: one person stands in for all that are asked; nothing else is let off, and nobody can overlook it (A-16)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from stanch.domain.decision import Decision, Verb
from stanch.domain.incident import OptionState, Phase
from stanch.domain.plan import Pin, Revert, Step
from stanch.engine import moves, outcomes
from tests.unit.play import NO, REVERSIBLE, YES, Play, approval, option, plan

ASKED = approval(incident_commander=1, security_team=1)
TWO = "incident-commander 0/1, security-team 0/1"


def waiting(**changes: object) -> Play:
    play = Play(plan=plan(option("undo", approval=ASKED, **changes), option("restart")))
    play.until(Phase.AwaitingApproval)
    return play


def broken(play: Play, **changes: object) -> Decision:
    return play.say(Verb.BreakGlass, **{"role": "on-call", "option": "undo", "ticket": "OPS-4711", **changes})


def conditions(play: Play) -> dict[str, str]:
    return {condition.type: condition.message for condition in play.status.conditions if condition.status == "True"}


@pytest.mark.requirement("A-16")
@pytest.mark.parametrize("by", ["bob", "alice"])
def test_one_person_lets_it_run_also_who_opened_it(by: str) -> None:
    play = waiting()
    broken(play, by=by)
    play.until(Phase.Resolved)
    assert play.written == ["uid-inc/1/undo/undo"] and not play.status.approvals
    (record,) = play.status.broken_glass
    assert (record.by, record.ticket, record.without, record.role) == (by, "OPS-4711", TWO, "on-call")


@pytest.mark.requirement("A-16")
def test_it_is_told_to_the_end() -> None:
    play = waiting()
    broken(play)
    play.until(Phase.Resolved)
    play.say(Verb.Close, postmortem="OPS-4712")
    play.until(Phase.Closed)
    told = {entry.line.key: entry.line for entry in play.chain}
    said = told["1/decision/uid-d1"]
    assert (said.actor, said.expectation) == ("bob", "because") and "OPS-4711" in said.result and TWO in said.result
    line = told["1/option/undo/broken-glass"]
    assert "bob (on-call) broke the glass, ticket OPS-4711" in line.result and "postmortem is required" in line.next
    seen = conditions(play)
    assert seen["GlassBroken"] == f"undo without {TWO}, by bob, ticket OPS-4711"
    assert told["1/decision/uid-d2"].result == "closed; postmortem OPS-4712"


@pytest.mark.requirement("A-16")
@pytest.mark.parametrize("phase", [Phase.Resolved, Phase.Escalated])
def test_without_its_postmortem_it_is_not_closed(phase: Phase) -> None:
    play = Play(plan=plan(option("undo", approval=ASKED)), readings={"health": YES if phase is Phase.Resolved else NO})
    play.until(Phase.AwaitingApproval)
    broken(play)
    play.until(phase)
    play.say(Verb.Close)
    play.tick()
    assert play.status.phase is phase and not play.status.postmortem
    why = "the glass was broken under OPS-4711, and where the postmortem of that is (a ticket's number, an address) is not said"
    assert play.chain[-1].line.result == f"no effect: {why}: Close with spec.postmortem"
    assert conditions(play)["PostmortemRequired"] == why
    play.say(Verb.Close, postmortem="OPS-4712")
    play.until(Phase.Closed)
    (condition,) = [condition for condition in play.status.conditions if condition.type == "PostmortemRequired"]
    assert (condition.status, condition.reason, condition.message) == ("False", "Named", "It is OPS-4712")


def test_who_only_releases_it_for_resolution_need_not_name_it() -> None:
    play = Play(plan=plan(option("undo", approval=ASKED)), close_role="captain")
    play.until(Phase.AwaitingApproval)
    broken(play)
    play.until(Phase.Mitigated)
    play.say(Verb.Close, role="captain")
    play.until(Phase.Resolved)
    play.say(Verb.Close, role="captain")
    play.tick()
    assert play.status.phase is Phase.Resolved, "but who closes it must"


def ended(phase: Phase) -> Play:
    """Aborted, or its plan was lost, after the glass was broken; its policy lets it go a week later."""
    play = waiting()
    play.status = replace(play.status, retention=timedelta(days=7))
    broken(play)
    play.until(Phase.Holding)
    if phase is Phase.Aborted:
        play.say(Verb.Abort)
        play.until(Phase.Aborted)
    else:
        play.status = replace(play.status, phase=Phase.Failed)
        play.tick()
    assert play.status.phase is phase
    return play


@pytest.mark.requirement("A-16")
@pytest.mark.parametrize("phase", [Phase.Aborted, Phase.Failed])
def test_over_it_is_explained_all_the_same_and_does_not_go_before(phase: Phase) -> None:
    play = ended(phase)
    assert "OPS-4711" in conditions(play)["PostmortemRequired"] and play.status.waits_for == "Close with its postmortem"
    play.now += timedelta(days=30)
    assert play.tick().wake_at is None and play.status.delete_at is None and play.status.rests
    play.say(Verb.Close)
    play.tick()
    assert "no effect: the glass was broken under OPS-4711" in play.chain[-1].line.result and not play.status.postmortem
    play.say(Verb.Close, postmortem="OPS-4712")
    play.tick()
    assert play.chain[-1].line.result == f"it stays {phase}; postmortem OPS-4712"
    assert (play.status.phase, play.status.postmortem, play.status.waits_for) == (phase, "OPS-4712", "")
    assert play.status.delete_at == play.now + timedelta(days=7) and "PostmortemRequired" not in conditions(play)
    assert play.status.pack.sealed == play.status.pack.head.seq, "and that stands in the pack"
    play.say(Verb.Close, postmortem="OPS-4713")
    play.tick()
    assert play.status.postmortem == "OPS-4712" and "cannot be closed" in play.chain[-1].line.result


def test_where_no_glass_was_broken_none_is_needed_and_one_is_kept() -> None:
    for postmortem in ("", "OPS-4712"):
        play = Play(plan=plan(option("restart")))
        play.until(Phase.Resolved)
        play.say(Verb.Close, postmortem=postmortem)
        play.until(Phase.Closed)
        assert play.status.postmortem == postmortem


def test_without_it_nothing_is_said_of_glass() -> None:
    play = waiting()
    assert not {"GlassBroken", "PostmortemRequired"} & set(conditions(play))


def test_what_was_approved_by_then_is_not_counted_as_missing() -> None:
    play = waiting()
    play.say(Verb.Approve, by="carol", role="security-team", option="undo")
    play.tick()
    broken(play)
    play.until(Phase.Resolved)
    assert play.status.broken_glass[0].without == "incident-commander 0/1"


@pytest.mark.parametrize(("changes", "why"), [
    ({"digest": "sha256:" + "0" * 64}, "names plan"),
    ({"option": "restart"}, "needs no approval"),
    ({"option": "nonsense"}, "no option"),
    ({"incident_uid": "uid-another"}, "about an incident with UID"),
])  # fmt: skip
def test_what_does_not_fit_has_no_effect(changes: dict[str, str], why: str) -> None:
    play = waiting()
    broken(play, **changes)
    play.tick()
    assert play.status.phase is Phase.AwaitingApproval and not play.status.broken_glass and not play.written
    assert why in play.chain[-1].line.result and "no effect" in play.chain[-1].line.result


def test_it_is_not_said_beforehand() -> None:
    play = Play(plan=plan(option("restart"), option("undo", approval=ASKED)), readings={"health": NO})
    play.until(Phase.Verifying)
    broken(play)
    play.until(Phase.AwaitingApproval)
    assert not play.status.broken_glass and play.status.waits_for == TWO
    assert any("say it again when it does" in entry.line.result for entry in play.chain)


@pytest.mark.parametrize("first", [Verb.Reject, Verb.BreakGlass])
def test_a_no_beside_it_wins_whichever_was_first(first: Verb) -> None:
    play = waiting()
    for verb in (first, Verb.BreakGlass if first is Verb.Reject else Verb.Reject):
        broken(play) if verb is Verb.BreakGlass else play.say(verb, by="carol", role="incident-commander", option="undo")
    play.until(Phase.Resolved)
    assert {record.name: record.state for record in play.status.options}["undo"] is OptionState.Denied
    assert play.written == ["uid-inc/1/restart/restart"]


def test_silence_is_a_no_and_stays_one() -> None:
    play = waiting()
    play.now += timedelta(minutes=15)
    play.tick()
    broken(play)
    play.until(Phase.Resolved)
    assert play.written == ["uid-inc/1/restart/restart"] and not play.status.broken_glass


@pytest.mark.parametrize("verb", [Verb.BreakGlass, Verb.Approve])
def test_said_after_its_time_it_does_not_count_though_nobody_looked_meanwhile(verb: Verb) -> None:
    play = Play(plan=plan(option("undo", approval=approval(on_call=1)), option("restart")))
    play.until(Phase.AwaitingApproval)
    play.now += timedelta(minutes=15, seconds=1)
    broken(play) if verb is Verb.BreakGlass else play.say(verb, role="on-call", option="undo")
    play.until(Phase.Resolved)
    assert play.written == ["uid-inc/1/restart/restart"]
    assert any("could be approved no more" in entry.line.result for entry in play.chain)


def test_what_is_approved_needs_no_broken_glass() -> None:
    play = waiting()
    for role in ASKED.roles:
        play.say(Verb.Approve, by=f"of-{role}", role=role, option="undo")
    broken(play)
    play.until(Phase.Resolved)
    assert len(play.written) == 1 and not play.status.broken_glass
    assert any("has its approvals already" in entry.line.result for entry in play.chain)


def test_it_counts_for_one_plan_only() -> None:
    """Planned anew, there is another plan: who wants that one run says it again."""
    play = Play(plan=plan(option("undo", approval=ASKED)), readings={"health": NO})
    play.until(Phase.AwaitingApproval)
    broken(play)
    play.until(Phase.Escalated)
    other = "sha256:" + "e" * 64
    play.answers[moves.Resolve] = lambda effect: outcomes.Resolved(play.plan, other, Pin("aureus"), "", {}, "file:///packs/x")
    play.say(Verb.Resume)
    play.until(Phase.AwaitingApproval)
    assert play.status.plan_digest == other and play.status.waits_for == TWO
    assert conditions(play)["GlassBroken"], "that it was broken is seen all the same"


@pytest.mark.requirement("A-16", "E-04")
def test_evidence_is_not_let_off() -> None:
    play = waiting()
    broken(play)
    play.answers[moves.Capture] = outcomes.Denied("Unreadable", "nothing can be read")
    play.now += timedelta(minutes=10)  # what was captured is old by now
    play.until(Phase.Escalated, Phase.Resolved)
    assert play.written == [], "no change without evidence of what it could destroy"


@pytest.mark.requirement("A-16")
def test_its_time_is_not_let_off() -> None:
    undo = Step("undo", "rolloutUndo", "app", expect="pods ready", revert=Revert(after=timedelta(minutes=10)), reversible=True)
    play = waiting(steps=(undo,))
    play.readings = {"health": YES}
    play.answers[moves.Prepare] = REVERSIBLE
    broken(play)
    play.until(Phase.Verifying, Phase.Holding)
    assert [record.due_at is not None for record in play.status.reverts] == [True]
    play.until(Phase.Resolved)
    assert play.taken == play.written


def test_the_first_one_counts() -> None:
    play = waiting()
    broken(play)
    broken(play, by="carol")
    play.tick()
    assert [record.by for record in play.status.broken_glass] == ["bob"]
    assert any("bob broke the glass already" in entry.line.result for entry in play.chain)


class TestCreatedAnew:
    """It was broken for the object that was there, as an approval is given for it."""

    ANEW = outcomes.Replaced("deployment/frontend was created anew (UID uid-2, the plan is about uid-app)")

    def resolve(self, play: Play) -> None:
        """The plan of its second attempt has another digest, as it is about another object."""

        def resolved(effect: moves.Resolve) -> outcomes.Outcome:
            play.plan = replace(play.plan, attempt=effect.attempt)
            digest = f"sha256:{effect.attempt:064x}"
            return outcomes.Resolved(play.plan, digest, Pin("aureus"), "", {}, "file:///packs/x")

        play.answers[moves.Resolve] = resolved

    @pytest.mark.requirement("A-15", "A-16")
    @pytest.mark.parametrize("late", [False, True])
    def test_it_is_void_and_people_are_asked_anew(self, late: bool) -> None:
        """Seen before the option begins, or only before its first intent."""
        play = Play(plan=plan(option("undo", approval=ASKED), option("restart")))
        self.resolve(play)
        play.until(Phase.AwaitingApproval)
        asks = moves.Prepare if late else moves.Recognize

        def once(_: moves.Effect) -> outcomes.Outcome:
            del play.answers[asks]
            return self.ANEW

        play.answers[asks] = once
        broken(play, digest=play.status.plan_digest)
        play.tick()
        assert (play.status.phase, play.status.attempt, play.written) == (Phase.AwaitingApproval, 2, [])
        assert play.status.waits_for == TWO
        (told,) = [entry.line for entry in play.chain if entry.line.key == "1/option/undo/replaced"]
        assert told.result.endswith("approvals that do not count any more: bob (BreakGlass, ticket OPS-4711)")
        assert conditions(play)["GlassBroken"], "that it was broken is seen all the same"
        broken(play, digest=play.status.plan_digest)
        play.until(Phase.Resolved)
        assert play.written == ["uid-inc/2/undo/undo"]

    def test_what_cannot_be_looked_at_does_not_begin(self) -> None:
        play = waiting()
        play.answers[moves.Recognize] = outcomes.Later("Unreachable", "no answer", 2.0)
        broken(play)
        play.tick()
        assert (play.status.phase, play.written) == (Phase.AwaitingApproval, [])
        assert play.status.message == f"Option undo goes without {TWO}; its targets cannot be looked at: no answer"
        del play.answers[moves.Recognize]
        play.until(Phase.Resolved)
        assert play.written == ["uid-inc/1/undo/undo"]

    def test_one_that_comes_while_it_is_looked_is_looked_at_for_itself(self) -> None:
        play = Play(plan=plan(option("undo", approval=ASKED)))
        self.resolve(play)
        play.until(Phase.AwaitingApproval)

        def anew(_: moves.Recognize) -> outcomes.Outcome:
            del play.answers[moves.Recognize]
            return self.ANEW

        def look(_: moves.Recognize) -> outcomes.Outcome:
            play.answers[moves.Recognize] = anew
            broken(play, digest=play.status.plan_digest)
            return outcomes.Done()

        play.now += timedelta(minutes=1)
        play.answers[moves.Recognize] = look
        play.tick()
        assert (play.status.phase, play.status.attempt, play.written) == (Phase.AwaitingApproval, 2, [])


def test_a_status_holds_the_latest_of_many() -> None:
    play = Play(plan=plan(option("undo", approval=ASKED)), readings={"health": NO})
    for number in range(17):
        digest = f"sha256:{number:064x}"
        play.answers[moves.Resolve] = outcomes.Resolved(play.plan, digest, Pin("aureus"), "", {}, "file:///packs/x")
        play.until(Phase.AwaitingApproval)
        broken(play, digest=digest, ticket=f"OPS-{number}")
        play.until(Phase.Escalated)
        play.say(Verb.Resume)
    assert [record.ticket for record in play.status.broken_glass] == [f"OPS-{number}" for number in range(1, 17)]

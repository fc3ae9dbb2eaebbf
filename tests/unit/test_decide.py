"""The pure engine, phase by phase: what is decided, what is told, and what is never done."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import Mode, OptionState, Phase, StepState, Verdict
from stanch.domain.plan import EvidencePlan, OnFailure, OnMissing
from stanch.domain.timeline import GENESIS, File
from stanch.engine import moves, outcomes
from tests.unit.play import DIGEST, NO, T0, TRUSTED, UNKNOWN, YES, Play, approval, facts, option, plan


def kinds(play: Play) -> list[str]:
    return [type(effect).__name__ for effect in play.performed]


def test_an_option_that_helps_resolves_the_incident_in_order() -> None:
    play = Play()
    play.until(Phase.Resolved)
    looks = ["Read"] * kinds(play).count("Read")
    assert kinds(play) == ["Resolve", "Capture", "Prepare", "Write", *looks, "Capture", "Release", "Seal"]
    assert play.status.options[0].state is OptionState.Confirmed
    assert play.status.pack.sealed == play.status.pack.head.seq == len(play.chain)
    assert not play.status.locked


def test_option_that_does_not_help_gives_way_to_the_next() -> None:
    play = Play()
    play.answers[moves.Read] = lambda effect: outcomes.Readings({"health": YES if effect.option == "undo" else NO})
    play.until(Phase.Resolved)
    assert [(r.name, r.state) for r in play.status.options] == [
        ("restart", OptionState.Denied),
        ("undo", OptionState.Confirmed),
    ]
    assert play.written == ["uid-inc/1/restart/restart", "uid-inc/1/undo/undo"]


@pytest.mark.requirement("E-04")
def test_nothing_is_written_before_evidence_and_intent_are_stored() -> None:
    play = Play()

    def check(effect: moves.Write) -> outcomes.Outcome:
        assert play.status.evidence.captures >= 1
        assert play.status.steps[-1].state is StepState.Intended, "the intent is in the stored status when the write happens"
        return play._write(effect)

    play.answers[moves.Write] = check
    play.until(Phase.Resolved)
    assert kinds(play).index("Capture") < kinds(play).index("Write")


def test_second_option_captures_again_because_the_first_changed_the_pods() -> None:
    play = Play(readings={"health": NO})
    play.until(Phase.Escalated)
    between = kinds(play)[kinds(play).index("Write") : len(kinds(play)) - kinds(play)[::-1].index("Write")]
    assert "Capture" in between


@pytest.mark.requirement("E-04")
@pytest.mark.parametrize("outcome", [
    outcomes.Captured(T0, 1, 10, ("logs of pod a",), File("captures/before-1.json", "0" * 64, 1), {}),
    outcomes.Later("StoreFull", "no space left", 2.0),
    outcomes.Denied("Forbidden", "no"),
])  # fmt: skip
def test_incomplete_evidence_blocks(outcome: outcomes.Outcome) -> None:
    play = Play(answers={moves.Capture: outcome})
    play.until(Phase.Escalated)
    assert play.status.reason == "EvidenceIncomplete"
    assert play.written == []


def test_incomplete_evidence_proceeds_where_the_playbook_says_so_and_it_is_recorded() -> None:
    play = Play(plan=plan(evidence=EvidencePlan(on_failure=OnMissing.Proceed)))
    play.answers[moves.Capture] = outcomes.Later("StoreFull", "no space left", 2.0)
    play.until(Phase.Resolved)
    assert "1/evidence/incomplete" in play.lines


def test_no_data_is_never_success() -> None:
    play = Play(readings={"health": UNKNOWN})
    play.until(Phase.Escalated)
    assert {record.state for record in play.status.options} == {OptionState.Inconclusive}


def test_hold_that_breaks_denies_and_hold_that_cannot_be_seen_begins_anew() -> None:
    play = Play(plan=plan(option("restart")))
    play.until(Phase.Holding)
    play.readings = {"health": UNKNOWN}
    play.now += timedelta(seconds=5)
    play.tick()
    assert play.status.phase is Phase.Verifying
    play.readings = {"health": YES}
    play.until(Phase.Holding)
    play.readings = {"health": NO}
    play.until(Phase.Escalated)
    assert play.status.options[0].state is OptionState.Denied


def test_hold_lasts_its_whole_time() -> None:
    play = Play(plan=plan(option("restart")))
    play.until(Phase.Holding)
    began = play.now
    play.until(Phase.Resolved)
    assert play.now - began >= timedelta(seconds=60)


def test_new_leader_restarts_a_hold() -> None:
    play = Play(plan=plan(option("restart")))
    play.until(Phase.Holding)
    play.now += timedelta(minutes=10)
    play.epoch = 2
    play.tick()
    assert play.status.phase is Phase.Holding and play.status.hold_until >= play.now + timedelta(seconds=60)
    assert "1/hold/restart/lost" in play.lines


def test_stop_on_failure_calls_people() -> None:
    play = Play(plan=plan(option("restart", on_failure=OnFailure.Stop), option("undo")), readings={"health": NO})
    play.until(Phase.Escalated)
    assert play.written == ["uid-inc/1/restart/restart"]


def test_dry_run_writes_nothing() -> None:
    play = Play(facts=facts(mode=Mode.DryRun))
    play.until(Phase.Closed)
    assert kinds(play) == ["Resolve", "Seal"]


def test_condition_skips_an_option_and_a_condition_without_value_skips_it_too() -> None:
    young = option("undo", when="facts.lastDeploy.age < duration('30m')")
    play = Play(plan=plan(young), found={"lastDeploy.at": (T0 - timedelta(minutes=10)).isoformat()})
    play.until(Phase.Resolved)
    for found in ({"lastDeploy.at": (T0 - timedelta(hours=1)).isoformat()}, {}):
        play = Play(plan=plan(young), found=found)
        play.until(Phase.Escalated)
        assert play.status.options[0].state is OptionState.Skipped
        assert play.written == []


def test_condition_is_about_the_incident_as_it_was_planned() -> None:
    play = Play(plan=plan(option("restart"), option("undo", when="incident.severity == 'P0'")))
    play.readings = {"health": NO}
    play.tick()
    play.facts = replace(play.facts, severity="P3", generation=2)
    play.until(Phase.Escalated)
    assert play.status.options[1].state is not OptionState.Skipped


def test_refused_plan_waits_for_a_person_and_is_looked_at_again_quietly() -> None:
    play = Play(answers={moves.Resolve: outcomes.Denied("PlaybookAmbiguous", "a and b match")})
    move = play.tick()
    assert play.status.phase is Phase.Waiting and play.status.waits_for == "alice"
    told = len(play.chain)
    for _ in range(5):
        play.now = move.wake_at
        before = play.status
        move = play.tick()
        assert play.status == before, "the same refusal is not written again"
    assert len(play.chain) == told
    del play.answers[moves.Resolve]
    play.now = move.wake_at
    play.until(Phase.Resolved)


def needs(*options_: object) -> Play:
    return Play(plan=plan(option("undo", approval=approval(incident_commander=1)), option("restart")))


def test_approval_lets_the_option_run() -> None:
    play = needs()
    play.tick()
    assert play.status.phase is Phase.AwaitingApproval and play.status.waits_for == "incident-commander 0/1"
    play.say(Verb.Approve, role="incident-commander", option="undo")
    play.until(Phase.Resolved)
    assert [a.by for a in play.status.approvals] == ["bob"]
    assert play.written == ["uid-inc/1/undo/undo"]


@pytest.mark.parametrize(("changes", "why"), [
    ({"by": "alice"}, "opened"),
    ({"digest": "sha256:" + "0" * 64}, "names plan"),
    ({"role": "scribe"}, "asks for"),
    ({"option": "restart"}, "needs no approval"),
    ({"option": "nonsense"}, "no option"),
])  # fmt: skip
def test_unfit_approval_is_recorded_without_effect(changes: dict, why: str) -> None:
    play = needs()
    play.tick()
    play.say(Verb.Approve, **{"role": "incident-commander", "option": "undo", **changes})
    play.tick()
    assert play.status.phase is Phase.AwaitingApproval and not play.status.approvals
    assert why in play.chain[-1].line.result and "no effect" in play.chain[-1].line.result


def test_two_people_are_two_people() -> None:
    play = Play(plan=plan(option("undo", approval=approval(sre=2))))
    play.tick()
    play.say(Verb.Approve, by="bob", role="sre", option="undo")
    play.say(Verb.Approve, by="bob", role="sre", option="undo")
    play.tick()
    assert play.status.phase is Phase.AwaitingApproval and play.status.waits_for == "sre 1/2"
    play.say(Verb.Approve, by="carol", role="sre", option="undo")
    play.tick()
    assert play.status.phase not in (Phase.AwaitingApproval, Phase.Diagnosing)


def test_reject_and_silence_deny_the_option() -> None:
    for deny in (lambda p: p.say(Verb.Reject, role="incident-commander", option="undo"),
                 lambda p: setattr(p, "now", p.now + timedelta(minutes=15))):  # fmt: skip
        play = needs()
        play.tick()
        deny(play)
        play.until(Phase.Resolved)
        assert play.status.options[0].state is OptionState.Denied
        assert play.written == ["uid-inc/1/restart/restart"]


def test_reject_before_its_turn_keeps_the_option_from_being_chosen() -> None:
    play = Play(plan=plan(option("restart"), option("undo", approval=approval(ic=1))), readings={"health": NO})
    play.tick()
    play.say(Verb.Reject, role="ic", option="undo")
    play.until(Phase.Escalated)
    assert play.written == ["uid-inc/1/restart/restart"]


def test_abort_stops_before_the_next_write() -> None:
    play = needs()
    play.tick()
    play.say(Verb.Abort)
    play.until(Phase.Aborted)
    assert play.written == [] and kinds(play)[-1] == "Seal"


def test_abort_with_an_open_intent_observes_and_never_writes() -> None:
    play = Play(plan=plan(option("restart")), answers={moves.Write: outcomes.Later("Timeout", "no answer", 1.0)})
    play.tick()
    assert play.status.steps[0].state is StepState.Intended
    play.say(Verb.Abort)
    del play.answers[moves.Write]
    play.until(Phase.Aborted)
    writes = [effect for effect in play.performed if isinstance(effect, moves.Write)]
    assert writes[-1].fence and play.written == [] and play.status.steps[0].state is StepState.Failed


@pytest.mark.parametrize("arrived", [True, False])
def test_new_leader_fences_an_open_intent_and_observes_before_anything_is_written(arrived: bool) -> None:
    play = Play(plan=plan(option("restart")), answers={moves.Write: outcomes.Later("Timeout", "no answer", 1.0)})
    play.tick()
    token = play.status.steps[0].token
    play.written += [token] if arrived else []
    del play.answers[moves.Write]
    seen = len(play.performed)
    play.epoch = 2
    play.until(Phase.Resolved)
    writes = [effect.fence for effect in play.performed[seen:] if isinstance(effect, moves.Write)]
    assert writes == ([True] if arrived else [True, False]), "an open intent of another leader is fenced, then observed"
    assert play.written == [token] and play.status.steps[0].epoch == 2


def test_deleted_incident_is_aborted_and_gives_back() -> None:
    play = Play(plan=plan(option("restart")))
    play.until(Phase.Verifying, Phase.Holding)
    play.facts = replace(play.facts, deleted=True)
    play.until(Phase.Aborted)
    assert "Release" in kinds(play) and not play.status.locked


def test_escalated_incident_is_resumed_with_a_new_plan_and_new_tokens() -> None:
    play = Play(plan=plan(option("restart")), readings={"health": NO})
    play.until(Phase.Escalated)
    play.readings = {"health": YES}
    play.say(Verb.Resume)
    play.until(Phase.Resolved)
    assert play.written == ["uid-inc/1/restart/restart", "uid-inc/2/restart/restart"]


def test_close_by_the_policy_s_role_only() -> None:
    play = Play(plan=plan(option("restart")), close_role="incident-commander")
    play.until(Phase.Mitigated)
    assert play.status.waits_for == "Close by incident-commander"
    play.say(Verb.Close, role="scribe")
    play.tick()
    assert play.status.phase is Phase.Mitigated
    play.say(Verb.Close, role="incident-commander")
    play.tick()
    assert play.status.phase is Phase.Resolved
    sealed = play.status.pack.sealed
    play.say(Verb.Close, role="incident-commander")
    play.tick()
    assert play.status.phase is Phase.Closed and play.status.pack.sealed > sealed


def test_step_that_is_refused_fails_the_option() -> None:
    play = Play(answers={moves.Prepare: outcomes.Denied("StableUndecidable", "mark a revision")})
    play.until(Phase.Escalated)
    assert [record.state for record in play.status.steps] == [StepState.Refused, StepState.Refused]
    assert "StableUndecidable" in play.status.options[0].message


def test_conflict_prepares_again_and_a_fight_ends() -> None:
    play = Play(plan=plan(option("restart")), answers={moves.Write: outcomes.Stale("somebody was faster")})
    play.until(Phase.Escalated)
    assert play.status.steps[0].attempts == 5


def test_busy_target_is_waited_for_until_the_option_s_time_is_over() -> None:
    play = Play(plan=plan(option("restart", timeout=timedelta(minutes=1))))
    play.answers[moves.Prepare] = outcomes.Later("TargetLocked", "held by aureus/other", 5.0)
    play.until(Phase.Escalated)
    assert "held by aureus/other" in play.status.options[0].message


def test_lost_plan_fails_without_a_write() -> None:
    play = needs()
    play.tick()
    snapshot = moves.Snapshot(play.facts, play.status, None, (), 1, TRUSTED)
    from stanch.engine.decide import decide

    move = decide(snapshot, play.now)
    assert move.status.phase is Phase.Failed


def test_unwritable_pack_stops_everything_and_keeps_what_it_is_owed() -> None:
    play = needs()
    play.tick()
    owed = play.status.pack.pending
    play.say(Verb.Approve, role="incident-commander", option="undo")
    play.store_error = "The pack cannot be written: disk full"
    move = play.tick()
    assert play.status.phase is Phase.AwaitingApproval and play.status.pack.pending == owed
    assert move.wake_at is not None
    stalled = next(c for c in play.status.conditions if c.type == "Stalled")
    assert stalled.status == "True" and stalled.reason == "PackUnavailable"
    play.store_error = ""
    play.until(Phase.Resolved)


def test_other_format_version_is_left_alone() -> None:
    play = Play()
    play.status = replace(play.status, format_version=99)
    move = play.step()
    assert move.status == play.status and move.effect is None


def test_chain_is_whole_and_bounded_per_status() -> None:
    play = needs()
    play.tick()
    for number in range(40):
        play.say(Verb.Note, by=f"user{number}")
    play.say(Verb.Approve, role="incident-commander", option="undo")
    play.until(Phase.Resolved)
    assert [entry.seq for entry in play.chain] == list(range(1, len(play.chain) + 1))
    assert [entry.prev for entry in play.chain] == [GENESIS, *(entry.hash for entry in play.chain[:-1])]
    assert max(len(status.pack.pending) for status in play.statuses) <= 24
    assert len(play.status.decisions) <= 32 and all(decision.recorded for decision in play.decisions)


def test_decision_is_recorded_once_even_when_marking_it_was_lost() -> None:
    play = needs()
    play.tick()
    play.say(Verb.Note)
    play.step()  # recorded in the status, then killed before the mark
    play.tick()
    assert sum("decision" in key for key in play.lines) == 1


@pytest.mark.requirement("E-04")
def test_every_rest_has_a_wake_time_or_names_whom_it_waits_for() -> None:
    for readings in ({"health": YES}, {"health": NO}, {"health": UNKNOWN}):
        play = Play(readings=readings)
        move = play.tick()
        while play.status.phase not in (Phase.Resolved, Phase.Escalated):
            assert move.wake_at is not None or play.status.waits_for
            play.now = move.wake_at
            move = play.tick()
        assert play.status.waits_for


def test_baseline_is_kept_beside_the_latest_reading() -> None:
    play = Play()
    play.until(Phase.Resolved)
    assert play.status.checks[0].baseline is Verdict.Denied and play.status.checks[0].verdict is Verdict.Confirmed


def test_digest_of_the_plan_is_what_people_see() -> None:
    play = needs()
    play.tick()
    assert play.status.plan_digest == DIGEST


def test_the_sentence_for_the_person_on_call_says_why_each_option_did_not_help() -> None:
    play = Play(readings={"health": NO})
    play.until(Phase.Escalated)
    assert play.status.message == "No option helped. restart denied: health: 502; undo denied: health: 502"


def test_evidence_that_blocks_after_a_change_does_not_say_that_nothing_was_changed() -> None:
    play = Play(readings={"health": NO})
    play.answers[moves.Capture] = lambda effect: outcomes.Denied("Forbidden", "no") if play.written else play._capture(effect)
    play.until(Phase.Escalated)
    assert play.status.message.startswith("Nothing further was changed: evidence is incomplete")


def test_a_refusal_longer_than_a_status_takes_is_told_once() -> None:
    play = Play(answers={moves.Resolve: outcomes.Denied("Forbidden", "no " * 1000)})
    for _ in range(3):
        play.now = play.tick().wake_at
    assert play.status.phase is Phase.Waiting and len(play.lines) == 1

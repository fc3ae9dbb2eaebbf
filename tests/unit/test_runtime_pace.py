"""Guards on pace over the whole tick: what other incidents did holds a change up, and people or time let it pass."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import timedelta

import pytest

from stanch.api import codec
from stanch.domain.decision import Verb
from stanch.domain.incident import (
    ChangeRecord,
    OptionRecord,
    OptionState,
    Phase,
    Status,
    StepRecord,
    StepState,
)
from stanch.domain.plan import Pin
from stanch.domain.said import ApprovalRecord, GlassRecord
from stanch.engine.changes import ANY, noted
from stanch.engine.ports import Object
from stanch.runtime.guarding import attended
from stanch.runtime.past import PastIndex
from stanch.runtime.prime import prime
from tests.unit import play
from tests.unit.memory import Write
from tests.unit.test_runtime_guards import under
from tests.unit.world import API_VERSION, NAMESPACE, Life, Site, needs_commander, quick

MACHINE = f"system:serviceaccount:{NAMESPACE}:alertmanager"


def beside(site: Site, number: int = 0, **changes: object) -> None:
    """Another Incident stands in the cluster, which changed the frontend just now and did not help."""
    now, recipe = site.server.time.now(), site.server.select(API_VERSION, "Playbook", NAMESPACE, "", "")[0]
    status = replace(
        Status(
            policy=Pin("aureus"), playbook=Pin("frontend-down", generation=recipe["metadata"].get("generation", 0)),
            phase=Phase.Escalated, options=(OptionRecord("undo", OptionState.Failed),),
            changes=(ChangeRecord("t", uid(site), now),),
            steps=(StepRecord("undo", "undo", StepState.Done, "t", written_at=now),),
        ),
        **changes,
    )  # fmt: skip
    made = copy.deepcopy(site.incident)
    made["metadata"] = {"name": f"other-{number}", "namespace": NAMESPACE}
    made.pop("status", None)
    site.server.set_status(site.server.add(made), codec.status_to_json(status))


def uid(site: Site) -> str:
    return site.frontend.deployment["metadata"]["uid"]


async def held(life: Life) -> str:
    await life.live(until=Phase.Mitigating)
    await life.tick()
    return life.site.status.reason


async def test_a_target_rests_after_another_incident_changed_it() -> None:
    site = Site()
    beside(site)
    life = Life(site)
    assert await held(life) == "Cooldown" and site.frontend.mitigations == []
    assert f"incident {NAMESPACE}/other-0 changed deployment/frontend at" in site.status.message
    assert site.locks() == [], "who waits keeps nobody from the target"
    planned = next(line for line in site.lines if line.key == "1/planned")
    assert "a change would be held up now by Cooldown" in planned.result
    await life.live(until=Phase.Mitigated)
    (first, *_) = site.status.changes
    assert first.at and first.at >= site.status.options[0].started_at + timedelta(minutes=4), "it waited the time out"


async def test_another_target_need_not_rest() -> None:
    site = Site()
    beside(site, changes=(ChangeRecord("t", "uid-of-something-else", site.server.time.now()),))
    await Life(site).live(until=Phase.Mitigated)
    assert len(site.frontend.mitigations) == 2


async def test_a_target_that_may_be_among_those_that_are_named_no_more_rests_too() -> None:
    site = Site()
    beside(site, changes=(ChangeRecord("", ANY, site.server.time.now(), count=2),))
    assert await held(Life(site)) == "Cooldown" and site.frontend.mitigations == []
    said = "other-0 changed more objects than its status names (deployment/frontend may be one), the last at "
    assert said in site.status.message


async def test_the_policy_says_how_long() -> None:
    site = under({"limits": {"cooldown": "0s"}})
    beside(site)
    await Life(site).live(until=Phase.Mitigated)
    assert len(site.frontend.mitigations) == 2


async def test_a_playbook_that_failed_often_enough_calls_people_whose_resume_passes() -> None:
    site = under({"limits": {"cooldown": "0s", "consecutiveFailures": 2}})
    beside(site, 1)
    beside(site, 2)
    life = Life(site)
    await life.live(until=Phase.Escalated)
    assert site.frontend.mitigations == [] and site.status.evidence.captures, "evidence is captured all the same"
    assert "held up by ConsecutiveFailures: incidents in a row that this playbook did not help: 2" in site.status.message
    site.decide(Verb.Resume, life)
    await life.live(until=Phase.Mitigated)
    assert len(site.frontend.mitigations) == 2 and site.status.resumed


async def test_and_once_it_was_edited_it_begins_anew() -> None:
    site = under({"limits": {"cooldown": "0s", "consecutiveFailures": 2}})
    beside(site, 1)
    beside(site, 2, playbook=Pin("frontend-down", generation=0))
    await Life(site).live(until=Phase.Mitigated)
    assert len(site.frontend.mitigations) == 2


async def test_in_a_storm_evidence_is_captured_and_nothing_changed() -> None:
    site = under({"limits": {"cooldown": "0s", "storm": {"incidents": 2, "within": "1h"}}})
    for number in range(2):
        beside(site, number, changes=(), steps=())
    await Life(site).live(until=Phase.Escalated)
    assert site.frontend.mitigations == [] and site.status.evidence.captures
    assert "held up by Storm: incidents opened within 1h: 3" in site.status.message


async def test_a_storm_that_is_over_in_time_is_waited_out() -> None:
    site = under({"limits": {"cooldown": "0s", "storm": {"incidents": 2, "within": "5m"}}})
    for number in range(2):
        beside(site, number, changes=(), steps=())
    life = Life(site)
    assert await held(life) == "Storm"
    await life.live(until=Phase.Mitigated)
    assert len(site.frontend.mitigations) == 2


async def test_only_so_many_changes_an_hour() -> None:
    site = under({"limits": {"cooldown": "0s", "changesPerHour": 1}})
    beside(site)
    await Life(site).live(until=Phase.Escalated)
    assert site.frontend.mitigations == [] and "ChangeBudget: changes within the last hour: 1" in site.status.message


async def test_one_incident_alone_can_use_up_what_the_policy_lets_be_changed_without_a_word() -> None:
    site = under({"limits": {"cooldown": "0s"}})
    changes: tuple[ChangeRecord, ...] = ()
    for number in range(70):
        changes = noted(changes, ChangeRecord(f"t{number}", f"uid-{number}", site.server.time.now()), site.server.time.now())
    beside(site, changes=changes)
    await Life(site).live(until=Phase.Escalated)
    assert site.frontend.mitigations == [] and "ChangeBudget: changes within the last hour: 70" in site.status.message


async def test_what_is_about_to_be_changed_counts_before_its_intent_is_stored() -> None:
    site = under({"limits": {"changesPerHour": 1}})
    life = Life(site)
    life.world.past.begin((NAMESPACE, "other"), "aureus", site.server.time.now())
    await life.live(until=Phase.Escalated)
    assert site.frontend.mitigations == [] and "ChangeBudget" in site.status.message


async def test_a_change_counts_before_its_intent_is_stored() -> None:
    """Or two that ask in the same moment would both make the last one."""
    site = Site()
    life, seen = Life(site), []

    def look(write: Write) -> None:
        if write.ref.name.startswith("stanch-before-"):
            seen.append(life.world.past.of((NAMESPACE, "third"), "aureus", None, frozenset(), site.server.time.now()))
            assert not any(step.intended_at for step in site.status.steps)

    site.server.after_write.append(look)
    await life.tick()
    assert [len(past.changes) for past in seen] == [1]


async def test_before_every_incident_was_looked_at_nothing_is_changed() -> None:
    site = Site()
    life = Life(site)
    life.world.sight.complete = False
    assert await held(life) == "Storm" and "is unknown" in site.status.message and site.frontend.mitigations == []


async def test_what_was_done_is_known_again_after_a_crash_also_of_what_is_over() -> None:
    site = Site()
    await Life(site).live(until=Phase.Resolved)
    world = replace(Life(site).world, past=PastIndex())
    assert site.status.rests
    await prime(world, ())
    past = world.past.of(("x", "y"), "aureus", None, frozenset({uid(site)}), site.server.time.now())
    assert past.touched and past.touched.by == f"{NAMESPACE}/frontend-502" and len(past.changes) == 2


async def test_a_tick_that_writes_nothing_forgets_nobody() -> None:
    """Neither one that is being looked at, nor one that is over."""
    site = Site()
    life = Life(site)

    def known() -> tuple[int, int]:
        past = life.world.past.of(("x", "y"), "aureus", None, frozenset(), site.server.time.now())
        return life.world.underway.beside(("x", "y"), "aureus").others, len(past.changes)

    for phase, expected in ((Phase.Verifying, (1, 1)), (Phase.Resolved, (0, 2))):
        await life.live(until=phase)
        if phase is Phase.Resolved:
            await life.live()
        for _ in range(3):
            version = site.incident["metadata"]["resourceVersion"]
            await life.tick()
            assert known() == expected or site.incident["metadata"]["resourceVersion"] != version
        assert site.incident["metadata"]["resourceVersion"] == version, "at last it wrote nothing"


def by_machine(site: Site) -> Life:
    site.server.patch(site.incident_ref, {"spec": {"openedBy": MACHINE}}, "", "", dry_run=False)
    return Life(site)


async def test_what_a_machine_asks_for_waits_for_a_person() -> None:
    site = Site()
    life = by_machine(site)
    await life.live(until=Phase.AwaitingApproval)
    assert site.status.waits_for == "incident-commander 0/1" and site.frontend.mitigations == []
    site.decide(Verb.Approve, life, option=site.status.option, role="incident-commander", planDigest=site.status.plan_digest)
    await life.live(until=Phase.Verifying)
    assert len(site.frontend.mitigations) == 1


async def test_nobody_answers_and_nothing_is_changed() -> None:
    site = under({"approvalRole": "on-call"})
    life = by_machine(site)
    await life.live(until=Phase.AwaitingApproval)
    assert site.status.waits_for == "on-call 0/1"
    await life.live(until=Phase.Escalated)
    assert site.frontend.mitigations == []


def automatic(playbook: Object) -> None:
    needs_commander(playbook)
    playbook["spec"]["automatic"] = True


async def test_where_the_playbook_says_automatic_only_its_own_approvals_are_asked_for() -> None:
    site = Site(automatic)
    await by_machine(site).live(until=Phase.AwaitingApproval)
    assert len(site.frontend.mitigations) == 1 and site.status.option == "undo"


async def test_what_a_person_asks_for_needs_no_word_of_the_playbook() -> None:
    site = Site(quick)
    await Life(site).live(until=Phase.Mitigated)
    assert site.status.approvals == ()


def glass(option: str, digest: str) -> GlassRecord:
    return GlassRecord("d", option, digest, "bob", "OPS-4711", "boss 0/1", play.T0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, False),
        ({"resumed": True}, True),
        ({"approvals": (ApprovalRecord("d", "undo", "boss", "bob", play.T0),)}, True),
        ({"approvals": (ApprovalRecord("d", "restart", "boss", "bob", play.T0),)}, False),
        ({"broken_glass": (glass("undo", play.DIGEST),)}, True),
        ({"broken_glass": (glass("restart", play.DIGEST),)}, False),
        ({"broken_glass": (glass("undo", "sha256:of another plan"),)}, False),
        ({"plan_digest": "", "broken_glass": (glass("undo", play.DIGEST),)}, False),
        ({"steps": (StepRecord("undo", "a", StepState.Done, "t", written_at=play.T0),)}, True),
        ({"steps": (StepRecord("restart", "a", StepState.Done, "t", written_at=play.T0),)}, False),
        ({"steps": (StepRecord("undo", "a", StepState.Intended, "t"),)}, False),
        ({"plan_digest": "", "approvals": (ApprovalRecord("d", "undo", "boss", "bob", play.T0),)}, False),
        ({"plan_digest": "", "resumed": True}, True),
    ],
)
def test_what_people_stand_behind(changes: dict, expected: bool) -> None:
    """Of a plan that is made only now nothing was approved."""
    status = replace(Status(option="undo", plan_digest=play.DIGEST), **changes)
    assert attended(status) is expected

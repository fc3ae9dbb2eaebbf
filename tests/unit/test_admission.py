"""The admission policies beside the one for Decisions: each look at them, and what is not planned while one is not in force."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from stanch.domain.plan import Ref
from stanch.engine import moves, outcomes
from stanch.engine.errors import NotFound, Refused, Retryable
from stanch.engine.shipped import FORGED, INCIDENTS, OTHERS, PLAYBOOKS, STATUSES, STAYING, Shipped
from stanch.engine.summary import ADMISSION
from stanch.engine.vouching import Distrust, Lapse, NotVouched
from stanch.runtime.admission import Admission
from stanch.runtime.announce import newly_distrusted
from stanch.runtime.metrics import Metrics
from stanch.runtime.witness import KEPT, Witness, binding_ref, policy_ref
from tests.unit.memory import MemoryClusters, MemoryServer, Write
from tests.unit.play import Play, approval, option, plan
from tests.unit.test_vouching import shipped
from tests.unit.world import Life, Site

OPERATOR = "stanch-system"
BARRING = (INCIDENTS, PLAYBOOKS, STATUSES)
LADDER = Ref("stanch.dev/v1alpha1", "ResponsePolicy", "", "ladder")


class Stage:
    """All policies are there, as shipped; those in `enforced` refuse what is forged."""

    def __init__(self) -> None:
        self.server = MemoryServer()
        self.server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OPERATOR}})
        for policy in OTHERS:
            for obj in shipped(policy):
                self.server.add(obj)
        self.server.add({"apiVersion": LADDER.api_version, "kind": LADDER.kind, "metadata": {"name": LADDER.name}, "spec": {}})
        self.server.admission.append(self.admit)
        self.server.before_read.append(self.read)
        self.enforced = set(OTHERS_BY_KIND)
        self.failure: Exception | None = None
        self.changes = 0
        own, time, self.metrics = MemoryClusters(self.server).own, self.server.time, Metrics()
        witnesses = tuple(Witness(policy, own, time, OPERATOR, time.monotonic) for policy in OTHERS)
        self.admission = Admission(witnesses, self.metrics, self.change)

    def change(self) -> None:
        self.changes += 1

    def admit(self, write: Write) -> None:
        policy = OTHERS_BY_KIND.get(write.ref.kind)
        if policy and policy.kind in self.enforced and FORGED in str(write.body):
            assert (write.verb, write.subresource) == (("patch", "status") if policy.status else ("create", ""))
            raise Refused("Forbidden", f"create x: is forbidden: {policy.denial}…")

    def read(self, *_: Any) -> None:
        if self.failure:
            raise self.failure

    def edit(self, ref: Any, **spec: Any) -> None:
        version = self.server.read(ref)["metadata"]["resourceVersion"]
        self.server.patch(ref, {"spec": spec}, version, "", dry_run=False)

    async def finds(self, seconds: float = 60) -> dict[str, str]:
        """Why of each policy that does not vouch; the metric says the same."""
        self.server.time.move(seconds)
        await self.admission.look()
        lapses = {lapse.policy.name: str(lapse.why.reason) for lapse in self.admission.lapses()}
        for policy in OTHERS:
            told = self.metrics.registry.get_sample_value("stanch_admission_trusted", {"policy": policy.name})
            assert told == (policy.name not in lapses)
        return lapses


OTHERS_BY_KIND = {policy.kind: policy for policy in BARRING}


@pytest.fixture
def stage() -> Stage:
    return Stage()


BROKEN: dict[Distrust, Callable[[Stage, Shipped], object]] = {
    Distrust.PolicyMissing: lambda stage, policy: stage.server.remove(policy_ref(policy.name)),
    Distrust.BindingMissing: lambda stage, policy: stage.server.remove(binding_ref(policy.name)),
    Distrust.PolicyChanged: lambda stage, policy: stage.edit(policy_ref(policy.name), failurePolicy="Ignore"),
    Distrust.BindingChanged: lambda stage, policy: stage.edit(binding_ref(policy.name), validationActions=["Warn"]),
    Distrust.ProbeAccepted: lambda stage, policy: stage.enforced.discard(policy.kind),
}


@pytest.mark.parametrize("policy", OTHERS, ids=lambda policy: policy.name)
@pytest.mark.parametrize("reason", BROKEN)
async def test_each_policy_that_is_not_in_force_is_named(stage: Stage, policy: Shipped, reason: Distrust) -> None:
    assert await stage.finds() == {}
    BROKEN[reason](stage, policy)
    # Of a deletion nothing can be forged: there only what is stored is looked at.
    forgeable = policy.kind or reason is not Distrust.ProbeAccepted
    assert await stage.finds() == ({policy.name: reason} if forgeable else {})
    assert stage.changes == (2 if forgeable else 1), "told once when it is well, and once when it is not"


async def test_nothing_is_planned_before_the_first_look_and_nothing_is_kept_of_it(stage: Stage) -> None:
    assert [lapse.policy for lapse in stage.admission.lapses()] == list(OTHERS)
    await stage.admission.look()
    assert stage.admission.lapses() == ()
    kept = [obj for kind in OTHERS_BY_KIND for obj in stage.server.select("stanch.dev/v1alpha1", kind, "", "", "")]
    assert [(obj["metadata"]["name"], obj.get("status")) for obj in kept] == [(LADDER.name, None)] and stage.server.writes == []


async def test_without_a_policy_s_object_its_status_is_not_forged(stage: Stage) -> None:
    """Without a ResponsePolicy nothing is planned anyhow: what is stored is compared alone."""
    stage.server.remove(LADDER)
    stage.enforced.discard(STATUSES.kind)
    assert await stage.finds() == {}
    stage.edit(policy_ref(STATUSES.name), failurePolicy="Ignore")
    assert await stage.finds() == {STATUSES.name: Distrust.PolicyChanged}


async def test_what_is_gone_when_its_status_is_forged_says_nothing(stage: Stage) -> None:
    stage.server.admission.insert(0, gone)
    (lapse,) = [lapse for lapse in await looked(stage) if lapse.policy is STATUSES]
    assert lapse.why.reason is Distrust.Unreadable
    del stage.server.admission[0]
    assert await stage.finds() == {}


def gone(write: Write) -> None:
    if write.ref == LADDER:
        raise NotFound("NotFound", "responsepolicies ladder not found")


async def looked(stage: Stage) -> tuple[Lapse, ...]:
    await stage.admission.look()
    return stage.admission.lapses()


async def test_the_last_answer_stands_for_a_while_where_none_is_to_be_had(stage: Stage) -> None:
    assert await stage.finds() == {}
    stage.failure = Retryable("Timeout", "no answer in time")
    assert await stage.finds(KEPT - 1) == {}
    assert set((await stage.finds(2)).values()) == {Distrust.Unreadable}
    stage.failure = None
    assert await stage.finds() == {}


async def test_it_looks_again_by_itself(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stanch.runtime.admission.until_next", lambda well: 0.001)
    seen = asyncio.Event()
    stage.admission.changed = seen.set
    running = asyncio.ensure_future(stage.admission.run())
    async with asyncio.timeout(10):
        await seen.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert stage.admission.lapses() == ()


def lapse(policy: Shipped, reason: Distrust = Distrust.PolicyMissing) -> Lapse:
    return Lapse(policy, NotVouched(reason, f"{policy.name} is missing"))


def condition(play: Play) -> tuple[str, str, str]:
    found = next(condition for condition in play.status.conditions if condition.type == ADMISSION)
    return found.status, found.reason, found.message


@pytest.mark.parametrize("policy", BARRING, ids=lambda policy: policy.name)
def test_nothing_is_read_for_an_incident_that_nobody_vouches_for(policy: Shipped) -> None:
    play = Play(lapses=(lapse(policy),))
    play.tick()
    assert play.performed == [] and play.status.phase is Phase.Opened
    assert condition(play) == ("False", "PolicyMissing", f"{policy.name} is missing")
    assert play.status.wake_at and play.status.message == f"{policy.name} is missing", "it says why, and looks again"
    play.lapses = ()
    play.until(Phase.Holding)
    assert condition(play)[:2] == ("True", "Vouched")


def test_a_plan_that_was_under_way_when_it_lapsed_is_not_taken() -> None:
    play = Play()
    play.answers[moves.Resolve] = lambda effect: lapsing(play, effect)
    play.tick()
    assert play.status.phase is Phase.Opened and not play.status.plan_digest


def lapsing(play: Play, effect: moves.Resolve) -> outcomes.Outcome:
    play.lapses = (lapse(PLAYBOOKS),)
    return play._resolve(effect)


def test_one_that_waits_for_another_reason_goes_on_saying_so_and_is_not_planned() -> None:
    play = Play(answers={moves.Resolve: outcomes.Denied("NoPlaybook", "no playbook matches")})
    play.until(Phase.Waiting)
    play.lapses, play.performed = (lapse(INCIDENTS),), []
    del play.answers[moves.Resolve]
    play.tick()
    assert (play.status.phase, play.status.reason, play.performed) == (Phase.Waiting, "NoPlaybook", [])
    assert condition(play)[0] == "False"
    play.lapses = ()
    play.until(Phase.Holding)


def test_what_was_planned_before_goes_on_and_people_are_heard() -> None:
    play = Play(plan(option("undo", approval=approval(incident_commander=1))))
    play.until(Phase.AwaitingApproval)
    play.lapses = (lapse(INCIDENTS), lapse(PLAYBOOKS))
    play.say(Verb.Approve, "carol", "incident-commander", "undo")
    play.until(Phase.Holding)
    assert play.written
    assert condition(play)[2] == "incidents.stanch.dev is missing | playbooks.stanch.dev is missing"


def test_decisions_that_could_be_deleted_hold_nothing_up() -> None:
    play = Play(lapses=(lapse(STAYING),))
    play.until(Phase.Holding)
    assert condition(play)[:2] == ("False", "PolicyMissing")


def test_people_are_told_once_of_each_condition_and_reason() -> None:
    play, told = Play(), []
    play.until(Phase.Holding)
    for lapses in ((lapse(INCIDENTS),), (lapse(INCIDENTS),), (lapse(INCIDENTS, Distrust.BindingChanged),), (), (lapse(STAYING),)):
        before, play.lapses = play.status, lapses
        play.tick()
        told.append([found.reason for found in newly_distrusted(before, play.status)])
    assert told == [["PolicyMissing"], [], ["BindingChanged"], [], ["PolicyMissing"]]


def test_who_is_not_planned_for_can_be_heard_and_ended() -> None:
    play = Play(answers={moves.Resolve: outcomes.Denied("NoPlaybook", "no playbook matches")}, lapses=())
    play.until(Phase.Waiting)
    play.lapses = (lapse(PLAYBOOKS),)
    play.say(Verb.Abort)
    play.until(Phase.Aborted)


@pytest.mark.requirement("A-15")
async def test_the_runtime_reads_nothing_as_anybody_until_it_is_vouched_for() -> None:
    site = Site()
    site.lapses = (lapse(PLAYBOOKS),)
    life = Life(site, 1)
    await life.tick()
    assert site.status.phase is Phase.Opened and site.status.message == "playbooks.stanch.dev is missing"
    site.lapses = ()
    await life.live(until=Phase.Mitigated)

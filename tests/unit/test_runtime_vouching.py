"""The looks at the policy, over an API server in memory that has it, loses it, or does not follow it; and what passes then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from stanch.domain.decision import Decision, Verb
from stanch.domain.plan import Ref
from stanch.engine.errors import Conflict, Refused, Retryable
from stanch.engine.shipped import DECISIONS, FORGED
from stanch.engine.vouching import Distrust, Vouched
from stanch.runtime.metrics import Metrics
from stanch.runtime.vouching import Vouching
from stanch.runtime.witness import KEPT, Witness, binding_ref, policy_ref
from tests.unit.memory import MemoryClusters, MemoryServer, Write
from tests.unit.play import Play
from tests.unit.test_vouching import shipped

OPERATOR = "stanch-system"
POLICY, BINDING = policy_ref(DECISIONS.name), binding_ref(DECISIONS.name)


class Stage:
    """The policy is there, as shipped, and in force as long as both it and its binding are."""

    def __init__(self) -> None:
        self.server = MemoryServer()
        self.server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OPERATOR}})
        for obj in shipped():
            self.server.add(obj)
        self.server.admission.append(self.admit)
        self.server.before_read.append(self.read)
        self.reads = self.probes = 0
        self.failure: Exception | None = None
        self.enforced = True
        self.taken: list[Decision] = []
        self.changes: list[str] = []
        self.begin()

    def begin(self) -> None:
        """A life of the operator."""
        own, time = MemoryClusters(self.server).own, self.server.time
        self.metrics = Metrics()
        witness = Witness(DECISIONS, own, time, OPERATOR, time.monotonic)
        self.vouching = Vouching(witness, self.metrics, self.taken.append, self.change)

    def change(self) -> None:
        self.changes.append(self.state)

    @property
    def state(self) -> str:
        trust = self.vouching.trust
        return "" if isinstance(trust, Vouched) else str(trust.reason)

    def admit(self, write: Write) -> None:
        """As the API server words it."""
        self.probes += write.ref.kind == "Decision"
        if self.enforced and write.ref.kind == "Decision" and write.body["spec"]["by"] == FORGED:
            said = f'create decision/x in y: decisions.stanch.dev "x" is forbidden: {DECISIONS.denial}me\': set spec.by'
            raise Refused("Forbidden", said)

    def read(self, verb: str, ref: Ref) -> None:
        self.reads += ref.kind.startswith("ValidatingAdmission")
        if self.failure:
            raise self.failure

    def edit(self, ref: Ref, **spec: Any) -> None:
        body = self.server.read(ref)
        self.server.patch(ref, {"spec": spec}, body["metadata"]["resourceVersion"], "", dry_run=False)

    async def says(self, reason: str, seconds: float = 60) -> None:
        self.server.time.move(seconds)
        await self.vouching.look()
        assert self.state == reason
        assert self.metrics.registry.get_sample_value("stanch_decisions_trusted") == (not reason)


def note() -> Decision:
    return Play().say(Verb.Note)


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_before_the_first_look_nobody_vouches(stage: Stage) -> None:
    assert stage.state == "Unreadable"
    await stage.vouching.begin()
    assert stage.state == "" and (stage.reads, stage.probes) == (2, 1)
    assert stage.server.select("stanch.dev/v1alpha1", "Decision", "", "", "") == [], "nothing is kept of the probe"


def not_followed(stage: Stage) -> None:
    stage.enforced = False


def forbidden(stage: Stage) -> None:
    stage.server.restrict("")


def other_policy(stage: Stage) -> None:
    def admit(_: Write) -> None:
        raise Refused("Forbidden", "ValidatingAdmissionPolicy 'labels.example.org' denied request: label it")

    stage.server.admission.insert(0, admit)


BROKEN: dict[str, Callable[[Stage], object]] = {
    "PolicyMissing": lambda stage: stage.server.remove(POLICY),
    "BindingMissing": lambda stage: stage.server.remove(BINDING),
    "PolicyChanged": lambda stage: stage.edit(POLICY, failurePolicy="Ignore"),
    "BindingChanged": lambda stage: stage.edit(BINDING, validationActions=["Warn"]),
    "ProbeAccepted": not_followed,
    "ProbeUnproven": other_policy,
    "Unreadable": forbidden,
}


def conflicting(stage: Stage, reason: str) -> None:
    def admit(write: Write) -> None:
        if write.ref.kind == "Decision":
            raise Conflict(reason, "create decision/stanch-probe: answered 409")

    stage.server.admission.insert(0, admit)


async def test_a_conflict_is_no_answer_and_what_was_said_meanwhile_counts_after_it(stage: Stage) -> None:
    await stage.says("")
    before = stage.vouching.trust
    conflicting(stage, "Conflict")
    stage.vouching.hear(note())
    await stage.says("", seconds=1)
    assert stage.taken == [], "no Decision is taken in on an old answer"
    stage.server.admission.pop(0)
    await stage.says("", seconds=1)
    assert stage.taken == [note()] and stage.vouching.trust == before, "it vouched all the time"


async def test_a_probe_whose_name_is_taken_has_passed_admission(stage: Stage) -> None:
    conflicting(stage, "AlreadyExists")
    await stage.says("ProbeAccepted")


@pytest.mark.parametrize("reason", Distrust)
async def test_each_way_to_be_broken_has_a_reason_of_its_own(stage: Stage, reason: Distrust) -> None:
    BROKEN[reason](stage)
    stage.vouching.hear(note())
    await stage.says(reason)
    await stage.says(reason)
    assert not stage.taken and stage.vouching.waiting, "it waits, and is not lost"


async def test_people_hear_of_a_change_once(stage: Stage) -> None:
    await stage.says("")
    stage.enforced = False
    await stage.says("ProbeAccepted")
    await stage.says("ProbeAccepted")
    stage.enforced = True
    await stage.says("")
    assert stage.changes == ["", "ProbeAccepted", ""]


async def test_a_decision_passes_after_a_look_that_began_when_it_was_there(stage: Stage) -> None:
    """Else one would count that was forged between the last look and now."""
    await stage.says("")
    stage.vouching.hear(note())
    assert not stage.taken
    await stage.says("")
    assert [decision.name for decision in stage.taken] == ["d1"] and not stage.vouching.waiting


async def test_one_that_comes_during_a_look_waits_for_the_next(stage: Stage) -> None:
    stage.server.before_read.append(lambda verb, ref: None if stage.vouching.waiting else stage.vouching.hear(note()))
    await stage.says("")
    assert not stage.taken
    await stage.says("")
    assert stage.taken


async def test_that_it_cannot_be_read_is_never_taken_for_well(stage: Stage) -> None:
    """For a while the last answer stands; no Decision passes on it."""
    await stage.says("")
    stage.failure = Retryable("Timeout", "no answer in time")
    stage.vouching.hear(note())
    await stage.says("", KEPT - 1)
    assert not stage.taken
    await stage.says("Unreadable", 2)
    stage.failure = None
    await stage.says("")
    assert stage.taken


def since(stage: Stage) -> Any:
    assert isinstance(stage.vouching.trust, Vouched)
    return stage.vouching.trust.since


def seen(stage: Stage) -> Any:
    assert isinstance(stage.vouching.trust, Vouched)
    return stage.vouching.trust.seen


async def test_it_vouches_since_policy_and_binding_are_there(stage: Stage) -> None:
    made = stage.server.time.now()
    await stage.says("")
    await stage.says("")
    assert since(stage) == made
    stage.failure = Retryable("Timeout", "no answer in time")
    await stage.says("Unreadable", 2 * KEPT)
    stage.failure = None
    await stage.says("")
    assert since(stage) == made, "its generation says that nobody changed it meanwhile"


@pytest.mark.parametrize("reason", [reason for reason in BROKEN if reason not in ("PolicyMissing", "BindingMissing", "Unreadable")])
async def test_after_a_break_it_vouches_since_it_was_seen_well_again(stage: Stage, reason: str) -> None:
    await stage.says("")
    admission = list(stage.server.admission)
    BROKEN[reason](stage)
    await stage.says(reason)
    stage.enforced, stage.server.admission[:] = True, admission
    for obj in shipped():
        ref = next(ref for ref in (POLICY, BINDING) if ref.kind == obj["kind"])
        stage.edit(ref, **obj["spec"])
    await stage.says("")
    assert since(stage) == stage.server.time.now()


async def test_changed_and_changed_back_between_two_looks_is_seen(stage: Stage) -> None:
    await stage.says("")
    stage.edit(POLICY, failurePolicy="Ignore")
    stage.vouching.hear(note())
    stage.edit(POLICY, failurePolicy="Fail")
    await stage.says("")
    assert since(stage) == stage.server.time.now()


async def test_a_new_life_says_when_it_saw_it_first(stage: Stage) -> None:
    made = stage.server.time.now()
    await stage.says("")
    stage.begin()
    await stage.says("")
    assert since(stage) == made and seen(stage) == stage.server.time.now()


async def test_it_looks_at_once_when_somebody_decides(stage: Stage) -> None:
    passed = asyncio.Event()
    stage.vouching.take = lambda decision: passed.set()
    await stage.vouching.begin()
    running = asyncio.ensure_future(stage.vouching.run())
    stage.vouching.hear(note())
    async with asyncio.timeout(10):
        await passed.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert stage.probes == 2

"""Steps that cannot be tried twice (`atMostOnce`), or only under their own name (`namedCreate`), and an operator that dies in them.

The effects are counted where they happen: in the container, behind the Service, among the Jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase, StepState
from stanch.engine.errors import Failure, NotSent, Retryable
from stanch.engine.ports import ExecReply, HttpCall, HttpReply, Object
from tests.unit.memory import Crash, Write
from tests.unit.test_runtime_crash import LEASE, CrashAt, lives
from tests.unit.world import KEY, NAMESPACE, Life, Site, lean
from tests.unit.world_gates import Gate

EXEC = {"exec": {"target": "app", "argv": ["clear", "u1"]}}
HTTP = {"http": {"service": "frontend", "port": 8080, "path": "/limits/u1", "method": "DELETE", "expect": [200]}}
JOB = {"runJob": {"image": "tools:v1", "argv": ["clear", "u1"], "keepFor": "1m", "output": {"fact": "cleared", "type": "Integer"}}}
STEPS = {"exec": EXEC, "http": HTTP, "runJob": JOB}
ONCE = ("exec", "http")


def only(action: Object) -> Callable[[Object], None]:
    """One option of one step, and nothing after it."""

    def edit(playbook: Object) -> None:
        lean(playbook)
        step = {"name": "clear", "expect": "u1 is served", **action}
        verify = [{"name": "rolled-out", "rollout": {"target": "app"}}]
        playbook["spec"]["options"] = [{"name": "only", "steps": [step], "verify": verify, "onFailure": "Stop"}]

    return edit


class Place(Site):
    """Where what a step does is counted, and answered as `says` says: a failure, or None for success."""

    def __init__(self, action: str) -> None:
        super().__init__(only(STEPS[action]))
        self.effects = 0
        self.answers: list[Failure | None] = []
        pods = self.server.select("v1", "Pod", NAMESPACE, "", "")
        for pod in pods:
            self.server.commands[NAMESPACE, pod["metadata"]["name"], "frontend"] = self._command
        self.server.backends[NAMESPACE, "frontend", "8080"] = self._call
        self.server.after_write.append(self._created)

    def _happens(self) -> None:
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, NotSent):
            raise answer
        self.effects += 1
        if answer:
            raise answer

    def _command(self, argv: Sequence[str], _: bytes) -> ExecReply:
        assert list(argv) == ["clear", "u1"]
        try:
            self._happens()
        except NotSent:
            raise
        except Failure as failure:
            return ExecReply(None, b"", b"", broken=failure.message)
        return ExecReply(0, b"done\n", b"")

    def _call(self, call: HttpCall) -> HttpReply:
        if call.method == "DELETE":
            self._happens()
        return HttpReply(200, b"", 0.01)

    def _created(self, write: Write) -> None:
        """The Job's controller, and its one pod, at once."""
        if write.ref.kind != "Job" or write.verb != "create":
            return
        self.effects += 1
        job = self.server.read(write.ref)
        name = job["metadata"]["name"]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job["metadata"]["uid"], "controller": True}
        metadata = {"name": f"{name}-x", "namespace": NAMESPACE, "labels": {"job-name": name}, "ownerReferences": [owner]}
        self.server.add({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "job"}]}})
        self.server.logs[NAMESPACE, f"{name}-x", "job", False] = [b"2026-11-21T10:00:00Z 7\n"]
        self.server.set_status(write.ref, {"conditions": [{"type": "Complete", "status": "True"}]})

    @property
    def step(self) -> Any:
        return self.status.steps[0]


async def points(action: str) -> range:
    """The writes from the step's before-image to two after its effect; what is before and after, `test_runtime_crash` kills at."""
    life = Life(Place(action))
    await life.live()
    writes = [op.what for op in life.passage.log if op.kind == "write"]
    first = next(number for number, what in enumerate(writes, 1) if "stanch-before-" in what)
    effect = next(number for number, what in enumerate(writes, 1) if what.startswith(("exec ", "proxy ", "create job/")))
    return range(first, effect + 3)


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("action", STEPS)
async def test_whenever_the_operator_dies_it_happens_once_or_a_person_is_asked(action: str, late: bool) -> None:
    unknown = 0
    for number in await points(action):
        place = Place(action)
        assert await lives(place, CrashAt("write", number, late))
        assert place.effects <= 1, f"{action} happened {place.effects} times; killed at write {number}"
        if place.step.state is StepState.Indeterminate:
            unknown += 1
            await confirmed(place)
        assert place.status.phase is Phase.Resolved, f"killed at write {number}: {place.status.message}"
        assert place.effects == 1 or action in ONCE
        assert place.verified().ok
    assert bool(unknown) == (action in ONCE)


async def confirmed(place: Place) -> None:
    """A person says that it took effect: nothing is run for that."""
    assert place.status.waits_for == "Confirm or Reject of clear"
    effects, life = place.effects, Life(place, 3)
    place.decide(Verb.Confirm, life, option="only", step="clear")
    await life.live()
    assert place.effects == effects


async def test_a_jobs_value_is_a_fact_and_its_log_is_kept() -> None:
    place = Place("runJob")
    await Life(place).live()
    assert place.status.facts["cleared"] == "7"
    files = [file.path for line in place.lines for file in line.files if file.path.startswith("steps/")]
    assert len(files) == 1 and files[0].startswith("steps/1-only-clear.stanch-clear-") and files[0].endswith(".log")
    assert place.step.state is StepState.Done


async def test_killed_between_a_jobs_log_and_its_result_the_log_is_kept_all_the_same() -> None:
    undisturbed = Life(Place("runJob"))
    await undisturbed.live()
    stored = [op.what for op in undisturbed.passage.log if op.kind == "store"]
    (number,) = [number for number, what in enumerate(stored, 1) if "steps/" in what]
    place = Place("runJob")
    assert await lives(place, CrashAt("store", number, late=True))
    assert place.status.phase is Phase.Resolved and place.status.facts["cleared"] == "7"
    assert place.effects == 1 and place.verified().ok


class LosesTheIncident(Gate):
    """Somebody else writes the Incident while the effect is under way: the status that tells of it meets a 409."""

    def __init__(self, place: Place, patch: Object) -> None:
        self.place, self.patch = place, patch

    async def after(self, op: Any) -> None:
        if op.what.startswith(("exec", "proxy", "create job")) and op.kind == "write":
            self.place.server.patch(self.place.incident_ref, self.patch, "", "", dry_run=False)


@pytest.mark.parametrize("action", STEPS)
async def test_what_came_of_it_is_not_lost_when_somebody_edits_the_incident_meanwhile(action: str) -> None:
    place = Place(action)
    await Life(place, gate=LosesTheIncident(place, {"metadata": {"annotations": {"who": "alice"}}})).live()
    assert place.effects == 1
    assert place.status.phase is Phase.Resolved, place.status.message


@pytest.mark.parametrize("action", ONCE)
async def test_a_lost_answer_is_unknown_and_not_asked_for_again(action: str) -> None:
    place = Place(action)
    place.answers = [Retryable("ConnectionLost", "the connection broke")]
    await Life(place).live()
    assert (place.effects, place.step.state) == (1, StepState.Indeterminate)
    assert "the connection broke" in place.step.message


@pytest.mark.parametrize("action", ONCE)
async def test_what_was_certainly_not_sent_is_prepared_again(action: str) -> None:
    place = Place(action)
    place.answers = [NotSent("Unreachable", "no connection")]
    await Life(place).live()
    assert (place.effects, place.step.state, place.step.attempts) == (1, StepState.Done, 2)


async def test_a_job_that_was_not_created_is_created_by_the_next_life_while_its_name_says_enough() -> None:
    place = await interrupted()
    place.passes(LEASE)
    await Life(place, 2).live()
    assert place.effects == 1 and place.status.phase is Phase.Resolved


async def test_a_job_that_may_have_been_and_gone_is_for_a_person_to_say() -> None:
    """After `keepFor` Kubernetes has deleted what ended: that it is not there says nothing any more."""
    place = await interrupted()
    place.passes(61)
    await Life(place, 2).live()
    assert place.effects == 0 and place.step.state is StepState.Indeterminate
    assert "may be gone again" in place.step.message


async def interrupted() -> Place:
    """The operator ended between intent and create."""
    counted = Place("runJob")
    life = Life(counted)
    await life.live()
    writes = [op.what for op in life.passage.log if op.kind == "write"]
    create = next(number for number, what in enumerate(writes, 1) if what.startswith("create job/"))
    place = Place("runJob")
    first = Life(place, 1, CrashAt("write", create, late=False))
    with pytest.raises((Crash, BaseExceptionGroup)):
        await first.live()
    assert first.passage.dead and place.step.state is StepState.Intended
    return place


async def test_a_name_that_is_taken_is_refused() -> None:
    counted = Place("runJob")
    await Life(counted).live()
    (job,) = counted.server.select("batch/v1", "Job", NAMESPACE, "", "")
    place = Place("runJob")
    place.server.add({**job, "metadata": {"name": job["metadata"]["name"], "namespace": NAMESPACE}})
    assert place.incident["metadata"]["uid"] == counted.incident["metadata"]["uid"], "the same token, so the same name"
    await Life(place).live()
    assert place.effects == 0 and "NameTaken" in place.status.options[0].message


async def test_an_abort_while_a_job_goes_on_leaves_nothing_unsaid() -> None:
    place = await interrupted()
    place.decide(Verb.Abort)
    await Life(place, 2).live()
    assert place.status.phase is Phase.Aborted and place.effects == 0
    assert KEY[1] == place.incident["metadata"]["name"]

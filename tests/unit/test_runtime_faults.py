"""Every write and read of the main job fails once, in every way in which it can: the incident comes to a legitimate end.

`Site` watches meanwhile that no target is written before evidence and intent are stored (invariants 1 and 2) and, whenever
nothing is to be done by itself any more, that a person is named (invariant 5).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from stanch.domain.incident import OptionState, Phase
from stanch.engine.errors import Conflict, Failure, Refused, Retryable
from tests.unit.world import Edit, Life, Site, lean, quick
from tests.unit.world_gates import Gate, Op

# Waiting would be told to the evidence, which waits for real.
AGAIN = Retryable("Timeout", "no answer", after=0.0)
# Of reads that are alike so many are failed: the first ones, and the last.
ALIKE = 3


@dataclass
class FailAt(Gate):
    """Fails one operation; `late`: its effect is there, its answer is lost."""

    kind: str
    number: int
    failure: Failure
    late: bool = False
    failed: str = ""

    async def before(self, op: Op) -> None:
        self._fail(op, late=False)

    async def after(self, op: Op) -> None:
        self._fail(op, late=True)

    def _fail(self, op: Op, late: bool) -> None:
        if (op.kind, op.number, late) == (self.kind, self.number, self.late):
            self.failed = op.what
            raise self.failure


async def operations(kind: str, edit: Edit = quick) -> list[Op]:
    life = Life(Site(edit))
    await life.live()
    return [op for op in life.passage.log if op.kind == kind]


def ended_well(site: Site) -> str:
    """How it ended. Fails where that is no legitimate end."""
    status, done = site.status, site.frontend.mitigations
    assert len(set(done)) == len(done), f"doubled: {done}"
    if status.phase is Phase.Resolved:
        assert site.frontend.environment == {"FRONTEND_VERSION": "v1"}
        assert site.options["undo"] == OptionState.Confirmed
        assert site.locks() == [] and not status.locked and "finalizers" not in site.incident["metadata"]
        assert status.pack.sealed == status.pack.head.seq == len(site.chain) and status.pack.manifest
    else:
        assert status.phase in {Phase.Escalated, Phase.Waiting}, status
        assert status.waits_for and status.reason and status.message
    return str(status.phase)


async def each_fails(
    numbers: list[Op], failure: Failure, late: bool = False, edit: Edit = quick, packs: bool = False
) -> Counter[str]:
    """Each of these operations fails once. How often the incident came to which end. With `packs` they are verified."""
    ends: Counter[str] = Counter()
    for op in numbers:
        site = Site(edit)
        gate = FailAt(op.kind, op.number, failure, late)
        try:
            await Life(site, gate=gate).live()
            assert gate.failed, "it did not fail"
            ends[ended_well(site)] += 1
            assert not packs or site.status.phase is not Phase.Resolved or site.verified().ok
        except AssertionError as error:
            error.add_note(f"{failure} {'after' if late else 'before'} {op}")
            raise
    print(f"{len(numbers)} {numbers[0].kind}s, {type(failure).__name__} {'after' if late else 'before'} its effect: {dict(ends)}")
    return ends


@pytest.mark.requirement("E-04", "E-05")
@pytest.mark.parametrize(("failure", "late"), [
    (Conflict("Conflict", "somebody else wrote first"), False),
    (AGAIN, False),
    (AGAIN, True),
    (Refused("Forbidden", "not permitted"), False),
])  # fmt: skip
@pytest.mark.long
async def test_write_that_fails(failure: Failure, late: bool) -> None:
    ends = await each_fails(await operations("write", lean), failure, late, lean)
    assert ends.total() > 30
    # What may pass by itself costs nobody's help.
    assert set(ends) == {"Resolved"} or not isinstance(failure, Retryable)


@pytest.mark.long
async def test_read_that_fails() -> None:
    ends = await each_fails(some_of(await operations("read"), lambda op: op.what), AGAIN)
    assert ends.total() > 30 and set(ends) == {"Resolved"}


@pytest.mark.long
@pytest.mark.parametrize("late", [False, True])
async def test_file_of_the_pack_that_fails(late: bool) -> None:
    """A store that fails once costs nobody's help: the capture is made again, within its budget (E-04)."""
    files = some_of(await operations("store"), lambda op: op.what.split("/")[0])
    ends = await each_fails(files, AGAIN, late, packs=True)
    assert ends.total() > 25 and set(ends) == {"Resolved"}


def some_of(operations: list[Op], alike: Callable[[Op], str]) -> list[Op]:
    groups: dict[str, list[Op]] = {}
    for op in operations:
        groups.setdefault(alike(op), []).append(op)
    chosen = [op for group in groups.values() for op in (*group[: ALIKE - 1], group[-1])]
    return sorted(dict.fromkeys(chosen), key=lambda op: op.number)

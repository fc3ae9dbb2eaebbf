"""Which workloads incidents changed lately, and whether their pods are as they are to be again.

What a PodDisruptionBudget lets go is what its controller saw last: it does not tell of pods that a rollout is about to take, and
between two of them a rollout has all of its pods. So whoever takes pods of a budget waits for the others that do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from stanch.actions.budgets import labels_of, selects
from stanch.domain.incident import Facts, Mode, RevertState, Status, StepState
from stanch.domain.plan import Pin, Ref
from stanch.engine.availability import ROLLED, Unknown, counted, to_go
from stanch.engine.errors import NotFound, Refused
from stanch.engine.figures import Budget, Rollout
from stanch.engine.ports import Clusters

# What does not end within it, nobody waits for any longer; how many are read at most to find that out.
LATELY = timedelta(hours=1)
MOST = 100


@dataclass(frozen=True)
class Change:
    """Of a workload: by which incident, and as whom. `open`: whether it was written is not known yet."""

    ref: Ref
    by: str
    account: Pin | None
    at: datetime
    open: bool


@dataclass
class LatelyIndex:
    """By UID of the incident: who deletes one, or makes another of its name, does not undo what it did."""

    _changes: dict[str, tuple[Change, ...]] = field(default_factory=dict)
    _begun: dict[str, Change] = field(default_factory=dict)

    def told(self, facts: Facts, status: Status) -> None:
        """How it stands in the cluster. What was begun in vain, with no intent stored for it, is given back by this."""
        self._begun.pop(facts.uid, None)
        self._changes[facts.uid] = () if facts.mode is Mode.DryRun else tuple(changes_of(facts, status))

    def begin(self, facts: Facts, ref: Ref, account: Pin, now: datetime) -> None:
        """It is about to store an intent: known from this moment, so that two do not take what is left at once."""
        self._begun[facts.uid] = Change(ref, f"{facts.namespace}/{facts.name}", account, now, open=True)

    def evict(self, now: datetime) -> None:
        fresh = {uid: tuple(one for one in changes if counts(one, now)) for uid, changes in self._changes.items()}
        self._changes = {uid: changes for uid, changes in fresh.items() if changes}

    def beside(self, target: Ref, now: datetime) -> list[Change]:
        """The latest of each other workload of the namespace; what is not written yet first, then the latest."""
        self.evict(now)
        every = (*self._begun.values(), *(one for changes in self._changes.values() for one in changes))
        others = (one for one in every if one.ref.namespace == target.namespace and one.ref.uid != target.uid)
        latest = {one.ref.uid: one for one in sorted(others, key=lambda one: (one.open, one.at))}
        return sorted(latest.values(), key=lambda one: (one.open, one.at), reverse=True)


def counts(change: Change, now: datetime) -> bool:
    return change.open or change.at > now - LATELY


def changes_of(facts: Facts, status: Status) -> Iterator[Change]:
    by, opened = f"{facts.namespace}/{facts.name}", {*intended(status)}
    for change in status.changes:
        if change.at and change.kind in ROLLED:
            ref = Ref("apps/v1", change.kind, facts.namespace, change.name, change.target)
            yield Change(ref, by, status.service_account, change.at, change.token in opened)


def intended(status: Status) -> Iterator[str]:
    """Tokens of what may be written at any moment."""
    yield from (step.token for step in status.steps if step.state is StepState.Intended)
    yield from (f"{revert.token}/revert" for revert in status.reverts if revert.state is RevertState.Intended)


async def beside(
    clusters: Clusters, index: LatelyIndex, target: Ref, budgets: tuple[Budget, ...], now: datetime
) -> tuple[Budget, ...]:
    """The budgets, and with them the first workload under one that is not rolled out. No more is read than it takes to find it.

    Whoever begins while the others are read is found too: between the last look and the answer nothing is awaited."""
    seen: set[Change] = set()
    while left := [one for one in index.beside(target, now) if one not in seen]:
        if len(seen) >= MOST:
            return all_unknown(budgets, Unknown(f"incidents changed more than {MOST} workloads lately", lifts="time"))
        seen.add(left[0])
        found = await among(clusters, left[0], budgets)
        if found != budgets:
            return found
    return budgets


async def among(clusters: Clusters, change: Change, budgets: tuple[Budget, ...]) -> tuple[Budget, ...]:
    """Read as whom it was changed: who may take pods of one workload need not be let to see the others."""
    what, lifts = f"whether {change.ref}, which incident {change.by} changes, is rolled out", "an hour after that change"
    if change.account is None:
        return all_unknown(budgets, Unknown(f"{what}: as whom it was changed is not known", lifts=lifts))
    try:
        workload = await clusters.acting_as(change.ref.namespace, change.account).get(change.ref)
    except NotFound:
        return budgets
    except Refused as failure:
        return all_unknown(budgets, Unknown(f"{what}: {failure.message}", lifts=f"that it can be read, or {lifts}"))
    wanted, _ = counted(workload)
    rollout = Rollout(str(change.ref), change.by, max(wanted, 1) if change.open else to_go(workload), wanted)
    if not rollout.to_go:
        return budgets
    labels = labels_of(workload)
    return tuple(replace(budget, beside=rollout) if selects(budget.selector, labels) else budget for budget in budgets)


def all_unknown(budgets: tuple[Budget, ...], why: Unknown) -> tuple[Budget, ...]:
    return tuple(replace(budget, allowed=why) for budget in budgets)

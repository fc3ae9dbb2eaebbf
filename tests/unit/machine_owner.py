"""The state machine where somebody keeps a target as Git says: suspended before it is changed, given back after all else.

The flags belong to a Kustomization. People resume it whenever they like.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hypothesis.stateful import rule

from stanch.actions.reconcilers import KUSTOMIZATION
from stanch.domain.decision import Verb
from stanch.domain.incident import OPEN_REVERTS, Status
from stanch.domain.plan import Ref
from stanch.engine.ports import Object
from tests.unit.machine import Incidents
from tests.unit.machine_rules import SELDOM
from tests.unit.machine_site import Ground
from tests.unit.machine_witness import Change, Witness
from tests.unit.memory import custom
from tests.unit.world import NAMESPACE

OWNER = KUSTOMIZATION.ref(NAMESPACE, "shop")
STEP = "limit-owner"
SUSPENDS = f"patch {OWNER.kind.lower()}/{OWNER.name}"
# Openings of their own.
SUSPENDED, RESUMED = "it dies with the owner suspended", "the owner is resumed at once"


class OwnerWitness(Witness):
    """Knows who owns the flags, and since when somebody has resumed them, where no tick was under way."""

    def __init__(self, site: Ground) -> None:
        super().__init__(site)
        self.resumed_at: datetime | None = None

    def resumed(self, at: datetime | None) -> None:
        self.resumed_at = at
        self.meddle(OWNER, "suspend")

    def of_owner(self) -> list[Change]:
        return [change for change in self.changes if change.ref.kind == OWNER.kind]

    def _unchanging(self, token: str, ref: Ref) -> None:
        """It was suspended already, or resumed by somebody: no more than marks are written."""
        assert ref.kind == OWNER.kind, f"{token} was written and changes nothing"
        self._given_back(token)

    def _stepped(self, token: str, ref: Ref, fields: dict[str, tuple[Any, Any]]) -> None:
        super()._stepped(token, ref, fields)
        if ref.kind == OWNER.kind:
            self.resumed_at = None
        if ref == self.site.flags:
            since = self._intents[token][1]
            assert self.resumed_at is None or since <= self.resumed_at, f"7: {token} is written, and its owner is active"

    def _taken_back(self, token: str, fields: dict[str, tuple[Any, Any]]) -> None:
        super()._taken_back(token, fields)
        self._given_back(token)

    def _given_back(self, token: str) -> None:
        """One debt gives back what several steps have suspended."""
        if not any(change.token == token for change in self.of_owner()):
            return
        left = [change.token for change in self.changes if change not in self.of_owner() and self.open(change)]
        assert not left, f"7: the owner is given back, and {left} is still to be taken back"
        for change in self.of_owner():
            change.back = True

    def promised(self, change: Change) -> bool:
        return change in self.of_owner() or super().promised(change)

    def latest(self, change: Change) -> datetime | None:
        """It waits for all else."""
        return None if change in self.of_owner() else super().latest(change)

    def _owed(self, change: Change, status: Status) -> datetime | None:
        if change.ref.kind != OWNER.kind:
            return super()._owed(change, status)
        debts = [debt for debt in status.reverts if debt.last and debt.ref == change.ref and debt.state in OPEN_REVERTS]
        assert debts, f"7: nothing gives back what {change.token} suspends"
        return None


class OwnedGround(Ground):
    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.server.register(custom(OWNER.kind, KUSTOMIZATION.plural, OWNER.api_version))
        metadata = {"name": OWNER.name, "namespace": NAMESPACE}
        self.owner = self.server.add({"apiVersion": OWNER.api_version, "kind": OWNER.kind, "metadata": metadata, "spec": {}})
        marks = {f"{KUSTOMIZATION.group}/name": OWNER.name, f"{KUSTOMIZATION.group}/namespace": NAMESPACE}
        self.edit(self.flags, {"metadata": {"labels": marks}})

    def _witness(self) -> Witness:
        return OwnerWitness(self)

    def _spec(self, kept: bool) -> Object:
        spec = super()._spec(kept)
        target = next(target for target in spec["targets"] if target["name"] == "flags")
        target["owner"] = {"kind": OWNER.kind, "namespace": NAMESPACE, "name": OWNER.name}
        spec["options"][0]["steps"][0]["onOwnerConflict"] = "SuspendOwner"
        return spec


class Owned(Incidents):
    ground = OwnedGround

    def opens(self, opening: str) -> None:
        if self.focus == SUSPENDED:
            self.comes_to(SUSPENDS, "it dies after")
        elif self.focus == RESUMED:
            self.comes_to(SUSPENDS, "nothing")
            self.comes_to("create captures/", "it dies before")
            self.somebody_resumes_the_owner(True)
        else:
            super().opens(opening)

    @rule(really=SELDOM)
    def somebody_resumes_the_owner(self, really: bool) -> None:
        """Between two ticks it is seen by the next one; within one it may come too late for that."""
        if really:
            idle = all(leader is None or leader.ticking is None for leader in (self.old, self.new))
            self.site.edit(OWNER, {"spec": {"suspend": None}})
            self.site.witness.resumed(self.now if idle else None)
            self.site.passes(1)

    @rule(really=SELDOM)
    def somebody_wants_the_owner_back(self, really: bool) -> None:
        if really:
            self.say(Verb.Revert, option="shed", step=STEP)

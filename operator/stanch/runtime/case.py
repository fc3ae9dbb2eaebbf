"""One incident while it is being worked on: its object as last read or written, and what it was decided on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stanch.api import codec
from stanch.api.base import API_VERSION
from stanch.domain.incident import Facts, Status
from stanch.domain.plan import Plan, Ref
from stanch.engine.mergepatch import difference
from stanch.engine.moves import Marks
from stanch.engine.parts import Before, Change
from stanch.engine.ports import Cluster, Object, Pack

INCIDENT_LABEL = "stanch.dev/incident-uid"


def plan_name(incident_uid: str, digest: str) -> str:
    """Name of the ConfigMap that holds a plan: from its content, so that a plan made anew never meets an old one."""
    return f"stanch-plan-{incident_uid}-{digest.removeprefix('sha256:')[:12]}"


@dataclass
class Prepared:
    """A step's write as it was prepared in this life of the operator."""

    token: str
    resource_version: str
    before: Before
    change: Change


@dataclass
class Case:
    raw: Object
    pack: Pack
    # By digest: which of them counts says the status.
    plans: dict[str, Plan] = field(default_factory=dict)
    prepared: Prepared | None = None
    flushed: int = 0
    marks: Marks = field(default_factory=Marks)
    # What was decided since the status was last stored; None: nothing.
    held: Status | None = None
    # Why the pack could not be written; empty: it could.
    problem: str = ""
    # Changes of phase that people were not told of yet: the status before and after each.
    news: list[tuple[Status, Status]] = field(default_factory=list)
    # Versions of the Incident that this operator wrote, and of which the watch has not told yet.
    written: set[str] = field(default_factory=set)
    _facts: tuple[Object, Facts] | None = None
    _stored: tuple[Object, Status] | None = None

    @property
    def facts(self) -> Facts:
        if self._facts is None or self._facts[0] is not self.raw:
            self._facts = self.raw, codec.facts_of(self.raw)
        said = self.held.classified if self.held else None
        return replace(self._facts[1], severity=said.severity) if said else self._facts[1]

    @property
    def status(self) -> Status:
        """As it was decided last, stored or not."""
        return self.held or self.stored

    @property
    def stored(self) -> Status:
        if self._stored is None or self._stored[0] is not self.raw:
            self._stored = self.raw, codec.status_of(self.raw)
        return self._stored[1]

    @property
    def spec(self) -> dict[str, Any]:
        return self.raw["spec"]

    @property
    def plan(self) -> Plan | None:
        """The plan that the status names, when it was read or made in this tick."""
        return self.plans.get(self.status.plan_digest)

    @property
    def ref(self) -> Ref:
        metadata = self.raw["metadata"]
        return Ref(API_VERSION, "Incident", metadata["namespace"], metadata["name"], metadata["uid"])

    @property
    def resource_version(self) -> str:
        return self.raw["metadata"]["resourceVersion"]

    def decided(self, status: Status) -> Status:
        """That status with all entries that its chain adds to the stored one."""
        if self.held is None:
            return status
        new = {entry.seq: entry for entry in (*self.held.pack.pending, *status.pack.pending)}
        return replace(status, pack=replace(status.pack, pending=tuple(new.values())))

    def hold(self, status: Status) -> None:
        """Decided, and not stored yet."""
        if status != self.status:
            self.held = self.decided(status)

    async def write_status(self, own: Cluster, status: Status) -> None:
        """Compare-and-swap of the whole status. Raises `Conflict` when somebody else wrote the Incident."""
        patch = difference(self.raw.get("status") or {}, codec.status_to_json(status))
        if patch:
            await self.patch(own, {"status": patch}, "status")
        self.held = None

    async def patch(self, own: Cluster, patch: Mapping[str, Any], subresource: str = "") -> None:
        """Compare-and-swap. Raises `Conflict`."""
        self.raw = await own.patch(self.ref, patch, resource_version=self.resource_version, subresource=subresource)
        self.written.add(self.resource_version)

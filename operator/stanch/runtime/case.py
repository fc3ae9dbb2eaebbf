"""One incident while it is being worked on: its object as last read or written, and what it was decided on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from stanch.api import codec
from stanch.api.base import API_VERSION
from stanch.domain.incident import Facts, Status
from stanch.domain.plan import Plan, Ref
from stanch.engine.mergepatch import difference
from stanch.engine.parts import Before, Change
from stanch.engine.ports import Cluster, Object, Pack


def plan_name(incident_uid: str, digest: str) -> str:
    """Name of the Secret that holds a plan: from its content, so that a plan made anew never meets an old one."""
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
    unmarkable: set[str] = field(default_factory=set)

    @property
    def facts(self) -> Facts:
        return codec.facts_of(self.raw)

    @property
    def status(self) -> Status:
        return codec.status_of(self.raw)

    @property
    def spec(self) -> dict[str, Any]:
        return self.raw["spec"]

    @property
    def plan(self) -> Plan | None:
        """The plan that the status names, when it was read or made in this tick."""
        return self.plans.get((self.raw.get("status") or {}).get("planDigest", ""))

    @property
    def ref(self) -> Ref:
        metadata = self.raw["metadata"]
        return Ref(API_VERSION, "Incident", metadata["namespace"], metadata["name"], metadata["uid"])

    @property
    def resource_version(self) -> str:
        return self.raw["metadata"]["resourceVersion"]

    async def write_status(self, own: Cluster, status: Status) -> None:
        """Compare-and-swap of the whole status. Raises `Conflict` when somebody else wrote the Incident."""
        patch = difference(self.raw.get("status") or {}, codec.status_to_json(status))
        if patch:
            self.raw = await own.patch(self.ref, {"status": patch}, resource_version=self.resource_version, subresource="status")

"""Which incident may change which target: Leases (coordination.k8s.io/v1) in the operator's namespace."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from stanch.domain.plan import Ref
from stanch.engine.errors import Conflict, NotFound, Refused
from stanch.engine.ports import Clock, Cluster, Object
from stanch.kube.lease import lease_object, micro_time

_API = "coordination.k8s.io/v1"
_INCIDENT = "stanch.dev/incident"


@dataclass(frozen=True)
class Holder:
    """The incident that holds a target. Namespace and name are what its Lease says, for people."""

    uid: str
    namespace: str
    name: str


class TargetLocks:
    """One incident changes a target at a time (design, invariant 6). A lock does not expire: its incident frees it."""

    def __init__(self, own: Cluster, namespace: str, clock: Clock) -> None:
        self._own = own
        self._namespace = namespace
        self._clock = clock

    async def lock(self, lease_name: str, incident: Holder) -> Holder | None:
        """None once `incident` holds it (also when it did already), else who does. `Conflict`: freed this moment."""
        try:
            await self._own.create(self._lease(lease_name, incident))
        except Conflict:
            holder = await self.holder(lease_name)
            if holder is None:
                raise
            return None if holder.uid == incident.uid else holder
        return None

    async def holder(self, lease_name: str) -> Holder | None:
        """Who holds it; None when it is free."""
        try:
            return _holder(await self._own.get(self._ref(lease_name)))
        except NotFound:
            return None

    async def unlock(self, lease_name: str, incident_uid: str) -> bool:
        """Whether it was held by that incident, and now is free. Another's lock is left alone."""
        with suppress(NotFound):
            lease = await self._own.get(self._ref(lease_name))
            if _holder(lease).uid == incident_uid:
                await self._own.delete(self._ref(lease_name), resource_version=lease["metadata"]["resourceVersion"])
                return True
        return False

    async def takeover(self, lease_name: str, held_by: str, incident: Holder) -> None:
        """From the incident with UID `held_by`, which the caller knows to be over. `Conflict`: another holds it now, or nobody:
        whose incident is over frees it this moment."""
        wanted = self._lease(lease_name, incident)
        patch = {"metadata": {"annotations": wanted["metadata"]["annotations"]}, "spec": wanted["spec"]}
        try:
            lease = await self._own.get(self._ref(lease_name))
            if _holder(lease).uid != held_by:
                raise Conflict("HolderChanged", f"lease/{lease_name} is held by {_holder(lease)}, expected {held_by}")
            await self._own.patch(self._ref(lease_name), patch, resource_version=lease["metadata"]["resourceVersion"])
        except NotFound as error:
            raise Conflict("HolderChanged", f"lease/{lease_name} is free by now, expected {held_by} to hold it") from error

    def _ref(self, lease_name: str) -> Ref:
        return Ref(_API, "Lease", self._namespace, lease_name)

    def _lease(self, lease_name: str, incident: Holder) -> Object:
        spec = {"holderIdentity": incident.uid, "acquireTime": micro_time(self._clock.now())}
        return lease_object(self._ref(lease_name), spec, {_INCIDENT: f"{incident.namespace}/{incident.name}"})


def target_lease(uid: str) -> str:
    """Name of the Lease that locks the object with this UID."""
    if not uid:
        raise Refused("Invalid", "a target without a UID cannot be locked: resolve it first")
    return f"stanch-target-{uid}"


def _holder(lease: Object) -> Holder:
    namespace, _, name = lease["metadata"].get("annotations", {}).get(_INCIDENT, "").partition("/")
    return Holder(lease.get("spec", {}).get("holderIdentity", ""), namespace, name)

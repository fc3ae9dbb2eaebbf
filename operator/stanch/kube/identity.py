"""Where identities come from: implements `engine.ports.Clusters` by impersonation."""

from __future__ import annotations

from stanch.domain.plan import Pin, Ref
from stanch.engine.errors import NotFound, Refused
from stanch.kube.client import ApiServer
from stanch.kube.cluster import ApiCluster
from stanch.kube.discovery import Discovery


class ApiClusters:
    """One API server, seen by the operator itself and by the ServiceAccounts that playbooks name."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api
        self._discovery = Discovery(api)
        self._own = ApiCluster(api, self._discovery)

    @property
    def own(self) -> ApiCluster:
        return self._own

    def acting_as(self, namespace: str, service_account: Pin) -> ApiCluster:
        """Needs `impersonate` on that ServiceAccount, and `get` on it for the check before each write."""

        async def vouch() -> None:
            await _vouch(self._own, namespace, service_account)

        user = f"system:serviceaccount:{namespace}:{service_account.name}"
        return ApiCluster(self._api, self._discovery, user=user, vouch=vouch)


async def _vouch(own: ApiCluster, namespace: str, pin: Pin) -> None:
    """Refuses a write as a ServiceAccount that is not the pinned one any more (design, invariant 8).

    A user name outlives its ServiceAccount: RBAC grants rights to the name, so that somebody who may create
    ServiceAccounts could revive a deleted one.
    """
    who = f"ServiceAccount {namespace}/{pin.name}"
    if not pin.uid:
        raise Refused("ServiceAccountNotPinned", f"{who}: writing as it needs its UID from when the incident was planned")
    try:
        found = await own.get(Ref("v1", "ServiceAccount", namespace, pin.name))
    except NotFound as failure:
        raise Refused("ServiceAccountGone", f"{who} was deleted since the incident was planned") from failure
    if found["metadata"]["uid"] != pin.uid:
        message = f"{who} was re-created since the incident was planned: UID {found['metadata']['uid']}, expected {pin.uid}"
        raise Refused("ServiceAccountReplaced", message)

"""One command's look at a cluster: the connection, and what every command asks of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from stanch.cli.ending import told
from stanch.cli.kubeconfig import Where
from stanch.domain.plan import Pin, Ref
from stanch.engine.ports import Clock, Cluster, Object

API_VERSION = "stanch.dev/v1alpha1"


@dataclass(frozen=True)
class Session:
    """The cluster as the person who types sees it. `acting_as` a ServiceAccount of a namespace: where the person may that."""

    cluster: Cluster
    clock: Clock
    where: Where
    acting_as: Callable[[str, Pin], Cluster]

    async def incident(self, name: str, uid: str = "") -> Object:
        """The Incident, raw. Raises `engine.errors`; `NotFound` also when it is another one than `uid`."""
        return await self.cluster.get(Ref(API_VERSION, "Incident", self.where.namespace, name, uid))

    async def user(self) -> str:
        """Who the API server says this is: the name that a Decision must bear."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}}
        found = await self.cluster.create(body)
        return str(found["status"]["userInfo"]["username"])


@asynccontextmanager
async def connected(where: Where) -> AsyncIterator[Session]:
    """Raises `Ending` for every failure of the cluster inside the block, naming the context that was used."""
    from stanch.kube.client import connect
    from stanch.kube.cluster import ApiCluster
    from stanch.kube.discovery import Discovery
    from stanch.kube.identity import ApiClusters

    with told(str(where)):
        async with connect(where.kubeconfig, where.context) as api:
            cluster = ApiCluster(api, Discovery(api), user=where.user)
            yield Session(cluster, api.clock, where, ApiClusters(api).acting_as)

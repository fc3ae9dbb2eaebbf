"""Every replica must have the packs of the others: who leads next writes on where the last one stopped.

What a leader writes to says its Lease, by the store's id (`packs.identity`), not by its path, which a volume of each pod's own
has too. Beside a leader with another store nobody waits. After one, somebody may begin with another store while no open Incident
has its evidence in the old one. A store that does not answer when a process starts is asked again: from then on it counts as well,
and before that nothing is written to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from stanch.api.base import API_VERSION
from stanch.domain.incident import TERMINAL
from stanch.engine.errors import Refused, Retryable
from stanch.engine.ports import Cluster, Object
from stanch.packs.identity import store_id
from stanch.packs.objects import Store
from stanch.runtime.sweeper import key_of, wants_tick

log = structlog.get_logger()

ANNOTATION = "stanch.dev/packs"
# Of the incidents, in what a person is told.
NAMED = 3
# Seconds until a store that did not answer at the start is asked for its id again.
ASKED_AGAIN = 5.0


@dataclass
class OneStore:
    """`Terms` of the election. `url` and `store` are this process's own; `store` empty: it could not be asked for its id yet, which
    keeps nobody from leading, for what is owed is taken back without a pack, too."""

    own: Cluster
    namespaces: tuple[str, ...]
    url: str
    store: str
    _said: str = field(default="", init=False)

    @property
    def annotations(self) -> Mapping[str, str]:
        return {ANNOTATION: self.store} if self.store else {}

    async def admits(self, lease: Object, *, held: bool) -> None:
        metadata = lease["metadata"]
        self._said = other = (metadata.get("annotations") or {}).get(ANNOTATION, "")
        if not (self.store and other) or other == self.store:
            return
        if held:
            raise Refused("PacksNotShared", self._beside(lease["spec"].get("holderIdentity", "")))
        if left := [key async for key in self._left()]:
            raise Refused("PacksElsewhere", self._after(left, f"lease -n {metadata['namespace']} {metadata['name']}"))
        # As it says from the write on with which this process takes it.
        self._said = self.store

    async def ask(self, store: Store) -> None:
        """For its id; where it does not answer none is known. Raises `Refused` for what no other try mends."""
        try:
            self.store = await store_id(store)
        except Retryable as failure:
            log.warning("packs.unknown", reason=failure.reason, message=failure.message)

    async def learn(self, store: Store, pause: float = ASKED_AGAIN) -> None:
        """Asks until its id is known, which is then held against the Lease."""
        while not self.store:
            await asyncio.sleep(pause)
            # Why it is refused is said at the next start.
            with suppress(Refused):
                await self.ask(store)

    def fits(self) -> None:
        """Raises `Retryable` for who leads and does not know that it has the store of those before: the pack that it goes on with
        would miss an entry."""
        if not self.store:
            raise Retryable("PacksUnknown", f"{self.url} has not said yet which store it is: nothing is written there before")
        if self._said not in ("", self.store):
            raise Retryable("PacksElsewhere", f"{self.url} is not the store that the Lease names: nothing is written there")

    def _beside(self, leader: str) -> str:
        return (
            f"{self.url} is another evidence store than the one that {leader}, which leads, writes to: several replicas need one"
            " store for all, an object store (--packs s3://bucket/prefix) or a volume that is ReadWriteMany; one replica alone may"
            " have a volume of its own. To change the store, scale to 0 replicas first"
        )

    def _after(self, left: list[str], lease: str) -> str:
        named = ", ".join(left[:NAMED]) + (f" and {len(left) - NAMED} more" if len(left) > NAMED else "")
        return (
            f"{self.url} is not the evidence store that stanch had before, and there lies what {named} began: give it that store"
            f" back. If it is lost, go on without it: kubectl annotate {lease} {ANNOTATION}-"
        )

    async def _left(self) -> AsyncIterator[str]:
        """Incidents that are not over, or not sealed, and have a pack."""
        for namespace in self.namespaces or ("",):
            async for obj in self.own.list(API_VERSION, "Incident", namespace):
                status = obj.get("status") or {}
                if (status.get("pack") or {}).get("uri") and (wants_tick(obj) or status.get("phase") not in TERMINAL):
                    yield "/".join(key_of(obj))

"""A store of which a seal reads no object twice: it goes over the chain to check it, to tell it, and to vouch for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from stanch.packs.objects import Store

# Kept in memory at most; a chain that is longer is read again where it goes beyond.
KEPT = 4 * 1024 * 1024


class Once:
    """`Store`; what was read as a whole is given again. That is right for what is create-only: entries, claims, manifests."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[str, bytes] = {}
        self._room = KEPT
        self.create, self.upload, self.list, self.uri = store.create, store.upload, store.list, store.uri

    async def read(self, key: str, limit: int) -> bytes:
        if (kept := self._kept.get(key)) is not None:
            return kept
        data = await self._store.read(key, limit)
        if len(data) <= self._room:
            self._kept[key] = data
            self._room -= len(data)
        return data

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        if (kept := self._kept.get(key)) is not None:
            yield kept
            return
        async for chunk in self._store.stream(key):
            yield chunk

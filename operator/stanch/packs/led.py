"""A store that takes writes only from who leads: asked right before each one, not when the work began.

It keeps a leader that was held up (SIGSTOP, a long pause of the machine) from going on with what it was at. What it cannot
keep back is the one write, or the few of a capture's sources in parallel, that passed the question and were held up after it;
an object store may take a request up for as long as it is under way. What then becomes of those files says `strays`.
"""

from __future__ import annotations

from collections.abc import Callable

from stanch.packs.objects import Store, Upload

# Raises `Retryable` when this process does not lead.
Leads = Callable[[], object]


class Led:
    """`Store`; its writes raise what `leads` raises."""

    def __init__(self, store: Store, leads: Leads) -> None:
        self._store = store
        self._leads = leads
        self.read, self.stream, self.list, self.uri = store.read, store.stream, store.list, store.uri

    async def create(self, key: str, data: bytes) -> bool:
        self._leads()
        return await self._store.create(key, data)

    def upload(self, key: str, *, replace: bool = False) -> Upload:
        return _LedUpload(self._store.upload(key, replace=replace), self._leads)


class _LedUpload:
    """Nothing is seen of an upload before its end: only that is asked for."""

    def __init__(self, upload: Upload, leads: Leads) -> None:
        self._upload = upload
        self._leads = leads
        self.write, self.discard = upload.write, upload.discard

    async def publish(self) -> str:
        self._leads()
        return await self._upload.publish()

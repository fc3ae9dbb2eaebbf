"""What tells one store from another: an object of its own, made by the first who asks and never again.

Two folders of one path on two nodes have different ones; one folder that two pods share has one, and a bucket too.
"""

from __future__ import annotations

import uuid

from stanch.packs.objects import Store
from stanch.packs.settled import settled

# No namespace of Kubernetes has an underscore.
KEY = "_store/id"
MAX_ID = 64
# Who starts waits for it.
SECONDS = 15.0


async def store_id(store: Store) -> str:
    """`Retryable` as the store does: then nothing is known of it."""
    return await settled(_made_or_read(store), KEY, SECONDS)


async def _made_or_read(store: Store) -> str:
    mine = uuid.uuid4().hex
    if await store.create(KEY, mine.encode()):
        return mine
    return (await store.read(KEY, MAX_ID)).decode("ascii", "replace")

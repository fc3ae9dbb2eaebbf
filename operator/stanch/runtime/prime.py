"""Before the first tick every Incident is looked at once: guards judge by what all of them do, and did."""

from __future__ import annotations

import structlog

from stanch.api import codec
from stanch.api.base import API_VERSION
from stanch.engine.errors import Refused
from stanch.runtime.sweeper import key_of
from stanch.runtime.world import World

log = structlog.get_logger()


async def prime(world: World, namespaces: tuple[str, ...]) -> None:
    world.sight.illegible.clear()
    for namespace in namespaces or ("",):
        async for obj in world.clusters.own.list(API_VERSION, "Incident", namespace):
            try:
                world.told(codec.facts_of(obj), codec.status_of(obj))
            except Refused as failure:
                world.illegible(key_of(obj), failure)
                log.error("incident.illegible", incident=key_of(obj), reason=failure.reason, message=failure.message)
    world.sight.complete = True

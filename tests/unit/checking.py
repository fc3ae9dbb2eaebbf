"""A check, read as an identity that may do what the check declares, and no more."""

from __future__ import annotations

from typing import Any

from stanch.domain.incident import Verdict
from stanch.domain.plan import Pin, Ref
from stanch.engine.parts import CheckKind, CheckScope, Reading
from stanch.engine.ports import Object
from tests.unit.memory import MemoryCluster, MemoryServer, MemoryWeb
from tests.unit.rollouts import minute, pod

CONFIRMED, DENIED, INCONCLUSIVE = Verdict.Confirmed, Verdict.Denied, Verdict.Inconclusive
NAMESPACE = "shop"


def acting(check: CheckKind, params: Any, server: MemoryServer, target: Ref | None = None, **more: Any) -> CheckScope:
    account = server.add({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "fixer", "namespace": NAMESPACE}})
    server.grant(NAMESPACE, "fixer", *check.rules(params, NAMESPACE, target))
    cluster = MemoryCluster(server, NAMESPACE, Pin(account.name, account.uid))
    return CheckScope(cluster, MemoryWeb(), NAMESPACE, target, **more)


async def read(check: CheckKind, server: MemoryServer, said: dict, target: Ref | None = None, **more: Any) -> Reading:
    params = check.params.model_validate(said)
    return await check.read(acting(check, params, server, target, **more), params)


def running(owner: Object, name: str, at: int = 0, **status: Any) -> Object:
    """A ready pod of `owner` with one container, created `at` minutes after midnight."""
    found = pod(owner, name, "h", ready=True, creationTimestamp=minute(at))
    one = {"name": "app", "restartCount": 0, "state": {"running": {"startedAt": minute(at)}}, **status}
    found["status"] |= {"phase": "Running", "containerStatuses": [one]}
    return found

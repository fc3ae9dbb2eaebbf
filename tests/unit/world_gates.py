"""What a life of the operator reaches its world through: the ports over the twin and a store in memory, each call past a gate.

A gate can fail a call, end the life in it, or hold it. It is asked before a call, and again when the call has taken effect
and its answer is still under way.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from stanch.domain.access import Rights
from stanch.domain.plan import Pin, Ref
from stanch.engine.errors import NotFound, Refused
from stanch.engine.paths import alternatives
from stanch.engine.ports import ExecReply, HttpCall, HttpReply, Object
from stanch.packs.objects import Store, Upload
from tests.unit.memory import Crash, MemoryCluster, MemoryClusters, MemoryServer

T = TypeVar("T")


@dataclass(frozen=True)
class Op:
    """One thing that a life does outside of itself. `kind`: `read`, `write` (the cluster) or `store` (the packs); `number`:
    its place among its kind in this life, from 1."""

    kind: str
    what: str
    number: int = 0


class Gate:
    """Lets everything pass. `after` comes when the operation has taken effect and its answer is still under way."""

    async def before(self, op: Op) -> None: ...

    async def after(self, op: Op) -> None: ...


class Held(Gate):
    """Holds each operation before it takes effect, until it is let go; once `free`, none."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Op, asyncio.Future[None]]] = deque()
        self.free = False

    async def before(self, op: Op) -> None:
        if not self.free:
            future = asyncio.get_running_loop().create_future()
            self.waiting.append((op, future))
            await future

    def let_one(self) -> None:
        _, future = self.waiting.popleft()
        future.set_result(None)

    def let_all(self) -> None:
        self.free = True
        while self.waiting:
            self.let_one()


@dataclass
class Passage:
    """Through which everything of one life goes. Nothing leaves a life that is `dead`, whatever is still under way in it."""

    gate: Gate
    log: list[Op] = field(default_factory=list)
    begun: Counter[str] = field(default_factory=Counter)
    dead: bool = False

    async def do(self, op: Op, effect: Callable[[], Awaitable[T]]) -> T:
        self.begun[op.kind] += 1
        op = replace(op, number=self.begun[op.kind])
        try:
            await self.gate.before(op)
            if self.dead:
                raise Crash
            result = await effect()
            self.log.append(op)
            await self.gate.after(op)
        except Crash:
            self.dead = True
            raise
        return result


class GatedClusters:
    def __init__(self, server: MemoryServer, passage: Passage) -> None:
        self._passage = passage
        self._clusters = MemoryClusters(server)
        self.own = GatedCluster(self._clusters.own, passage)

    def acting_as(self, namespace: str, service_account: Pin) -> GatedCluster:
        return GatedCluster(self._clusters.acting_as(namespace, service_account), self._passage)


class GatedCluster:
    def __init__(self, cluster: MemoryCluster, passage: Passage) -> None:
        self._cluster, self._passage = cluster, passage

    async def get(self, ref: Ref) -> Object:
        return await self._passage.do(Op("read", f"get {ref}"), lambda: self._cluster.get(ref))

    async def list(self, api_version: str, kind: str, namespace: str, **how: str) -> AsyncIterator[Object]:
        await self._passage.do(Op("read", f"list {kind}"), _nothing)
        async for item in self._cluster.list(api_version, kind, namespace, **how):
            yield item

    async def patch(self, ref: Ref, patch: Mapping[str, Any], *, dry_run: bool = False, **how: str) -> Object:
        what = f"patch {ref} {' '.join(sorted(patch))}"
        op = Op("read", f"dry-run {what}") if dry_run else Op("write", what)
        return await self._passage.do(op, lambda: self._cluster.patch(ref, patch, dry_run=dry_run, **how))

    async def create(self, body: Object, *, dry_run: bool = False) -> Object:
        op = Op("read", f"dry-run create {named(body)}") if dry_run else Op("write", f"create {named(body)}")
        return await self._passage.do(op, lambda: self._cluster.create(body, dry_run=dry_run))

    async def delete(self, ref: Ref, *, dry_run: bool = False, **how: str) -> None:
        op = Op("read", f"dry-run delete {ref}") if dry_run else Op("write", f"delete {ref}")
        await self._passage.do(op, lambda: self._cluster.delete(ref, dry_run=dry_run, **how))

    async def log(self, pod: Ref, container: str, **how: Any) -> AsyncIterator[bytes]:
        await self._passage.do(Op("read", f"log {pod}"), _nothing)
        async for piece in self._cluster.log(pod, container, **how):
            yield piece

    async def proxy(self, service: Ref, port: str, call: HttpCall, **how: Any) -> HttpReply:
        op = Op("read" if call.method == "GET" else "write", f"proxy {service}")
        return await self._passage.do(op, lambda: self._cluster.proxy(service, port, call, **how))

    async def exec(self, pod: Ref, container: str, argv: Sequence[str], **how: Any) -> ExecReply:
        return await self._passage.do(Op("write", f"exec {pod}"), lambda: self._cluster.exec(pod, container, argv, **how))

    async def allowed(self, *question: str, user: str = "") -> bool:
        return await self._cluster.allowed(*question, user=user)

    async def rights(self, namespace: str) -> Rights:
        return await self._cluster.rights(namespace)


class GatedStore:
    def __init__(self, store: Store, passage: Passage) -> None:
        self._store, self._passage = store, passage
        self.read, self.stream, self.list, self.uri = store.read, store.stream, store.list, store.uri

    async def create(self, key: str, data: bytes) -> bool:
        return await self._passage.do(Op("store", f"create {short(key)}"), lambda: self._store.create(key, data))

    def upload(self, key: str, *, replace: bool = False) -> Upload:
        return GatedUpload(self._store.upload(key, replace=replace), key, self._passage)


class GatedUpload:
    """Only its end is seen by anybody."""

    def __init__(self, upload: Upload, key: str, passage: Passage) -> None:
        self._upload, self._key, self._passage = upload, key, passage
        self.write, self.discard = upload.write, upload.discard

    async def publish(self) -> str:
        return await self._passage.do(Op("store", f"publish {short(self._key)}"), self._upload.publish)


def named(body: Object) -> str:
    return f"{body['kind'].lower()}/{body['metadata'].get('name') or body['metadata']['generateName']}"


def short(key: str) -> str:
    """Without the folder of the incident."""
    return key.split("/", 2)[2]


async def _nothing() -> None:
    await asyncio.sleep(0)


class MemoryPacks:
    """`packs.objects.Store` without disk and threads, so that every run takes the same steps."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    async def create(self, key: str, data: bytes) -> bool:
        await asyncio.sleep(0)
        if key in self.objects:
            return False
        self.objects[key] = data
        return True

    async def read(self, key: str, limit: int) -> bytes:
        await asyncio.sleep(0)
        if key not in self.objects:
            raise NotFound("NotFound", f"{key}: is not in the store")
        if len(self.objects[key]) > limit:
            raise Refused("TooLarge", f"{key}: more than {limit} bytes")
        return self.objects[key]

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        yield await self.read(key, 2**30)

    async def list(self, prefix: str) -> AsyncIterator[tuple[str, int]]:
        for key in [key for key in self.objects if key.startswith(f"{prefix}/")]:
            yield key, len(self.objects[key])

    def upload(self, key: str, *, replace: bool = False) -> Upload:
        return MemoryUpload(self, key, replace)

    def uri(self, prefix: str) -> str:
        return f"memory://{prefix}"


@dataclass
class MemoryUpload:
    packs: MemoryPacks
    key: str
    replace: bool
    data: bytearray = field(default_factory=bytearray)

    async def write(self, chunk: bytes) -> None:
        self.data += chunk

    async def publish(self) -> str:
        await asyncio.sleep(0)
        keys = [self.key] if self.replace else [key for key in alternatives(self.key) if key not in self.packs.objects]
        self.packs.objects[keys[0]] = bytes(self.data)
        return keys[0]

    async def discard(self) -> None:
        self.data.clear()

"""The API server as the harness speaks to it: objects created as fast as it takes them, Incidents followed by a watch."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

Document = dict[str, Any]
CONFIG_MAPS = "/api/v1/namespaces/{}/configmaps"
INCIDENTS = "/apis/stanch.dev/v1alpha1/namespaces/{}/incidents"
CHUNK = 64 * 1024
# Requests of the harness that are under way at the same time.
AT_ONCE = 16


class ApiError(Exception):
    """The API server did not do what was asked."""


@dataclass(frozen=True)
class Api:
    session: aiohttp.ClientSession

    async def create(self, path: str, document: Document) -> Document:
        return await self._ask("POST", path, document, "application/json")

    async def patch(self, path: str, change: Document) -> Document:
        return await self._ask("PATCH", path, change, "application/merge-patch+json")

    async def get(self, path: str) -> Document:
        return await self._ask("GET", path, None, "application/json")

    async def _ask(self, method: str, path: str, body: Document | None, kind: str) -> Document:
        data = json.dumps(body) if body is not None else None
        async with self.session.request(method, path, data=data, headers={"Content-Type": kind}) as answer:
            said = await answer.json()
        if answer.status >= 300:
            raise ApiError(f"{method} {path}: {answer.status} {said.get('message')}")
        return said

    async def read(self, path: str) -> int:
        """Streams an answer, and returns how many bytes it had."""
        async with self.session.get(path) as answer:
            answer.raise_for_status()
            return sum([len(chunk) async for chunk in answer.content.iter_chunked(CHUNK)])

    async def watch(self, path: str) -> AsyncIterator[tuple[str, Document]]:
        """What is there, then each change. Ends where the API server ends it."""
        async with self.session.get(path, params={"watch": "true", "timeoutSeconds": "3600"}) as answer:
            async for line in answer.content:
                event = json.loads(line)
                yield event["type"], event["object"]

    async def create_all(self, path: str, documents: Iterable[Document]) -> None:
        """All of them, several at the same time."""
        waiting = iter(documents)

        async def work() -> None:
            for document in waiting:
                await self.create(path, document)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())


@asynccontextmanager
async def connected(kubeconfig: Document) -> AsyncIterator[Api]:
    """By a kubeconfig as `kubeconfig_of` gives it."""
    cluster, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=authority), limit=0)
    headers = {"Authorization": f"Bearer {user['token']}"}
    # A line of a watch is a whole object.
    options: dict[str, Any] = {"read_bufsize": 2**20, "timeout": aiohttp.ClientTimeout(total=None, sock_connect=10)}
    async with aiohttp.ClientSession(cluster["server"], connector=connector, headers=headers, **options) as session:
        yield Api(session)


@dataclass
class Followed:
    """The Incidents of one namespace as a watch tells them."""

    status: dict[str, Document] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, true: Callable[[dict[str, Document]], bool], seconds: float) -> bool:
        """Whether it became true of the statuses by name within that time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: true(self.status))
                return True
        return False

    async def told(self, incident: Document) -> None:
        async with self._changed:
            self.status[incident["metadata"]["name"]] = incident.get("status", {})
            self._changed.notify_all()


@asynccontextmanager
async def following(api: Api, namespace: str) -> AsyncIterator[Followed]:
    followed = Followed()

    async def follow() -> None:
        async for _, incident in api.watch(INCIDENTS.format(namespace)):
            await followed.told(incident)

    watching = asyncio.create_task(follow())
    try:
        yield followed
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

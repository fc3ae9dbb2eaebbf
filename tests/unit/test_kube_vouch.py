"""What is written as a ServiceAccount is vouched for first; where that cannot be done, nothing was sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from stanch.domain.plan import Ref
from stanch.engine.errors import NotSent, Refused, Retryable
from stanch.engine.ports import HttpCall
from stanch.kube.client import Request
from stanch.kube.cluster import ApiCluster

SERVICE = Ref("v1", "Service", "shop", "limits")
WRITES = ("POST", "PUT", "PATCH", "DELETE")


class Content:
    """An empty body."""

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        yield b""

    async def read(self, _: int = -1) -> bytes:
        return b""


class Answered:
    status = 200
    content = Content()

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}


class Server:
    """Answers 200, and knows what was sent to it."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[Answered]:
        self.sent.append(request.method)
        yield Answered()


def acting(server: Server, vouch: Callable[[], Awaitable[None]]) -> ApiCluster:
    api: Any = server
    nothing: Any = None
    return ApiCluster(api, nothing, user="system:serviceaccount:shop:runner", vouch=vouch)


def failing(failure: Exception) -> Callable[[], Awaitable[None]]:
    async def vouch() -> None:
        raise failure

    return vouch


async def nobody_else() -> None:
    """It is still the one."""


@pytest.mark.parametrize("method", WRITES)
async def test_a_call_as_another_account_is_not_sent(method: str) -> None:
    server = Server()
    gone = failing(Refused("ServiceAccountReplaced", "another one by now"))
    with pytest.raises(Refused, match="ServiceAccountReplaced"):
        await acting(server, gone).proxy(SERVICE, "80", HttpCall("/reset", method))
    assert server.sent == []


@pytest.mark.parametrize("method", WRITES)
async def test_a_call_that_could_not_be_vouched_for_is_certainly_not_sent(method: str) -> None:
    """So that it is tried again, and no person is asked whether it arrived."""
    server = Server()
    with pytest.raises(NotSent, match="no answer") as caught:
        await acting(server, failing(Retryable("Timeout", "no answer", after=7))).proxy(SERVICE, "80", HttpCall("/reset", method))
    assert server.sent == [] and (caught.value.reason, caught.value.after) == ("Timeout", 7)


@pytest.mark.parametrize("method", WRITES)
async def test_a_call_that_is_vouched_for_is_sent_once(method: str) -> None:
    server = Server()
    assert (await acting(server, nobody_else).proxy(SERVICE, "80", HttpCall("/reset", method))).status == 200
    assert server.sent == [method]


async def test_a_read_needs_nobody_to_vouch() -> None:
    """Checks and evidence read often, and change nothing."""
    server = Server()
    gone = failing(Refused("ServiceAccountReplaced", "another one by now"))
    assert (await acting(server, gone).proxy(SERVICE, "80", HttpCall("/health"))).status == 200

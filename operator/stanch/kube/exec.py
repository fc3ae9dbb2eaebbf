"""A command in a container over WebSocket: what is sent, what comes back, and what is known when it breaks.

Each message begins with a byte that names its channel. Standard output and error stay apart; the error channel brings one
Status at the end, with the exit code. https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import aiohttp

from stanch.engine.errors import Failure, NotSent, Refused, Retryable
from stanch.engine.ports import ExecReply
from stanch.kube.client import ApiServer, Request
from stanch.kube.errors import of_way

# v5 can say that standard input has ended; before it (Kubernetes 1.29 and older) a command that reads to the end never ends.
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
STDIN, STDOUT, STDERR, ERROR, CLOSE = 0, 1, 2, 3, 255
CHUNK = 32768
# The container runtime's words for a command that it could not start (runc; containerd for a container that does not run).
_NOT_STARTED = re.compile(r"OCI runtime exec failed|failed to create exec|no running task found|container is in CONTAINER_")


def exec_query(container: str, argv: Sequence[str], stdin: bytes) -> dict[str, Any]:
    """https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#get-connect-get-requests-to-exec-of-pod"""
    streams = {"stdin": str(bool(stdin)).lower(), "stdout": "true", "stderr": "true", "tty": "false"}
    return {"container": container, "command": tuple(argv), **streams}


async def run_exec(api: ApiServer, request: Request, stdin: bytes, timeout: float, limit: int) -> ExecReply:  # noqa: ASYNC109
    """As `engine.ports.Cluster.exec`. An end of the connection does not end the command: Kubernetes lets it go on."""
    heard = Heard(request.doing, limit)
    try:
        async with asyncio.timeout(timeout):
            ws = await api.websocket(request, (V5,) if stdin else (V5, V4))
            try:
                return await talk(ws, stdin, heard)
            finally:
                await ws.close()
    except TimeoutError:
        return heard.broken(f"it was not over within {timeout:g} s and may go on")
    except NotSent:
        raise
    except Retryable as failure:
        return heard.broken(failure.message)


async def talk(ws: aiohttp.ClientWebSocketResponse[bool], stdin: bytes, heard: Heard) -> ExecReply:
    """Speaks and listens at once: a command may answer before it has read everything."""
    if ws.protocol is None:
        return heard.broken("the server speaks none of the protocols that it was offered")
    speaking = asyncio.create_task(speak(ws, stdin))
    try:
        return await listen(ws, heard)
    finally:
        speaking.cancel()
        with suppress(asyncio.CancelledError):
            await speaking


async def speak(ws: aiohttp.ClientWebSocketResponse[bool], stdin: bytes) -> None:
    """What becomes of it is told by the answer: a command need not read its input."""
    with suppress(ConnectionError):
        for start in range(0, len(stdin), CHUNK):
            await ws.send_bytes(bytes([STDIN]) + stdin[start : start + CHUNK])
        if stdin:
            await ws.send_bytes(bytes([CLOSE, STDIN]))


async def listen(ws: aiohttp.ClientWebSocketResponse[bool], heard: Heard) -> ExecReply:
    async for message in ws:
        if message.type is not aiohttp.WSMsgType.BINARY:
            break
        channel, data = message.data[:1], message.data[1:]
        if channel == bytes([ERROR]) and data:
            return heard.ended(data)
        heard.take(channel, data)
    return heard.broken("the connection ended before the command's exit code came")


class Heard:
    """What came so far, each stream cut at `limit` bytes."""

    def __init__(self, doing: str, limit: int) -> None:
        self._doing = doing
        self._limit = limit
        self._streams = {bytes([STDOUT]): bytearray(), bytes([STDERR]): bytearray()}
        self._cut = False

    def take(self, channel: bytes, data: bytes) -> None:
        """Other channels are v5's own business."""
        if (stream := self._streams.get(channel)) is not None:
            room = self._limit - len(stream)
            stream += data[:room]
            self._cut = self._cut or len(data) > room

    def ended(self, data: bytes) -> ExecReply:
        """By the Status that ends every command. Raises `Refused` or `NotSent` where it says that the command did not begin."""
        status = _object(data)
        message = f"{self._doing}: {status.get('message') or 'the command failed'}"
        if status.get("status") == "Success":
            return self._reply(0)
        if (code := _exit_code(status)) is not None:
            return self._reply(code)
        if isinstance(failure := _not_begun(message), Failure):
            raise failure
        return self.broken(status.get("message") or f"its end could not be read: {data[:200]!r}")

    def broken(self, why: str) -> ExecReply:
        return self._reply(None, why.removeprefix(f"{self._doing}: "))

    def _reply(self, exit_code: int | None, broken: str = "") -> ExecReply:
        stdout, stderr = map(bytes, self._streams.values())
        return ExecReply(exit_code, stdout, stderr, self._cut, broken)


def _object(data: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        found = json.loads(data)
        if isinstance(found, dict):
            return found
    return {}


def _exit_code(status: dict[str, Any]) -> int | None:
    if status.get("reason") != "NonZeroExitCode":
        return None
    causes = (status.get("details") or {}).get("causes") or ()
    code = next((cause.get("message", "") for cause in causes if cause.get("reason") == "ExitCode"), "")
    return int(code) if code.isdecimal() else None


def _not_begun(message: str) -> Failure | None:
    """The API server's way to the kubelet ended, or the runtime could not start the command; else it may have begun."""
    if _NOT_STARTED.search(message):
        return Refused("NotStarted", message)
    failure = of_way(Retryable("InternalError", message))
    return failure if isinstance(failure, NotSent) else None

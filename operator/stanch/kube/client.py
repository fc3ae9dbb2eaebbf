"""One connection to one API server: address, TLS, credentials, and the pool that all identities share.

`kubernetes.aio` reads the configuration and builds the aiohttp session; requests and answers go through it raw. Two kinds are
sent twice by themselves: a GET whose kept-alive connection turns out to be dead (aiohttp), and what a busy API server did not
take (`_busy`).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config
from yarl import URL

from stanch.engine.errors import NotSent, Refused, Retryable
from stanch.engine.ports import Object
from stanch.kube.clock import ServerClock
from stanch.kube.errors import Answer, of_answer, translated

CREDENTIALS_PERIOD = 60.0
_ERROR_BODY = 65536
# Of a request that the API server is too busy for: how often it is sent, and the seconds between that are waited for here;
# whoever is to wait longer says so to the caller, who may have something else to do.
_SENT_AT_MOST = 4
_BUSY_AT_MOST = 2
MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True)
class Timeouts:
    """Seconds. `total` is for a whole request; a stream has no total, but may be silent for at most `idle`.

    `own` is for the operator's own requests: no webhook stands in their way, and reverts are late by what they wait for.
    """

    connect: float = 5.0
    total: float = 30.0
    own: float = 10.0
    idle: float = 30.0

    def of(self, request: Request) -> aiohttp.ClientTimeout:
        if request.streamed:
            return aiohttp.ClientTimeout(total=None, sock_connect=self.connect, sock_read=self.idle)
        total = self.total if request.user or request.foreign else min(self.own, self.total)
        return aiohttp.ClientTimeout(total=total, sock_connect=self.connect)


@dataclass(frozen=True)
class Request:
    """One request. `path` is percent-encoded already; `doing` is for messages; `user` is impersonated unless empty.

    `foreign` says that somebody behind the API server answers: its Date header is not the API server's.
    """

    method: str
    path: str
    doing: str
    query: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    body: Object | None = None
    raw: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content_type: str = "application/json"
    user: str = ""
    streamed: bool = False
    foreign: bool = False

    @property
    def target(self) -> str:
        return f"{self.path}?{urlencode(self.query, doseq=True)}" if self.query else self.path


class ApiServer:
    """Sends requests to one API server. Errors: `engine.errors` only."""

    def __init__(self, configuration: Configuration, timeouts: Timeouts | None = None) -> None:
        # trust_env would look for proxies and netrc in threads, on every request; kubeconfig's proxy-url is honoured.
        configuration.client_session_kwargs = {
            "trust_env": False,
            "cookie_jar": aiohttp.DummyCookieJar(),
            "middlewares": (_sent_once, _told_why),
        }
        configuration.retries = None
        self._configuration = configuration
        self._pool = _Pool(configuration)
        self._timeouts = timeouts or Timeouts()
        self.clock = ServerClock()

    async def close(self) -> None:
        await self._pool.close()

    async def login(self) -> Mapping[str, Any]:
        """The same address and credentials, as the fields of kopf's ConnectionInfo; `token` is as fresh as ours."""
        known = self._configuration
        token = await self._token("log in")
        return {
            "server": known.host,
            "ca_path": known.ssl_ca_cert,
            "certificate_path": known.cert_file,
            "private_key_path": known.key_file,
            "token": token.partition(" ")[2] if token else None,  # in a cluster kubernetes.aio spells it "bearer"
            "insecure": not known.verify_ssl,
        }

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer of any status, its body unread. Whatever breaks inside the block is translated too."""
        with translated(request.doing):
            headers = await self._headers(request)
            for left in reversed(range(_SENT_AT_MOST)):
                async with self._sent(request, headers) as response:
                    wait = _busy(request, response)
                    if wait is None or not left:
                        yield response
                        return
                await asyncio.sleep(wait)

    @asynccontextmanager
    async def _sent(self, request: Request, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        sent = time.monotonic()
        async with self._pool.session().request(
            request.method,
            URL(self._configuration.host + request.target, encoded=True),
            headers=headers,
            data=(request.raw or None) if request.body is None else json.dumps(request.body).encode(),
            timeout=self._timeouts.of(request),
            allow_redirects=False,
            **self._pool.route,
        ) as response:
            if not request.foreign:
                self.clock.observe(response.headers.get("Date", ""), sent, time.monotonic())
            yield response

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[aiohttp.StreamReader]:
        """The body of a 2xx answer, unread."""
        async with self.open(request) as response:
            if not 200 <= response.status < 300:
                body = await read_at_most(response.content, _ERROR_BODY)
                raise of_answer(request.doing, Answer(response.status, response.headers, body))
            yield response.content

    async def websocket(self, request: Request, protocols: Sequence[str]) -> aiohttp.ClientWebSocketResponse[bool]:
        """Open, to be closed by the caller. Any answer but an upgrade is a refusal or `NotSent`: nothing was begun."""
        with translated(request.doing):
            headers = await self._headers(request)
            url = URL(self._configuration.host + request.target, encoded=True)
            closing = aiohttp.ClientWSTimeout(ws_close=self._timeouts.connect)
            try:
                return await self._pool.session().ws_connect(
                    url, protocols=protocols, headers=headers, timeout=closing, max_msg_size=0, **self._pool.route
                )
            except _NotUpgraded as refusal:
                failure = of_answer(request.doing, refusal.answer)
                if isinstance(failure, Retryable):
                    raise NotSent(failure.reason, failure.message, failure.after) from refusal
                raise failure from refusal

    async def json(self, request: Request, parsed: Callable[[bytes], Any] = json.loads) -> Object:
        """The JSON object of a 2xx answer. `parsed` raises `ValueError` for what is not one."""
        async with self.stream(request) as content:
            found = parsed(await content.read())
            if not isinstance(found, dict):
                raise ValueError(f"got {type(found).__name__}")
            return found

    async def _headers(self, request: Request) -> dict[str, str]:
        headers = {
            "Accept": "*/*" if request.foreign or request.streamed else "application/json",
            "User-Agent": "stanch",
            **request.headers,
        }
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        if request.user:
            headers["Impersonate-User"] = request.user
        if token := await self._token(request.doing):
            headers["Authorization"] = token
        return headers

    async def _token(self, doing: str) -> str | None:
        try:
            return await self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        except ConfigException as error:
            raise Retryable("Unauthorized", f"{doing}: the credentials could not be read again ({error})") from error


def _busy(request: Request, response: aiohttp.ClientResponse) -> int | None:
    """Seconds after which an answer asks to be asked again; None: it is an answer. 429 says that nothing was done, so this is
    safe for writes too; one request in ten refused would otherwise let no incident through, whose steps are dozens of them.

    Source: Kubernetes, "API Priority and Fairness"; client-go waits the same way.
    """
    after = response.headers.get("Retry-After", "")
    if response.status != 429 or request.foreign or not after.isdecimal() or int(after) > _BUSY_AT_MOST:
        return None
    return int(after)


class _Pool(RESTClientObject):
    """kubernetes.aio's session (TLS, client certificate, proxy), whose own `request` would follow redirects."""

    def session(self) -> aiohttp.ClientSession:
        if self.pool_manager is None:
            self.pool_manager = self._create_pool_manager()
        return self.pool_manager

    @property
    def route(self) -> dict[str, Any]:
        """What the kubeconfig says about the way to the server, as aiohttp's `request` takes it."""
        found = {
            "proxy": self.proxy,
            "proxy_headers": self.proxy_headers,
            "server_hostname": self.configuration.tls_server_name,
        }
        return {name: value for name, value in found.items() if value}


async def _sent_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keeps aiohttp from sending DELETE again after a lost connection: a delete that worked would read as NotFound. A GET that
    asks for an upgrade runs a command."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if request.method == "GET" and not _upgrades(request):
            raise
        raise aiohttp.ClientConnectionError(str(error)) from error


class _NotUpgraded(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


async def _told_why(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keeps what the API server says when it refuses a WebSocket: aiohttp would drop the body of that answer."""
    response = await handler(request)
    if not _upgrades(request) or response.status == 101:
        return response
    async with response:
        raise _NotUpgraded(Answer(response.status, response.headers, await read_at_most(response.content, _ERROR_BODY)))


def _upgrades(request: aiohttp.ClientRequest) -> bool:
    return "Upgrade" in request.headers


async def read_at_most(content: aiohttp.StreamReader, limit: int) -> bytes:
    """The first `limit` bytes of a body."""
    parts, left = [], limit
    while left > 0 and (part := await content.read(min(left, 65536))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


@asynccontextmanager
async def connect(kubeconfig: str = "", context: str = "", *, timeouts: Timeouts | None = None) -> AsyncIterator[ApiServer]:
    """The API server that `kubeconfig` names (at `context`, else at that file's own current context).

    Without a file: the cluster that this process runs in. The ambient kubeconfig ($KUBECONFIG, ~/.kube/config) is never
    looked at: a name has to be given. Asks for the server's version first, so that the clock is known on entry.
    Raises `Refused` when the configuration cannot be used, `Retryable` when the server does not answer.
    """
    configuration = Configuration()
    try:
        await _load(configuration, kubeconfig, context)
    except (ConfigException, OSError) as error:
        where = f"kubeconfig {kubeconfig!r}, context {context!r}" if kubeconfig else "in-cluster configuration"
        raise Refused("BadConfiguration", f"{where}: {error}") from error
    api = ApiServer(configuration, timeouts)
    try:
        await api.json(Request("GET", "/version", f"reach the API server at {configuration.host}"))
        yield api
    finally:
        await api.close()


async def _load(configuration: Configuration, kubeconfig: str, context: str) -> None:
    if not kubeconfig:
        load_incluster_config(configuration)
        return
    _must_be_file(kubeconfig)
    loader = await load_kube_config(kubeconfig, context or None, configuration, persist_config=False)
    configuration.refresh_api_key_hook = _refresher(loader.load_and_set)


def _must_be_file(path: str) -> None:
    """kubernetes.aio would go on without it and fail on something else."""
    if not Path(path).is_file():
        raise ConfigException("there is no such file")


def _refresher(load: Callable[[Configuration], Awaitable[None]]) -> Callable[[Configuration], Awaitable[None]]:
    """Reads token file or credential plugin again once a minute. The client certificate is read at the start only."""
    read_at = time.monotonic()

    async def refresh(configuration: Configuration) -> None:
        nonlocal read_at
        if time.monotonic() - read_at >= CREDENTIALS_PERIOD:
            read_at = time.monotonic()
            await load(configuration)

    return refresh

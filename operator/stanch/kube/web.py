"""HTTP to places outside the API server, only to those on a list: implements `engine.ports.Web`."""

from __future__ import annotations

import fnmatch
import re
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from stanch.engine.errors import Refused
from stanch.engine.ports import HttpCall, HttpReply
from stanch.kube.client import read_at_most
from stanch.kube.errors import translated

Network = IPv4Network | IPv6Network

# What libraries read as an IPv4 address, each in its own way: 127.1, 0, 0x7f.1, 2130706433.
# https://url.spec.whatwg.org/#ends-in-a-number-checker
_NUMBER = re.compile(r"(^|\.)([0-9]+|0x[0-9a-f]*)\.?$", re.ASCII | re.IGNORECASE)

# Where clouds keep credentials (link-local; Alibaba's, Azure's, AWS's and Google's that are not), and this pod itself. No allowed
# *name* may lead there; an address that the list itself spells out is meant.
DENIED: tuple[Network, ...] = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "::/128",
        "::1/128",
        "fe80::/10",
        "fd00:ec2::/32",
        "fd20:ce::/32",
    )
)

# IPv6 networks in which an address stands for an IPv4 one, by how many bits follow that: a gateway on the way takes it out.
# https://www.rfc-editor.org/rfc/rfc6052#section-2 (NAT64), rfc3056 (6to4), rfc4291#section-2.5.5 (compatible, mapped)
CLOTHES: tuple[tuple[IPv6Network, int], ...] = tuple(
    (IPv6Network(network), bits)
    for network, bits in (("64:ff9b::/96", 0), ("64:ff9b:1::/48", 0), ("2002::/16", 80), ("::/96", 0), ("::ffff:0:0/96", 0))
)


@dataclass(frozen=True)
class Origin:
    """One allowed place. `host` may be a glob (`*.example.org`, whose `*` also spans dots); `port` is exact."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Origin:
        """From `scheme://host[:port]`. `Refused` for anything more or else."""
        with suppress(ValueError):
            url = URL(text)
            bare = url.path in {"", "/"} and not (url.raw_query_string or url.raw_fragment or url.user)
            if url.scheme in {"http", "https"} and url.raw_host and url.port and bare:
                if problem := _problem(url.raw_host):
                    raise Refused("BadConfiguration", f"{text!r}: {problem}")
                return cls(url.scheme, url.raw_host, url.port)
        raise Refused("BadConfiguration", f"{text!r} is no origin: expected http(s)://host or http(s)://host:port")

    def covers(self, url: URL) -> bool:
        same = (url.scheme, url.port) == (self.scheme, self.port)
        return same and fnmatch.fnmatchcase(url.raw_host or "", self.host)


class AllowedWeb:
    """Calls to the allowed origins. An address is judged after it was resolved, and that very address is connected to."""

    def __init__(self, origins: Iterable[str], denied: Sequence[Network] = DENIED) -> None:
        self._origins = tuple(Origin.parse(text) for text in origins)
        self._denied = tuple(denied)

    async def send(self, origin: str, call: HttpCall, *, timeout: float, limit_bytes: int = 65536) -> HttpReply:  # noqa: ASYNC109
        place = self._judged(origin + call.path).update_query(call.query)
        doing = f"{call.method} {place.with_query(None)}"
        limits = aiohttp.ClientTimeout(total=timeout)
        connector = aiohttp.TCPConnector(resolver=_Resolver(self._denied), use_dns_cache=False, force_close=True)
        said = {"headers": {"User-Agent": "stanch", **call.headers}, "data": call.body or None}
        started = time.monotonic()
        with translated(doing):
            # A session for each request: checks are rare, and nothing is remembered between two places.
            async with (
                aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=limits) as session,
                session.request(call.method, place, allow_redirects=False, **said) as response,
            ):
                body = await read_at_most(response.content, limit_bytes)
                return HttpReply(response.status, body, time.monotonic() - started)

    def _judged(self, text: str) -> URL:
        try:
            url = URL(text)
            host = url.raw_host or ""
        except ValueError as error:
            raise Refused("Invalid", f"{text!r} is no URL: {error}") from error
        if url.user or url.password:
            raise Refused("Invalid", f"a URL for {host} carries credentials, which would end up in logs and evidence")
        if problem := _problem(host):
            raise Refused("Invalid", problem)
        covering = [origin.host for origin in self._origins if origin.covers(url)]
        if not covering:
            raise Refused("NotAllowed", f"{url.scheme}://{host}:{url.port} is not among the places that the operator may ask")
        if host not in covering:
            _judge(host, host, self._denied)  # aiohttp resolves no literal address, so it is judged here
        return url.with_fragment(None)


class _Resolver(AbstractResolver):
    """The system's resolver without the denied addresses: what comes out is what aiohttp connects to."""

    def __init__(self, denied: Sequence[Network]) -> None:
        self._inner = aiohttp.ThreadedResolver()
        self._denied = denied

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        for result in found:
            _judge(host, result["host"], self._denied)
        return found

    async def close(self) -> None:
        await self._inner.close()


def _problem(host: str) -> str:
    """With a number that is no address as everybody writes it; empty: it is one, a name, or an IPv6 address."""
    if ":" in host or not _NUMBER.search(host):
        return ""
    with suppress(ValueError):
        IPv4Address(host)
        return ""
    return f"{host!r} is a number and no canonical address: expected a name, or four decimal parts as in 192.0.2.1"


def _judge(host: str, address: str, denied: Sequence[Network]) -> None:
    """Refuses a denied address, also one in IPv6 clothes (::ffff:169.254.169.254). A name passes."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return
    if any(each in network for each in (found, *_inside(found)) for network in denied):
        raise Refused("NotAllowed", f"{host} leads to {found}, which is denied (own host, link-local or cloud metadata)")


def _inside(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address]:
    for network, bits in CLOTHES:
        if address in network:
            yield IPv4Address(int(address) >> bits & 0xFFFFFFFF)

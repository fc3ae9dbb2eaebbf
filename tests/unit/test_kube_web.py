"""HTTP goes to allow-listed places only, however the address is dressed up."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from ipaddress import ip_network

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from stanch.engine.errors import Refused, Retryable
from stanch.engine.ports import HttpCall
from stanch.kube.web import AllowedWeb, Origin


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/redirect":
            raise web.HTTPFound("/elsewhere")
        return web.Response(status=418, text=request.path_qs * 10)

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def test_an_allowed_place_answers(port: int) -> None:
    reply = await AllowedWeb([f"http://127.0.0.1:{port}"]).send(
        f"http://127.0.0.1:{port}", HttpCall("/a", query={"b": "c"}), timeout=5, limit_bytes=8
    )
    assert (reply.status, reply.body) == (418, b"/a?b=c/a")


async def test_a_redirect_is_an_answer(port: int) -> None:
    reply = await AllowedWeb([f"http://127.0.0.1:{port}"]).send(f"http://127.0.0.1:{port}", HttpCall("/redirect"), timeout=5)
    assert reply.status == 302


LISTED = "is not among the places that the operator may ask"
SECRET = "carries credentials, which would end up in logs and evidence"
NO_URL = "is no URL"
REASONS = {LISTED: "NotAllowed", SECRET: "Invalid", NO_URL: "Invalid"}


async def refused(allowed: str, url: str, says: str, path: str = "/") -> None:
    """For this reason, and before anything is sent or looked up."""
    with pytest.raises(Refused) as caught:
        await AllowedWeb([allowed]).send(url, HttpCall(path), timeout=5)
    assert says in caught.value.message and caught.value.reason == REASONS[says]
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://localhost:{port}/", LISTED),
        ("https://127.0.0.1:{port}/", LISTED),
        ("http://127.0.0.1/", LISTED),
        ("http://127.0.0.1:{port}@evil.example/", SECRET),
        ("http://user:secret@127.0.0.1:{port}/", SECRET),
        ("file:///etc/passwd", LISTED),
        ("127.0.0.1:{port}", LISTED),
        ("http://[::1", NO_URL),
    ],
)
async def test_anything_else_is_refused(port: int, url: str, says: str) -> None:
    await refused(f"http://127.0.0.1:{port}", url.format(port=port), says)


async def test_a_name_that_leads_to_a_denied_address_is_refused(port: int) -> None:
    """`localhost` stands for a name whose owner points it at the operator's own host, before or after it was allowed."""
    with pytest.raises(Refused, match=r"127\.0\.0\.1|::1"):
        await AllowedWeb([f"http://localhost:{port}"]).send(f"http://localhost:{port}", HttpCall("/"), timeout=5)
    with pytest.raises(Refused, match=r"127\.0\.0\.1|::1"):
        await AllowedWeb([f"http://local*:{port}"]).send(f"http://localhost:{port}", HttpCall("/"), timeout=5)


OWN_HOST = ["127.0.0.1", "[::1]", "0.0.0.0", "[::]", "127.1", "127.0.0.1.", "0177.0.0.1", "0", "0x7f000001", "2130706433"]  # noqa: S104 (nobody binds to it)
# Link-local, however it is written; the fifth and sixth in digits of other alphabets, which IDNA makes ordinary ones.
METADATA = [
    "169.254.169.254", "2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "\u2460\u2465\u2468.254.169.254",
    "\uff11\uff16\uff19\u3002254\u3002169\u3002254", "[fe80::1]", "[fe80::1%25eth0]",
]  # fmt: skip
CLOTHED = [
    "[::ffff:169.254.169.254]", "[0:0:0:0:0:ffff:a9fe:a9fe]", "[::169.254.169.254]", "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]",
]  # fmt: skip
CLOUDS = ["100.100.100.200", "168.63.129.16", "[fd00:ec2::254]", "[fd00:ec2::23]", "[fd20:ce::254]", "[::ffff:168.63.129.16]"]


@pytest.mark.parametrize("address", [*OWN_HOST, *METADATA, *CLOTHED, *CLOUDS])
async def test_a_glob_allows_no_denied_address(address: str) -> None:
    with pytest.raises(Refused, match=r"is denied|is a number and no canonical address"):
        await AllowedWeb(["http://*"]).send(f"http://{address}", HttpCall("/latest/meta-data"), timeout=5)


@pytest.mark.parametrize("address", ["203.0.113.7", "[2001:db8::7]", "[64:ff9b::203.0.113.7]"])
async def test_a_glob_allows_other_addresses(address: str) -> None:
    """Nothing is sent: there is no time to."""
    with pytest.raises(Retryable):
        await AllowedWeb(["http://*"]).send(f"http://{address}", HttpCall("/"), timeout=1e-9)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::23", "127.0.0.1"]
)
async def test_a_name_may_lead_anywhere_but_there(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner points it there: whoever answers for DNS says so, after the name was allowed, and in between two requests."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    told = [(family, socket.SOCK_STREAM, 6, "", (address, 80, 0, 0) if ":" in address else (address, 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: told)
    with pytest.raises(Refused, match="denied"):
        await AllowedWeb(["http://status.example.org"]).send("http://status.example.org", HttpCall("/"), timeout=5)


@pytest.mark.parametrize(
    ("says", "url"),
    [
        (LISTED, "http://allowed.example."),
        (LISTED, "http://allowed.example.evil.test"),
        (LISTED, "http://allowed.example:81"),
        (SECRET, "http://allowed.example@evil.test"),
        (LISTED, "http://evil.test#allowed.example"),
        (LISTED, "http://evil.test?allowed.example"),
        (LISTED, "http://evil.test/allowed.example"),
        (NO_URL, "http://evil.test\\@allowed.example"),
        (LISTED, "http://allowed.example%00.evil.test"),
        (NO_URL, "http://allowed.example\r\nHost: evil"),
        (LISTED, "http://\u0430llowed.example"),
        (LISTED, "http://allowed\u2024example.evil"),
        (LISTED, "//allowed.example"),
        (LISTED, "gopher://allowed.example"),
    ],
)
async def test_what_only_looks_like_the_allowed_place_is_refused(says: str, url: str) -> None:
    await refused("http://allowed.example", url, says)


@pytest.mark.parametrize(
    ("says", "path"), [(SECRET, "@evil.test/"), (LISTED, ".evil.test/"), (LISTED, ":81/"), (NO_URL, "\\@evil.test/")]
)
async def test_no_path_becomes_a_place(says: str, path: str) -> None:
    await refused("http://allowed.example", "http://allowed.example", says, path)


NUMBERS = [
    "127.1", "0", "2130706433", "0x7f.1", "0x7f000001", "0X7F.0.0.1", "0177.0.0.1", "127.0.0.1.", "1.2.3.4.5", "300.1.1.1",
    "example.0x", "10.0.0.010", "\uff10",
]  # fmt: skip


@pytest.mark.parametrize("host", NUMBERS)
async def test_a_number_that_each_reads_as_they_like_is_refused(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By us, before anybody else has read it: also where a glob covers it, and where the list itself has it."""
    monkeypatch.setattr(aiohttp, "ClientSession", None)
    with pytest.raises(Refused, match=r"Invalid.*is a number and no canonical address"):
        await AllowedWeb(["http://*"]).send(f"http://{host}", HttpCall("/"), timeout=5)
    with pytest.raises(Refused, match=r"BadConfiguration.*is a number and no canonical address"):
        Origin.parse(f"http://{host}")


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "1.example.org", "0x7f.example.org", "7e.org", "[2001:db8::7]", "[::ffff:192.0.2.1]"]
)
def test_what_is_a_name_or_an_address_is_none(host: str) -> None:
    assert Origin.parse(f"http://{host}").port == 80


async def test_who_may_deny_less(port: int) -> None:
    allowed = AllowedWeb([f"http://localhost:{port}"], denied=(ip_network("169.254.0.0/16"),))
    assert (await allowed.send(f"http://localhost:{port}", HttpCall("/"), timeout=5)).status == 418


async def test_no_answer_is_retryable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(Retryable, match="Timeout"):
            await AllowedWeb([f"http://127.0.0.1:{port}"]).send(f"http://127.0.0.1:{port}", HttpCall("/"), timeout=0.2)
    with pytest.raises(Retryable, match="Unreachable"):
        await AllowedWeb([f"http://127.0.0.1:{port}"]).send(f"http://127.0.0.1:{port}", HttpCall("/"), timeout=5)


@pytest.mark.parametrize("text", ["example.org", "ftp://example.org", "http://example.org/path", "http://u@example.org", ""])
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="BadConfiguration"):
        Origin.parse(text)


def test_a_glob_covers_hosts_and_nothing_else() -> None:
    origin = Origin.parse("https://*.example.org")
    assert origin.covers(URL("https://a.b.example.org/x"))
    assert not origin.covers(URL("https://example.org/"))
    assert not origin.covers(URL("https://a.example.org:8443/"))
    assert not origin.covers(URL("https://a.example.org.evil.test/"))
    assert not origin.covers(URL("http://a.example.org/"))

"""HTTP goes to allow-listed places only, however the address is dressed up."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from ipaddress import ip_network

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


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:{port}/",
        "https://127.0.0.1:{port}/",
        "http://127.0.0.1/",
        "http://127.0.0.1:{port}@evil.example/",
        "http://user:secret@127.0.0.1:{port}/",
        "file:///etc/passwd",
        "127.0.0.1:{port}",
        "http://[::1",
    ],
)
async def test_anything_else_is_refused(port: int, url: str) -> None:
    with pytest.raises(Refused):
        await AllowedWeb([f"http://127.0.0.1:{port}"]).send(url.format(port=port), HttpCall("/"), timeout=5)


async def test_a_name_that_leads_to_a_denied_address_is_refused(port: int) -> None:
    """`localhost` stands for a name whose owner points it at the operator's own host, before or after it was allowed."""
    with pytest.raises(Refused, match=r"127\.0\.0\.1|::1"):
        await AllowedWeb([f"http://localhost:{port}"]).send(f"http://localhost:{port}", HttpCall("/"), timeout=5)
    with pytest.raises(Refused, match=r"127\.0\.0\.1|::1"):
        await AllowedWeb([f"http://local*:{port}"]).send(f"http://localhost:{port}", HttpCall("/"), timeout=5)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "[::ffff:169.254.169.254]", "127.0.0.1", "2852039166", "0xA9FEA9FE", "[fd00:ec2::254]"]
)
async def test_a_glob_allows_no_denied_address(address: str) -> None:
    with pytest.raises(Refused, match=r"denied|canonical"):
        await AllowedWeb(["http://*"]).send(f"http://{address}", HttpCall("/latest/meta-data"), timeout=5)


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

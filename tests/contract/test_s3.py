"""Packs on a real S3 server (versitygw), over TLS: what every store promises, and what becomes of them when requests go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from stanch.cli.ending import Code, Ending
from stanch.cli.output import Format
from stanch.cli.timeline import of_pack
from stanch.cli.verify import Known, check
from stanch.engine.errors import Refused, Retryable
from stanch.packs.bucket import open_bucket
from stanch.packs.objects import Store
from stanch.packs.reach import Reach
from stanch.packs.store import StoredPack, open_packs, open_store
from tests.contract.suite_packs import PREFIX, PacksContract, StreamsContract
from tests.s3.running import BUCKET, CREDENTIALS, HERE, REGION, S3Server, serving
from tests.unit.packs_kit import AT, FACTS, fill, linked

_PREFIXES = count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with serving(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a Secret gives them to the operator's container."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def url(server: S3Server) -> str:
    return server.url(f"test-{next(_PREFIXES)}")


@pytest.fixture
def store(server: S3Server, url: str) -> Store:
    return open_store(url, server.reach)


class TestPacks(PacksContract):
    pass


class TestStreams(StreamsContract):
    pass


async def test_what_is_stored_lies_under_its_key_and_nothing_beside_it(server: S3Server, store: Store, url: str) -> None:
    pack = StoredPack(store, f"{PREFIX}/")
    await pack.seal(await fill(pack), FACTS, AT)
    assert pack.uri == f"{url}/{PREFIX}"
    lying = server.files(pack.uri.removeprefix(server.url()))
    assert f"{PREFIX}/manifest.json" in [f"{PREFIX}/{path}" for path in lying]
    assert sorted([key async for key, _ in store.list(PREFIX)]) == [f"{PREFIX}/{path}" for path in lying]


async def test_an_answer_that_is_lost_is_no_fork(tmp_path: Path) -> None:
    """The write was carried out: asked again, the store says that the name is taken, and it is by what was meant."""
    with serving(tmp_path / "s3", tls=False) as server:
        async with losing_answers(server) as relay:
            reach = Reach(f"http://{HERE}:{relay.port}", REGION)
            pack = StoredPack(open_store(server.url("lost"), reach), f"{PREFIX}/")
            for entry in linked(3):
                relay.lose = 1
                await pack.append(entry)
            relay.lose = 1
            kept = await pack.put("objects/app.yaml", b"kind: Deployment\n")
            relay.lose = 1
            async with pack.open("logs/app.log") as log:
                await log.write(b"GET / 502\n")
            relay.lose = 1
            assert await open_packs(server.url("lost"), reach=reach).claim("aureus", "a", "uid") == "uid"
            assert relay.lost == 6
        assert (kept.path, log.file.path) == ("objects/app.yaml", "logs/app.log")
        left = server.files(f"lost/{PREFIX}")
        assert left == [*(f"chain/00000{seq}.json" for seq in (1, 2, 3)), "logs/app.log", "objects/app.yaml"]


async def test_a_server_that_is_away_is_tried_again_and_then_all_is_there(tmp_path: Path) -> None:
    with serving(tmp_path / "s3") as server:
        pack = StoredPack(open_store(server.url("away"), server.reach), f"{PREFIX}/")
        first, second = linked(2)
        await pack.append(first)
        server.stop()
        with pytest.raises(Retryable, match=r"StoreFailed: .*the store does not answer: Connection refused"):
            await pack.append(second)
        with pytest.raises(Retryable, match="StoreFailed"):
            await pack.past()
        server.start()
        await pack.append(second)
        past = await pack.past()
        assert past and past.last == second


@pytest.mark.parametrize(
    ("bucket", "reach", "secret", "said"),
    [
        (BUCKET, {"ca": ""}, "", "StoreFailed: .*UnknownIssuer"),
        (BUCKET, {"region": "elsewhere"}, "", "StoreFailed: .*AuthorizationHeaderMalformed: .*elsewhere"),
        (BUCKET, {}, "wrong", "StoreForbidden: .*SignatureDoesNotMatch.*let stanch's identity write"),
        ("nowhere", {}, "", "StoreFailed: .*NoSuchBucket.*make the bucket"),
    ],
)
async def test_what_is_wrong_with_a_store_is_said_and_is_never_taken_for_an_empty_one(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, bucket: str, reach: dict[str, str], secret: str, said: str
) -> None:
    if secret:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    store = open_bucket(f"s3://{bucket}/wrong", Reach(**{**vars(server.reach), **reach}))
    pack = StoredPack(store, f"{PREFIX}/")
    for asked in (pack.append(linked(1)[0]), pack.past(), store.read("a", 10)):
        with pytest.raises(Retryable, match=said):
            await asked
    with pytest.raises(Retryable, match="Store"):
        async with pack.open("logs/app.log") as log:
            await log.write(b"x" * 6_000_000)


async def test_a_pack_in_a_bucket_is_verified_and_shown_from_its_url(
    server: S3Server, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = StoredPack(store, f"{PREFIX}/")
    head = await fill(pack)
    sealed = await pack.seal(head, FACTS, AT)
    await asyncio.to_thread(check, pack.uri, Known(head.hash, sealed.sha256), Format.text, server.reach)
    assert f"{pack.uri}: whole: 4 entries" in capsys.readouterr().out
    await asyncio.to_thread(of_pack, pack.uri, Format.text, server.reach)
    assert "Act 4" in capsys.readouterr().out
    lying = server.folder / "buckets" / pack.uri.removeprefix("s3://") / "chain" / "000003.json"
    lying.write_bytes(lying.read_bytes().replace(b"Act 3", b"Act 9"))
    with pytest.raises(Ending) as ending:
        await asyncio.to_thread(check, pack.uri, Known(), Format.text, server.reach)
    assert ending.value.code is Code.Problems and "the first bad entry is 3" in capsys.readouterr().out


@pytest.mark.parametrize(("path", "said"), [("not/there", "is not there: expected the URL of a pack"), ("", "could not be copied")])
def test_a_url_without_a_pack_is_told_as_such(server: S3Server, path: str, said: str) -> None:
    reach = server.reach if path else Reach(server.reach.endpoint, "elsewhere", server.reach.ca)
    with pytest.raises(Ending, match=said) as ending:
        check(server.url(path), Known(), Format.text, reach)
    assert ending.value.code is Code.Unusable


@pytest.mark.parametrize(
    ("url", "reach", "said"),
    [
        ("s3://key:word@bucket/x", Reach(), "names a user or a key"),
        ("gs://bucket/x", Reach(region="eu"), "only an s3:// store has such"),
        ("s3://bucket/x", Reach(endpoint="bucket.example.org"), "expected https://host:port"),
        ("s3://bucket/x", Reach(ca="/not/there.crt"), "CA file /not/there.crt cannot be read"),
        ("s3://bucket/x?region=eu", Reach(), "expected a folder"),
        ("ftp://bucket/x", Reach(), "expected a folder"),
    ],
)
def test_a_store_that_cannot_be_meant_is_refused_and_no_key_is_repeated(url: str, reach: Reach, said: str) -> None:
    with pytest.raises(Refused, match=said) as refused:
        open_bucket(url, reach)
    assert refused.value.reason == "BadStore" and "word" not in refused.value.message


class Relay:
    """Hands requests on to the server; of the next `lose` that write, the answers are dropped with their connections."""

    def __init__(self, port: int) -> None:
        self.server = port
        self.port = 0
        self.lose = 0
        self.lost = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(HERE, self.server)
        writes = asyncio.Event()
        hands = asyncio.create_task(self._requests(reader, back, writes))
        try:
            while data := await there.read(1 << 16):
                if writes.is_set() and self.lose:
                    self.lose -= 1
                    self.lost += 1
                    return
                writer.write(data)
                await writer.drain()
        finally:
            hands.cancel()
            for end in (back, writer):
                end.close()

    async def _requests(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, writes: asyncio.Event) -> None:
        while data := await reader.read(1 << 16):
            if data.startswith(b"PUT "):
                writes.set()
            back.write(data)
            await back.drain()


@asynccontextmanager
async def losing_answers(server: S3Server) -> AsyncIterator[Relay]:
    relay = Relay(server.port)
    async with await asyncio.start_server(relay.take, HERE, 0) as listening:
        relay.port = listening.sockets[0].getsockname()[1]
        yield relay

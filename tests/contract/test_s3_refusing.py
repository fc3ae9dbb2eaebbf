"""A bucket that takes nothing for a while: what is said, that nothing is changed meanwhile, and that it goes on by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from stanch.engine.errors import Retryable
from stanch.packs.objects import Store
from stanch.packs.reach import Reach
from stanch.packs.store import StoredPack, open_store
from tests.contract.suite_packs import PREFIX
from tests.s3.refusing import BARE, DENIED, FULL, SLOW, Answer, Refusing, refusing
from tests.s3.running import BUCKET, CREDENTIALS, HERE, REGION, S3Server, serving
from tests.unit.packs_kit import linked
from tests.unit.world import Life, Site
from tests.unit.world_gates import Gate, Op

_PREFIXES = count()
TROUBLES = {
    "full": (FULL, "StoreFull: .*the store says InsufficientStorage: No space left.*free space in the evidence store or grow it"),
    "denied": (DENIED, "StoreForbidden: .*the store says AccessDenied.*let stanch's identity write"),
    "slow": (SLOW, "StoreFailed: .*the store says SlowDown: Please reduce"),
    "bare": (BARE, "StoreFailed: .*503"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with serving(tmp_path_factory.mktemp("s3"), tls=False) as running:
        yield running


@pytest.fixture
async def relay(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Refusing]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    async with refusing(server) as running:
        yield running


@pytest.fixture
def prefix() -> str:
    return f"refusing-{next(_PREFIXES)}"


@pytest.fixture
def store(server: S3Server, relay: Refusing, prefix: str) -> Store:
    return open_store(server.url(prefix), Reach(f"http://{HERE}:{relay.port}", REGION))


@pytest.mark.requirement("A-22")
@pytest.mark.parametrize(("answer", "said"), TROUBLES.values(), ids=list(TROUBLES))
async def test_it_is_said_in_the_store_s_words_and_is_there_later(
    server: S3Server, relay: Refusing, store: Store, prefix: str, answer: Answer, said: str
) -> None:
    pack = StoredPack(store, f"{PREFIX}/")
    first, second = linked(2)
    await pack.append(first)
    relay.answer = answer
    for asked in (pack.append(second), pack.put("objects/app.yaml", b"kind: Deployment\n")):
        with pytest.raises(Retryable, match=said):
            await asked
    with pytest.raises(Retryable, match=said):
        async with pack.open("logs/app.log") as log:
            await log.write(b"x" * 6_000_000)
    past = await pack.past()
    assert past and past.last == first, "what is there can be read all the while"
    relay.answer = None
    await pack.append(second)
    await pack.put("objects/app.yaml", b"kind: Deployment\n")
    assert server.files(f"{prefix}/{PREFIX}") == ["chain/000001.json", "chain/000002.json", "objects/app.yaml"]


# Where it begins, and for how many looks it lasts: what is captured has its budget.
BEGINNINGS = [("create chain/000001", 10), ("publish logs/", 3), ("create captures/", 3), ("create chain/000002", 10)]


class Trouble(Gate):
    """Begins before the store takes the first thing of this name."""

    def __init__(self, relay: Refusing, answer: Answer, beginning: str) -> None:
        self.relay, self.answer, self.beginning = relay, answer, beginning

    async def before(self, op: Op) -> None:
        if op.what.startswith(self.beginning) and not self.relay.refused:
            self.relay.answer = self.answer


@pytest.mark.long
@pytest.mark.requirement("E-04", "A-22")
@pytest.mark.parametrize(("beginning", "rounds"), BEGINNINGS)
@pytest.mark.parametrize("answer", [FULL, DENIED, SLOW], ids=lambda answer: answer.code)
async def test_an_incident_changes_nothing_before_its_evidence_is_safe_and_goes_on_when_there_is_room(
    server: S3Server, relay: Refusing, store: Store, prefix: str, answer: Answer, beginning: str, rounds: int
) -> None:
    site = Site(folder=server.folder / "buckets" / BUCKET / prefix)
    site.packs = store
    life = Life(site, gate=Trouble(relay, answer, beginning))
    for _ in range(rounds):
        site.passes(await life.tick() or 0)
        assert relay.refused and site.frontend.mitigations == []
        assert answer.code in told(site), "a condition says why"
    relay.answer = None
    await life.live(until=Phase.Mitigated)
    assert site.frontend.mitigations


@pytest.mark.long
@pytest.mark.requirement("E-04")
async def test_evidence_that_its_budget_does_not_suffice_for_is_asked_about_and_nothing_was_changed(
    server: S3Server, relay: Refusing, store: Store, prefix: str
) -> None:
    """As for every other evidence that is missing, where the playbook says Block."""
    site = Site(folder=server.folder / "buckets" / BUCKET / prefix)
    site.packs = store
    life = Life(site, gate=Trouble(relay, FULL, "publish logs/"))
    for _ in range(10):
        site.passes(await life.tick() or 0)
    assert site.status.phase is Phase.Escalated and site.frontend.mitigations == []
    relay.answer = None
    await life.live()
    assert "InsufficientStorage" in site.status.message and site.status.waits_for and site.frontend.mitigations == []
    site.passes(5)
    site.decide(Verb.Resume, life)
    await life.live(until=Phase.Mitigated)
    assert site.frontend.mitigations


def told(site: Site) -> str:
    (ready,) = (condition for condition in site.status.conditions if condition.type == "Ready")
    assert ready.status == "False"
    return ready.message

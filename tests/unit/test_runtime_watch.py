"""Resolved and watched (C-06): a relapse within the window reopens the incident; one bad answer, or none at all, does not."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from stanch.engine.errors import Retryable
from stanch.engine.ports import HttpCall, HttpReply, Object
from tests.unit.world import NAMESPACE, Life, Site, quick

BAD, GOOD, AWAY = 502, 200, 0


def watching(playbook: Object) -> None:
    quick(playbook)
    health = {"service": "frontend", "port": "8080", "path": "/health"}
    check = {"name": "health", "http": health, "within": "1m", "holdFor": "2s"}
    playbook["spec"]["recovery"] = {"verify": [check], "watchFor": "10m"}


async def resolved() -> tuple[Site, Life]:
    site = Site(watching)
    life = Life(site)
    await life.live(Phase.Resolved)
    await life.tick()
    assert site.status.watch_until and site.status.attempt == 1
    return site, life


def answering(site: Site, statuses: Iterable[int]) -> None:
    """One answer after the other; the last one stays."""
    rest = list(statuses)

    def answer(_: HttpCall) -> HttpReply:
        status = rest.pop(0) if len(rest) > 1 else rest[0]
        if status == AWAY:
            raise Retryable("Timeout", "no answer")
        return HttpReply(status, b"", 0.01)

    site.server.backends[NAMESPACE, "frontend", "8080"] = answer


async def passes(site: Site, life: Life, polls: int) -> None:
    for _ in range(polls):
        delay = await life.tick()
        assert delay is not None, "it looks again by itself"
        site.passes(delay + 0.001)


@pytest.mark.parametrize(
    ("status", "state", "says"), [(BAD, "Denied", "did not last"), (AWAY, "Inconclusive", "not known whether it lasts")]
)
async def test_what_cannot_be_read_in_recovery_is_not_told_as_a_denial(status: int, state: str, says: str) -> None:
    site = Site(watching)
    life = Life(site)
    await life.live(Phase.Mitigated)
    answering(site, [status])
    await life.live(Phase.Escalated)
    assert site.options["undo"] == state and says in site.status.options[-1].message


async def test_what_goes_on_being_bad_has_come_back() -> None:
    site, life = await resolved()
    answering(site, [BAD])
    await passes(site, life, 2)
    assert site.status.phase is Phase.Resolved, "not at the first bad answer"
    await passes(site, life, 3)
    assert site.status.attempt == 2 and len(site.frontend.mitigations) > 2
    assert any(line.key == "1/recurred" and "502" in line.result for line in site.lines)


@pytest.mark.parametrize("statuses", [[GOOD], [BAD, GOOD], [BAD, GOOD] * 10, [AWAY], [BAD, AWAY]])
async def test_neither_one_bad_answer_nor_none_is_a_relapse(statuses: list[int]) -> None:
    site, life = await resolved()
    answering(site, statuses)
    await passes(site, life, 15)
    assert (site.status.phase, site.status.attempt) == (Phase.Resolved, 1)


async def test_an_answer_that_stays_away_in_between_says_nothing_good() -> None:
    site, life = await resolved()
    answering(site, [BAD, AWAY, BAD, AWAY, BAD])
    await passes(site, life, 5)
    assert site.status.attempt == 2


async def test_another_life_of_the_operator_watches_on() -> None:
    site, _ = await resolved()
    answering(site, [BAD])
    await passes(site, Life(site, epoch=2), 5)
    assert site.status.attempt == 2


async def test_after_the_window_nobody_looks() -> None:
    site, life = await resolved()
    site.passes(600)
    await life.live()
    assert site.status.watch_until is None
    answering(site, [BAD])
    assert await life.tick() is None and site.status.attempt == 1


async def test_what_a_person_closed_is_not_reopened() -> None:
    site, life = await resolved()
    answering(site, [BAD])
    await passes(site, life, 2)
    site.decide(Verb.Close, life)
    await life.live()
    assert (site.status.phase, site.status.attempt) == (Phase.Closed, 1)

"""Events in the order of time, for a person and for a program; bounded; hostile messages stay on their line."""

from __future__ import annotations

import json
import random

import pytest

from stanch.engine.errors import Refused
from stanch.evidence.events import Latest, last_seen
from tests.unit.evidence_world import Shop, before, collected, event, meta
from tests.unit.memory import MemoryCluster


def column(text: str, name: str) -> list[str]:
    lines = text.splitlines()
    start = lines[2].index(name)
    return [line[start:].split("  ")[0].strip() for line in lines[3:]]


@pytest.mark.requirement("E-02")
async def test_all_events_of_the_namespace_by_time_as_table_and_as_json_lines() -> None:
    shop = Shop()
    newer = {"lastTimestamp": None, "eventTime": "2026-11-21T07:58:00.123456Z", "series": None}
    series = {"series": {"count": 9, "lastObservedTime": before(1)}, "lastTimestamp": None}
    shop.add(
        event("a", shop.pods[0], 1, "third", **series),
        event("b", shop.deployment, 30, "first"),
        event("c", shop.pods[1], 2, "second", **newer),
    )
    pack, ledger = await collected(shop, "events")
    table = pack.text("events/", ".txt")
    assert column(table, "MESSAGE") == ["first", "second", "third"]
    assert column(table, "OBJECT") == ["deployment/web", "pod/web-h2-1", "pod/web-h2-0"]
    assert column(table, "COUNT") == ["4", "4", "9"]
    lines = [json.loads(line) for line in pack.text("events/", ".jsonl").splitlines()]
    assert [line["metadata"]["name"] for line in lines] == ["b", "c", "a"]
    assert "managedFields" not in lines[0]["metadata"]
    assert ledger.missing == ledger.cut == []


async def test_only_the_latest_are_kept_and_that_is_said() -> None:
    shop = Shop()
    minutes = list(range(1, 41))
    random.Random(1).shuffle(minutes)
    shop.add(*(event(f"e{number}", shop.pods[0], number, f"minute {number}") for number in minutes))
    pack, ledger = await collected(shop, "events", limit=3)
    assert column(pack.text("events/", ".txt"), "MESSAGE") == ["minute 3", "minute 2", "minute 1"]
    (cut,) = ledger.cut
    assert cut.endswith(".txt: the latest 3 of 40 events")


async def test_about_the_targets_includes_revisions_and_pods_that_are_gone_but_nothing_else() -> None:
    shop = Shop()
    gone = {"kind": "Pod", "metadata": {"name": "web-h1-gone", "uid": "uid-gone"}}
    other = {"kind": "Pod", "metadata": {"name": "db-0", "uid": "uid-db"}}
    abouts = {"target": shop.deployment, "revision": shop.old, "pod": shop.pods[0], "gone": gone, "other": other}
    shop.add(*(event(name, about, 5, name) for name, about in abouts.items()))
    pack, _ = await collected(shop, "events", about="Targets")
    assert sorted(column(pack.text("events/", ".txt"), "MESSAGE")) == ["gone", "pod", "revision", "target"]


async def test_a_message_cannot_play_tricks_on_the_terminal() -> None:
    shop = Shop()
    shop.add(event("e", shop.pods[0], 1, "\x1b[2Jcleared\nNormal  Fine  all is well\u202egnp.exe" + "x" * 5000))
    pack, _ = await collected(shop, "events")
    table = pack.text("events/", ".txt")
    assert len(table.splitlines()) == 4
    assert r"\x1b[2Jcleared\nNormal" in table
    assert r"\u202egnp.exe" in table
    assert "characters)" in table


@pytest.mark.parametrize("odd", [{"lastTimestamp": "yesterday"}, {"lastTimestamp": None}, {"involvedObject": {}}])
async def test_odd_events_are_kept(odd: dict) -> None:
    shop = Shop()
    shop.add(event("e", shop.pods[0], 1, "odd", **odd))
    pack, _ = await collected(shop, "events")
    assert "odd" in pack.text("events/", ".txt")


def test_an_event_without_any_time_is_said_to_have_none() -> None:
    bare = {"metadata": {key: value for key, value in meta("e").items() if key != "creationTimestamp"}}
    assert last_seen(bare) is None


def test_latest_keeps_equal_times_in_their_order() -> None:
    latest = Latest[str](10)
    for item in "abc":
        latest.put(None, item)
    assert latest.by_time() == ["a", "b", "c"]


class BreaksOff(MemoryCluster):
    """The listing fails after its first event."""

    async def list(self, api_version: str, kind: str, namespace: str, **selectors: str):
        async for item in super().list(api_version, kind, namespace, **selectors):
            yield item
            raise Refused("Expired", "the list is too old")


async def test_a_listing_that_breaks_off_keeps_what_came_and_says_incomplete() -> None:
    shop = Shop()
    shop.add(event("a", shop.pods[0], 1, "only"), event("b", shop.pods[0], 2, "lost"))
    pack, ledger = await collected(shop, "events", cluster=BreaksOff(shop.server))
    assert "INCOMPLETE: Expired: the list is too old" in pack.text("events/", ".txt")
    assert ledger.missing == ["events: events of namespace shop: Expired: the list is too old"]

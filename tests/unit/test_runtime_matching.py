"""Which playbook and which policy an Incident gets: exactly one, or a refusal that says what to do. Never a guess (invariant 5)."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from stanch.engine.errors import Refused, Retryable
from stanch.engine.ports import Object
from stanch.runtime.matching import POLICY_LABEL, find_playbook, find_policy, fits
from tests.stage.kubectl import ROOT
from tests.unit.memory import MemoryClusters, MemoryServer
from tests.unit.play import facts
from tests.unit.world_frontend import read

AUREUS = ROOT / "playbooks" / "aureus"


def shipped(file: str, name: str, **spec: Any) -> Object:
    """The shipped object under another name; None takes a field out."""
    (document,) = copy.deepcopy(read(AUREUS / file))
    document["metadata"]["name"] = name
    document["spec"] = {key: value for key, value in {**document["spec"], **spec}.items() if value is not None}
    return document


def playbook(name: str, **spec: Any) -> Object:
    return shipped("frontend-down.yaml", name, **spec)


def server_with(*objects: Object) -> MemoryServer:
    server = MemoryServer()
    server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "aureus"}})
    for item in objects:
        server.add(item)
    return server


async def found(*playbooks: Object, ref: str = "", **changes: Any) -> str:
    spec = {"playbookRef": {"name": ref}} if ref else {}
    pin, _ = await find_playbook(MemoryClusters(server_with(*playbooks)).own, replace(facts(), **changes), spec)
    return pin.name


async def test_the_one_that_matches_is_pinned() -> None:
    assert await found(playbook("down"), playbook("slow", match={"types": ["latency"]})) == "down"


async def test_one_without_match_must_be_named() -> None:
    assert await found(playbook("down"), playbook("general", match=None)) == "down"
    assert await found(playbook("down"), playbook("general", match=None), ref="general") == "general"


async def test_one_that_is_named_need_not_match() -> None:
    assert await found(playbook("down"), playbook("slow", match={"types": ["latency"]}), ref="slow") == "slow"


@pytest.mark.parametrize(("there", "ref", "reason", "says"), [
    ([], "", "PlaybookNotFound", "playbookRef"),
    ([playbook("slow", match={"types": ["latency"]})], "", "PlaybookNotFound", "component frontend"),
    ([playbook("a"), playbook("b")], "", "PlaybookAmbiguous", "a, b"),
    ([playbook("a")], "b", "PlaybookNotFound", "'b'"),
    ([playbook("a", suspend=True)], "", "PlaybookSuspended", "spec.suspend"),
    # A suspended one still fits: to pass it over would be to guess that its neighbour is meant.
    ([playbook("a", suspend=True), playbook("b")], "", "PlaybookAmbiguous", "a, b"),
    ([playbook("a", options=[])], "", "Invalid", "spec.options"),
])  # fmt: skip
async def test_refused_with_what_to_do(there: list[Object], ref: str, reason: str, says: str) -> None:
    with pytest.raises(Refused) as refused:
        await found(*there, ref=ref)
    assert refused.value.reason == reason and says in refused.value.message


async def test_playbook_of_another_namespace_is_not_seen() -> None:
    with pytest.raises(Refused, match="PlaybookNotFound"):
        await found(playbook("down"), namespace="elsewhere")


@pytest.mark.parametrize(("match", "fitting"), [
    ({"types": ["availability"]}, True),
    ({"types": ["latency", "availability"], "severities": ["P0"], "components": ["frontend"]}, True),
    ({"types": ["availability"], "severities": ["P3"]}, False),
    ({"components": ["database"]}, False),
    ({"types": [], "severities": ["P0"]}, True),
    ({"labels": {"team": "shop"}}, True),
    ({"labels": {"team": "shop", "region": "eu"}}, False),
    (None, False),
])  # fmt: skip
def test_every_line_of_match_must_fit(match: Object | None, fitting: bool) -> None:
    assert fits(playbook("a", match=match), replace(facts(), labels={"team": "shop", "more": "there"})) is fitting


async def policy(label: str = "", ref: str = "", severity: str = "P0") -> str:
    server = server_with(shipped("policy.yaml", "ours"), shipped("policy.yaml", "theirs", default=None, levels=[
        {"name": "SEV-1", "description": "grave"}]))  # fmt: skip
    if label:
        labelled = {"metadata": {"labels": {POLICY_LABEL: label}}}
        (namespace,) = [item for item in server.select("v1", "Namespace", "", "", "") if item["metadata"]["name"] == "aureus"]
        server.patch(server.ref(namespace), labelled, "", "", dry_run=False)
    spec = {"policyRef": {"name": ref}} if ref else {}
    pin, _ = await find_policy(MemoryClusters(server).own, replace(facts(), severity=severity), spec)
    return pin.name


async def test_policy_by_reference_else_by_label_else_the_default() -> None:
    assert await policy() == "ours"
    assert await policy(label="theirs", severity="SEV-1") == "theirs"
    assert await policy(label="theirs", ref="ours") == "ours"


@pytest.mark.parametrize(("how", "reason"), [
    ({"ref": "nobody-s"}, "PolicyNotFound"),
    ({"label": "nobody-s"}, "PolicyNotFound"),
    ({"severity": "SEV-1"}, "UnknownSeverity"),
    ({"ref": "theirs"}, "UnknownSeverity"),
])  # fmt: skip
async def test_policy_that_is_not_there_or_does_not_know_the_severity_is_refused(how: Object, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        await policy(**how)
    assert refused.value.reason == reason


async def test_what_cannot_be_listed_is_not_called_absent() -> None:
    server = server_with(playbook("down"))

    def away(verb: str, ref: Any) -> None:
        raise Retryable("Timeout", "no answer")

    server.before_read.append(away)
    with pytest.raises(Retryable):
        await find_playbook(MemoryClusters(server).own, facts(), {})

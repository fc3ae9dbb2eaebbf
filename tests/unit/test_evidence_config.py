"""Who changed the configuration and when, with the difference where Kubernetes knows it; unknown is said."""

from __future__ import annotations

import json

import pytest

from tests.unit.evidence_world import Shop, collected, config_map, managed

APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def replace(shop: Shop, data: dict[str, str], **metadata: object) -> None:
    shop.server.add(config_map("web-config", data, **metadata))


def applied(data: object) -> dict[str, str]:
    return {APPLIED: json.dumps({"kind": "ConfigMap", "data": data})}


@pytest.mark.requirement("C-05")
async def test_what_changed_since_it_was_applied_when_and_by_which_manager() -> None:
    shop = Shop()
    fields = [
        managed("kubectl-client-side-apply", 600, {"f:data": {"f:web.conf": {}, "f:same": {}}}),
        managed("kubectl-edit", 7, {"f:data": {"f:web.conf": {}, "f:new": {}}}),
    ]
    before = applied({"web.conf": "workers=4\nport=80\n", "same": "1", "dropped": "old"})
    replace(shop, {"web.conf": "workers=1\nport=80\n", "same": "1", "new": "x"}, managedFields=fields, annotations=before)
    pack, ledger = await collected(shop, "configChanges")
    page = pack.text("config/before-1/configmap_web-config")
    lines = page.splitlines()
    assert "It was changed after kubectl apply last wrote it; keys that differ: dropped, new, web.conf" in lines
    assert "-workers=4" in lines
    assert "+workers=1" in lines
    assert "-old" in lines
    assert any(line.split()[:3] == ["2026-11-21T07:53:00Z", "kubectl-edit", "Update"] for line in lines)
    assert "persons are not recorded" in page
    assert ledger.missing == []


async def test_every_config_map_that_the_targets_refer_to_has_its_page() -> None:
    pack, _ = await collected(Shop(), "configChanges")
    assert {path.split("_")[1].split("-2026")[0] for path in pack.files} == {"web-config", "web-env"}


@pytest.mark.requirement("C-05")
async def test_without_last_applied_what_it_held_before_is_unknown() -> None:
    page = (await collected(Shop(), "configChanges"))[0].text("config/before-1/configmap_web-config")
    assert "What it held before is unknown" in page
    assert "unknown: the object has no managedFields" in page


async def test_what_equals_the_last_applied_does_not_tell_what_was_before() -> None:
    shop = Shop()
    replace(shop, {"web.conf": "a"}, annotations=applied({"web.conf": "a"}))
    page = (await collected(shop, "configChanges"))[0].text("config/before-1/configmap_web-config")
    assert "Its content is what kubectl apply last wrote. What it held before is unknown" in page


@pytest.mark.parametrize("annotation", ["{", "[]", '"text"', '{"data": ["a"]}'])
async def test_an_annotation_that_makes_no_sense_is_as_good_as_none(annotation: str) -> None:
    shop = Shop()
    replace(shop, {"web.conf": "a"}, annotations={APPLIED: annotation})
    page = (await collected(shop, "configChanges"))[0].text("config/before-1/configmap_web-config")
    assert "no (readable) last-applied annotation" in page


async def test_the_whole_namespace_where_asked_for() -> None:
    shop = Shop()
    shop.add(config_map("unrelated", {"a": "b"}))
    pack, _ = await collected(shop, "configChanges", whole_namespace=True)
    assert {path.split("_")[1].split("-2026")[0] for path in pack.files} == {"web-config", "web-env", "unrelated"}


async def test_a_config_map_as_target_and_one_that_does_not_exist() -> None:
    shop = Shop()
    settings = config_map("settings", {"a": "b"})
    shop.add(settings)
    pack, _ = await collected(shop, "configChanges", settings)
    assert len(pack.files) == 1

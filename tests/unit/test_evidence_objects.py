"""Objects as YAML: what belongs to the targets, as it was; of Secrets never the contents."""

from __future__ import annotations

import base64
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stanch.domain.plan import Ref
from stanch.engine.ports import Object
from stanch.evidence.objects import decoded_size, kept, without_contents
from tests.unit.evidence_world import NAMESPACE, Shop, collected, config_map, meta, pod, pod_spec

PASSWORD = "hunter2-very-secret"


def secret(name: str) -> Object:
    data = {"password": base64.b64encode(PASSWORD.encode()).decode()}
    applied = json.dumps({"kind": "Secret", "stringData": {"password": PASSWORD}})
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": applied, "other": PASSWORD}
    metadata = meta(name, annotations=annotations, labels={"app": "web"})
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "data": data,
        "stringData": {"more": PASSWORD},
    }


@pytest.mark.requirement("E-04")
async def test_targets_revisions_pods_services_and_config_maps_as_they_were() -> None:
    shop = Shop()
    shop.add({"apiVersion": "v1", "kind": "Service", "metadata": meta("selects-nothing"), "spec": {}})
    pack, ledger = await collected(shop, "objects")
    names = {path.split("/")[2].split("-2026")[0] for path in pack.files}
    assert names == {
        "deployment_web", "deployment_web_managedfields", "replicaset_web-h1", "replicaset_web-h2", "service_web",
        "configmap_web-config", "configmap_web-env", "pods_of_deployment_web", "pods_of_deployment_web_managedfields",
    }  # fmt: skip
    kept_deployment = yaml.safe_load(pack.text("objects/before-1/deployment_web-"))
    assert kept_deployment["spec"] == shop.deployment["spec"]
    assert "managedFields" not in kept_deployment["metadata"]
    fields = yaml.safe_load(pack.text("objects/before-1/deployment_web_managedfields-"))
    assert fields == shop.deployment["metadata"]["managedFields"]
    pods = list(yaml.safe_load_all(pack.text("objects/before-1/pods_of_deployment_web-")))
    assert [item["metadata"]["name"] for item in pods] == ["web-h2-0", "web-h2-1"]
    assert ledger.missing == []


async def test_secrets_are_not_read_unless_asked_for() -> None:
    shop = Shop()
    read: list[Ref] = []
    shop.server.before_read.append(lambda verb, ref: read.append(ref))
    await collected(shop, "objects")
    assert not [ref for ref in read if ref.kind == "Secret"]


@pytest.mark.requirement("E-04")
async def test_of_secrets_only_names_keys_and_sizes_are_kept() -> None:
    shop = Shop()
    shop.add(secret("web-secret"), secret("web-tls"))
    pack, _ = await collected(shop, "objects", secrets=True)
    kept_secret = yaml.safe_load(pack.text("objects/before-1/secret_web-secret"))
    assert kept_secret["keySizesInBytes"] == {"password": len(PASSWORD), "more": len(PASSWORD)}
    whole = b"".join(pack.files.values())
    assert PASSWORD.encode() not in whole
    assert base64.b64encode(PASSWORD.encode()) not in whole


async def test_a_secret_that_is_itself_a_target_loses_its_contents_too() -> None:
    shop = Shop()
    target = secret("direct")
    shop.add(target)
    pack, _ = await collected(shop, "objects", target)
    assert PASSWORD.encode() not in b"".join(pack.files.values())


@given(st.dictionaries(st.text(max_size=20), st.text(alphabet="#!§", min_size=6, max_size=30), max_size=5))
def test_whatever_is_in_a_secret_none_of_its_values_is_kept(values: dict[str, str]) -> None:
    holder = secret("any") | {"stringData": values, "data": {}}
    holder["metadata"]["annotations"] = dict(values)
    keys = without_contents(holder)["keySizesInBytes"]
    assert set(keys) == set(values)
    text = kept(holder | {"stringData": {f"k{number}": value for number, value in enumerate(values.values())}})
    assert not any(value in text for value in values.values())


@given(st.binary(max_size=100))
def test_sizes_are_those_of_the_decoded_bytes(data: bytes) -> None:
    assert decoded_size(base64.b64encode(data).decode()) == len(data)


async def test_all_ways_to_refer_to_a_config_map_are_found_and_an_absent_one_is_noted() -> None:
    shop = Shop(pods=0)
    container = {"name": "app", "envFrom": [{"configMapRef": {"name": "whole"}}]}
    extra = {"name": "debug", "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "single", "key": "a"}}}]}
    volumes = [{"name": "v", "projected": {"sources": [{"configMap": {"name": "projected"}}, {"secret": {"name": "s"}}]}}]
    spec = {"containers": [container], "ephemeralContainers": [extra], "volumes": volumes}
    shop.add(pod(shop.new, "refers", spec=spec), config_map("whole", {}), config_map("single", {"a": "1"}))
    pack, ledger = await collected(shop, "objects")
    kept_names = {path.split("_")[1].split("-2026")[0] for path in pack.files if "/configmap_" in path}
    assert kept_names == {"whole", "single", "web-config", "web-env"}
    assert ledger.notes == ["objects: configmap/projected does not exist, though pods refer to it"]
    assert ledger.missing == []


async def test_objects_of_a_pod_target_and_of_hostile_content_come_back_as_they_were() -> None:
    shop = Shop(pods=0)
    nasty = "---\n!!python/object/apply:os.system ['true']\n...\x1b[2J \u2028 🦊 'quoted' \"too\": {"
    one = pod(None, "odd", spec={**pod_spec(), "hostname": nasty})
    shop.add(one)
    pack, _ = await collected(shop, "objects", one)
    assert yaml.safe_load(pack.text("objects/before-1/pod_odd"))["spec"]["hostname"] == nasty


async def test_an_object_elsewhere_carries_its_namespace_in_the_name() -> None:
    shop = Shop()
    elsewhere = config_map("shared", {"a": "b"}) | {"metadata": meta("shared") | {"namespace": "platform"}}
    shop.add(elsewhere)
    there = Ref("v1", "ConfigMap", "platform", "shared")
    assert there.namespace != NAMESPACE
    from stanch.engine.parts import Ledger, Scope
    from stanch.evidence.objects import SOURCE, ObjectsParams
    from tests.unit.evidence_world import AT, MemoryPack

    pack = MemoryPack()
    await SOURCE.collect(Scope(shop.cluster, pack, NAMESPACE, (there,), AT, "before-1", Ledger()), ObjectsParams())
    assert list(pack.files) == ["objects/before-1/configmap_shared@platform-20261121T080000Z.yaml"]

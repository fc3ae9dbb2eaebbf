"""The Helm chart is what the kustomizations are: both are rendered, and compared object by object."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.build import helm
from tests.chart.places import KEPT, NAMESPACE
from tests.chart.template import template
from tests.cluster.model import ClusterError
from tests.cluster.run import run
from tests.contract.test_manifests import GOLDENS, Object, rendered, reviewed, rights
from tests.stage.kubectl import parsed
from tests.stage.overlay import EXAMPLE, MANIFESTS, on_top

CHART = MANIFESTS / "chart"
POLICY = "helm.sh/resource-policy"
HOOK = "helm.sh/hook"
# What the chart adds to objects, and nothing else.
ADDED = {POLICY, HOOK, *(f"{HOOK}-{what}" for what in ("weight", "delete-policy", "output-log-policy"))}
WATCH = f"watch.namespaces={{{EXAMPLE}}}"
HA = ("replicas=2", "packs.url=s3://aureus-evidence/stanch", "packs.region=eu-central-1")
OWN_STORE = ("packs.endpoint=https://s3.example.org:9000", "packs.ca.configMap=stanch-packs-ca", "networkPolicy.egressPorts={9000}")
MONITORING = "serviceMonitor.create=true,prometheusRule.create=true"
ALERTS = ("ServiceMonitor", "PrometheusRule")
Helm = Callable[..., str]


@pytest.fixture
def run_helm(tmp_path: Path) -> Helm:
    """It finds nothing of the user's, and no cluster."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "none")}
    program = str(helm())
    return lambda *arguments: run([program, *arguments], env=environment)


@pytest.fixture
def chart(run_helm: Helm) -> Callable[..., list[Object]]:
    """What the chart renders with these values; its hooks alone, or all but these."""

    def templated(*values: str, folder: Path = CHART, namespace: str = NAMESPACE, hooks: bool = False) -> list[Object]:
        told = [word for value in values for word in ("--set", value)]
        found = parsed(run_helm("template", "stanch", str(folder), "--namespace", namespace, *told))
        return [document for document in found if (HOOK in document["metadata"].get("annotations", {})) is hooks]

    return templated


def by_name(documents: list[Object]) -> dict[tuple[str, str, str], Object]:
    """Without what the chart may add."""
    found = {name_of(document): plain(document) for document in documents}
    assert len(found) == len(documents), "no object is there twice"
    return found


def name_of(document: Object) -> tuple[str, str, str]:
    return document["kind"], document["metadata"].get("namespace", ""), document["metadata"]["name"]


def plain(document: Object) -> Object:
    metadata = dict(document["metadata"])
    annotations = {key: value for key, value in metadata.pop("annotations", {}).items() if key not in ADDED}
    return {**document, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}


def kustomized(cluster: Any, folder: Path) -> dict[tuple[str, str, str], Object]:
    """But for the namespace, which Helm makes itself."""
    return by_name([document for document in rendered(cluster, folder) if document["kind"] != "Namespace"])


def test_with_its_own_values_it_is_the_overlay_cluster_wide(cluster: Any, chart: Any) -> None:
    assert by_name(chart()) == kustomized(cluster, MANIFESTS / "overlays" / "cluster-wide")


def test_with_a_namespace_to_watch_it_is_the_overlay_single_namespace(cluster: Any, chart: Any) -> None:
    assert by_name(chart(WATCH)) == kustomized(cluster, MANIFESTS / "overlays" / "single-namespace")


def test_with_monitoring_it_is_the_overlay_with_that_component(cluster: Any, chart: Any, tmp_path: Path) -> None:
    found = by_name(chart(MONITORING))
    assert {kind for kind, _, _ in found} >= set(ALERTS)
    assert found == kustomized(cluster, on_top(tmp_path, "overlays/cluster-wide", "components/monitoring"))


def in_order(found: dict[tuple[str, str, str], Object]) -> dict[tuple[str, str, str], Object]:
    """With the operator's variables by name: kustomize moves those that a patch touches to the front."""
    container(found)["env"].sort(key=lambda variable: variable["name"])
    return found


def test_with_two_replicas_and_a_bucket_it_is_the_overlay_high_availability(cluster: Any, chart: Any) -> None:
    overlay = kustomized(cluster, MANIFESTS / "overlays" / "high-availability")
    assert in_order(by_name(chart(*HA))) == in_order(overlay)


def test_with_a_server_of_one_s_own_it_is_that_overlay_with_the_component_for_it(cluster: Any, chart: Any, tmp_path: Path) -> None:
    folder = on_top(tmp_path, "overlays/high-availability", "components/own-object-store")
    assert in_order(by_name(chart(*HA, *OWN_STORE))) == in_order(kustomized(cluster, folder))


def test_with_two_replicas_and_a_shared_volume_it_is_the_overlay_with_those_components(
    cluster: Any, chart: Any, tmp_path: Path
) -> None:
    folder = on_top(tmp_path, "overlays/cluster-wide", "components/high-availability", "components/shared-volume")
    assert by_name(chart("replicas=2", "packs.accessMode=ReadWriteMany")) == kustomized(cluster, folder)


def test_several_replicas_with_a_volume_each_are_refused(chart: Any) -> None:
    with pytest.raises(ClusterError, match=r"several need one place for the evidence: packs\.url"):
        chart("replicas=2")


@pytest.mark.parametrize(("values", "golden"), [((), "cluster-wide"), ((WATCH,), "single-namespace"), (HA, "high-availability")])
def test_it_grants_what_was_reviewed_and_nothing_else(chart: Any, values: tuple[str, ...], golden: str) -> None:
    assert rights(chart(*values)) == reviewed(golden)


def test_people_s_rights_are_left_out_where_somebody_has_their_own(chart: Any) -> None:
    taken = by_name(chart()).keys() - by_name(chart("roles.create=false")).keys()
    assert {name for _, _, name in taken} == {right["name"] for right in yaml.safe_load((GOLDENS / "people.yaml").read_text())}


def test_of_several_namespaces_each_is_bound_and_told(chart: Any) -> None:
    one, two = by_name(chart(WATCH)), by_name(chart("watch.namespaces={aureus,other}"))
    new = ("RoleBinding", "other", "stanch-operator")
    assert two.keys() - one.keys() == {new} and two[new]["roleRef"] == one[("RoleBinding", "aureus", "stanch-operator")]["roleRef"]
    assert {"name": "STANCH_NAMESPACES", "value": "aureus other"} in container(two)["env"]


def container(found: dict[tuple[str, str, str], Object]) -> Object:
    (deployment,) = (document for document in found.values() if document["kind"] == "Deployment")
    return deployment["spec"]["template"]["spec"]["containers"][0]


def test_types_and_evidence_stay_when_it_is_uninstalled(chart: Any) -> None:
    kept = [document["kind"] for document in chart() if document["metadata"].get("annotations", {}).get(POLICY) == "keep"]
    assert sorted(kept) == sorted([*["CustomResourceDefinition"] * 4, "PersistentVolumeClaim"])
    assert set(kept) == set(KEPT)


def test_what_comes_before_uninstalling_is_what_is_shipped_for_it(cluster: Any, chart: Any) -> None:
    """Its account and rights first, the Job last; what it leaves when it fails is the Job with what it said."""
    hooks = chart(hooks=True)
    assert by_name(hooks) == kustomized(cluster, MANIFESTS / "uninstall")
    told = {document["kind"]: document["metadata"]["annotations"] for document in hooks}
    assert {annotations[HOOK] for annotations in told.values()} == {"pre-delete"}
    weights = {kind: int(annotations.get(f"{HOOK}-weight", "0")) for kind, annotations in told.items()}
    assert weights.pop("Job") > max(weights.values())
    assert not any("hook-failed" in annotations[f"{HOOK}-delete-policy"] for annotations in told.values())


def test_it_ends_the_incidents_of_the_watched_namespaces_alone_in_the_time_that_it_is_given(chart: Any) -> None:
    (job,) = (document for document in chart(WATCH, "uninstall.timeout=20m", hooks=True) if document["kind"] == "Job")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert {"name": "STANCH_NAMESPACES", "value": EXAMPLE} in container["env"]
    assert container["args"] == ["uninstall", "--yes", "--timeout", "20m"]


def test_who_wants_to_leave_without_it_may(chart: Any) -> None:
    assert chart("uninstall.takeBack=false", hooks=True) == []
    assert by_name(chart("uninstall.takeBack=false")) == by_name(chart())


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        ("crds.install=false", {"CustomResourceDefinition"}),
        ("networkPolicy.create=false", {"NetworkPolicy"}),
        ("podDisruptionBudget.create=false", {"PodDisruptionBudget"}),
        ("priorityClass.create=false", {"PriorityClass"}),
    ],
)
def test_a_switch_takes_its_kind_away_and_nothing_else(chart: Any, value: str, kinds: set[str]) -> None:
    everything, rest = by_name(chart()), by_name(chart(value))
    assert {kind for kind, _, _ in everything.keys() - rest.keys()} == kinds and kinds.isdisjoint(kind for kind, _, _ in rest)
    assert all(rest[name] == everything[name] for name in rest)


def test_every_other_value_stands_where_it_belongs(chart: Any) -> None:
    found = by_name(chart(
        "image.repository=registry.example.org/stanch", "image.tag=sha256:ab", "image.pullPolicy=Always",
        "image.pullSecrets[0].name=mine", "packs.size=1Ti", "packs.storageClass=fast", "priorityClass.name=urgent",
        "resources.limits.memory=2Gi",
        "packs.accessMode=ReadWriteOncePod", MONITORING, "serviceMonitor.labels.release=a", "prometheusRule.labels.release=b",
        namespace="123",
    ))  # fmt: skip
    pod = found["Deployment", "123", "stanch"]["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "mine"}] and pod["priorityClassName"] == "urgent"
    assert container(found)["image"] == "registry.example.org/stanch@sha256:ab"
    assert container(found)["imagePullPolicy"] == "Always" and container(found)["resources"]["limits"]["memory"] == "2Gi"
    claim = found["PersistentVolumeClaim", "123", "stanch-packs"]["spec"]
    assert (
        claim["accessModes"] == ["ReadWriteOncePod"]
        and claim["storageClassName"] == "fast"
        and claim["resources"]["requests"] == {"storage": "1Ti"}
    )
    assert ("PriorityClass", "", "urgent") in found
    labels = [found[kind, "123", "stanch"]["metadata"]["labels"] for kind in ALERTS]
    assert labels == [{"app.kubernetes.io/part-of": "stanch", "release": value} for value in ("a", "b")]
    assert NAMESPACE not in yaml.safe_dump(list(found.values())), "everything is in the namespace of the release"


def test_a_server_of_one_s_own_and_its_secret_are_told_to_the_operator(chart: Any) -> None:
    made = by_name(chart(*HA, "packs.endpoint=https://s3.example.org:9000", "packs.secret=mine"))
    assert {"name": "STANCH_PACKS_ENDPOINT", "value": "https://s3.example.org:9000"} in container(made)["env"]
    assert container(made)["envFrom"] == [{"secretRef": {"name": "mine", "optional": True}}]


def test_its_ca_comes_from_a_secret_too_and_is_mounted_read_only_where_the_operator_is_told(chart: Any) -> None:
    made = by_name(chart(*HA, OWN_STORE[0], "packs.ca.secret=mine", "packs.ca.key=tls.crt"))
    said = {"secretName": "mine", "items": [{"key": "tls.crt", "path": "ca.crt"}]}
    volumes = made["Deployment", NAMESPACE, "stanch"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "packs-ca", "secret": said} in volumes
    (mount,) = (mount for mount in container(made)["volumeMounts"] if mount["name"] == "packs-ca")
    assert mount["readOnly"]
    assert {"name": "STANCH_PACKS_CA", "value": f"{mount['mountPath']}/ca.crt"} in container(made)["env"]


def test_each_port_that_is_given_is_let_out_and_never_to_where_clouds_give_credentials_away(chart: Any) -> None:
    before, made = by_name(chart()), by_name(chart("networkPolicy.egressPorts={9000,8443}"))
    (new,) = made.keys() - before.keys()
    (rule,) = made[new]["spec"]["egress"]
    assert [port["port"] for port in rule["ports"]] == [9000, 8443]
    own = made["NetworkPolicy", NAMESPACE, "stanch"]["spec"]
    blocks = [({"cidr": "0.0.0.0/0"}, ["169.254.0.0/16"]), ({"cidr": "::/0"}, ["fe80::/10", "fd00:ec2::/32"])]
    assert [port["port"] for rule in own["egress"] for port in rule["ports"]] == [53, 53, 443, 6443]
    assert own["egress"][1]["to"] == [{"ipBlock": {**block, "except": never}} for block, never in blocks]
    assert rule["to"] == own["egress"][1]["to"] and made[new]["spec"]["podSelector"] == own["podSelector"]
    assert new not in by_name(chart("networkPolicy.egressPorts={9000}", "networkPolicy.create=false"))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("replicas=0", "/replicas"),
        ("packs.accessMode=ReadOnlyMany", "/packs/accessMode"),
        ("image.tga=1", "tga"),
        ("networkpolicy.create=false", "networkpolicy"),
        ("image.tag=1", "/image/tag"),
        ("crds.install=perhaps", "/crds/install"),
        ("watch.namespaces={Aureus}", "/watch/namespaces/0"),
        ("watch.namespaces={aureus,aureus}", "/watch/namespaces"),
        ("resources.limit.memory=1Gi", "limit"),
        ("packs.url=bucket/prefix", "/packs/url"),
        ("packs.url=file:///packs", "/packs/url"),
        ("packs.ca=mine", "/packs/ca"),
        ("packs.ca.configmap=mine", "configmap"),
        ("packs.ca.configMap=mine,packs.ca.secret=mine", "not both"),
        ("networkPolicy.egressPorts={0}", "/networkPolicy/egressPorts/0"),
        ("networkPolicy.egressPorts={https}", "/networkPolicy/egressPorts/0"),
        (f"watch.namespaces={{{NAMESPACE}}}", "not the operator's own namespace"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(chart: Any, value: str, said: str) -> None:
    with pytest.raises(ClusterError, match=said):
        chart(value)


def test_a_chart_that_depends_on_it_may_share_its_values(chart: Any) -> None:
    assert chart("global.region=eu") == chart()


@pytest.mark.parametrize("values", [(), ("--set", f"{WATCH},{MONITORING}")])
def test_helm_has_nothing_to_say_about_it(run_helm: Helm, values: tuple[str, ...]) -> None:
    assert "0 chart(s) failed" in run_helm("lint", "--strict", *values, str(CHART))


def test_braces_of_an_object_s_own_are_left_alone(chart: Any, tmp_path: Path) -> None:
    """In whatever style YAML writes them: a description, an annotation of an alert, an expression of CEL."""
    said = {
        "kind": "A",
        "metadata": {"name": "a"},
        "one": "{{ .x }} is: {{",
        "flow": {"a": "}} {{- /*", "b": ["{{"]},
        "two": "# '{{`\n{{",
    }
    own = shutil.copytree(CHART, tmp_path / "chart")
    (own / "templates" / "own.yaml").write_text("---\n" + template(said))
    assert said in chart(folder=own)


def test_its_notes_say_how_the_namespace_is_kept_strict(run_helm: Helm) -> None:
    said = run_helm("install", "stanch", str(CHART), "--dry-run=client", "--namespace", "elsewhere", "--set", WATCH)
    assert "kubectl label namespace elsewhere pod-security.kubernetes.io/enforce=restricted" in said
    assert f"the Incidents of {EXAMPLE}." in said and "No registry serves localhost/" in said

"""Actions that change single fields, on real pods: each seen working, and refused where somebody else decides."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from stanch.api.kinds import PlaybookSpec
from stanch.cli.rbac import Subject, objects
from tests.stage.kubectl import documents
from tests.stage.people import people
from tests.stage.scene import AUREUS, HERE, Scene, calm

Document = dict[str, Any]
NAME = "contain"
SETTINGS = "frontend-settings"
ROLLED_OUT = {"name": "rolled-out", "rollout": {"target": "app"}, "within": "2m"}


def answers(path: str, text: str) -> Document:
    """The service says so, through the API server."""
    http = {"service": "frontend", "port": "8080", "path": path, "bodyContains": text}
    return {"name": "answers", "http": http, "within": "1m", "holdFor": "1s"}


def playbook(namespace: str, verify: list[Document], **action: Any) -> Document:
    """One option of one step: `action` is its name and its parameters."""
    targets = [
        {"name": "app", "kind": "Deployment", "objectName": "frontend"},
        {"name": "settings", "kind": "ConfigMap", "objectName": SETTINGS},
    ]
    spec = {
        "summary": "What a person would do by hand to contain it",
        "serviceAccountName": "container",
        "targets": targets,
        "evidence": {"collect": [{"describe": {"target": "app"}}]},
        "options": [
            {"name": "only", "risk": "Medium", "steps": [{"name": "step", "expect": "it is contained", **action}], "verify": verify}
        ],
        # Who means nothing says so twice.
        **({"guards": {"minAvailable": 0}} if action.get("scale", {}).get("replicas") == 0 else {}),
    }
    return {
        "apiVersion": "stanch.dev/v1alpha1",
        "kind": "Playbook",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": spec,
    }


def play(scene: Scene, verify: list[Document], **more: Any) -> str:
    """All that `stand` sets up, and the Incident."""
    stand(scene, verify, **more)
    return opened(scene)


def stand(
    scene: Scene,
    verify: list[Document],
    *,
    frontend: Callable[[Document], None] = lambda _: None,
    beside: tuple[Document, ...] = (),
    **action: Any,
) -> None:
    """A frontend that mounts its settings, the playbook, exactly the access that `stanch rbac` prints for it."""
    scene.kubectl.apply([settings(), *documents(HERE / "frontend.yaml", lambda it: (mounted(it), frontend(it))), *beside])
    scene.kubectl.apply(documents(AUREUS / "policy.yaml", calm))
    scene.kubectl.apply(people())
    made = playbook(scene.namespace, verify, **action)
    subject = Subject(NAME, scene.namespace, PlaybookSpec.model_validate(made["spec"]), scene.operator_namespace)
    scene.kubectl.apply([*objects(subject), made])
    if scene.deployment()["spec"].get("paused") is None:
        scene.rolled_out()


def opened(scene: Scene) -> str:
    return scene.open("contained", playbookRef={"name": NAME})


def settings(**more: Any) -> Document:
    data = {"read-only": "false", "broken": "false"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": SETTINGS}, "data": data, **more}


def mounted(document: Document) -> None:
    if document["kind"] == "Deployment":
        spec = document["spec"]["template"]["spec"]
        spec["volumes"] = [{"name": "settings", "configMap": {"name": SETTINGS}}]
        spec["containers"][0]["volumeMounts"] = [{"name": "settings", "mountPath": "/etc/frontend"}]


def variables(*entries: Document) -> Callable[[Document], None]:
    def edit(document: Document) -> None:
        if document["kind"] == "Deployment":
            document["spec"]["template"]["spec"]["containers"][0]["env"] += entries

    return edit


def helped(scene: Scene, name: str) -> Document:
    incident = scene.until(name, "Resolved")
    assert [option["state"] for option in incident["status"]["options"]] == ["Confirmed"]
    return incident


def refused(scene: Scene, name: str, reason: str, *words: str) -> None:
    """Nothing was written: neither token nor change is on the Deployment or the ConfigMap."""
    incident = scene.until(name, "Escalated")
    message = incident["status"]["options"][0]["message"]
    assert reason in message and all(word in message for word in words), message
    for what in ("deployment/frontend", f"configmap/{SETTINGS}"):
        annotations = scene.kubectl.get(what)["metadata"].get("annotations", {})
        assert "stanch.dev/token" not in annotations


def ready(scene: Scene) -> int:
    return scene.deployment()["status"].get("readyReplicas", 0)


def ask(scene: Scene, path: str) -> Document:
    """What its pods answer; one of before that is still going might answer for them otherwise."""
    scene.rolled_out()
    return json.loads(
        scene.kubectl("get", "--raw", f"/api/v1/namespaces/{scene.namespace}/services/http:frontend:8080/proxy{path}")
    )


def autoscaler(least: int, most: int) -> Document:
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "frontend"}
    spec = {"scaleTargetRef": scaled, "minReplicas": least, "maxReplicas": most}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "frontend-load"}, "spec": spec}


@pytest.mark.requirement("E-06")
def test_scaled_to_five(scene: Scene) -> None:
    helped(scene, play(scene, [ROLLED_OUT], scale={"target": "app", "replicas": 5}))
    assert ready(scene) == 5


@pytest.mark.requirement("E-06")
def test_more_than_it_may_be_is_kept_to_the_bound(scene: Scene) -> None:
    incident = helped(scene, play(scene, [ROLLED_OUT], scale={"target": "app", "percent": 400, "max": 3}))
    assert ready(scene) == 3
    step = incident["status"]["steps"][0]
    assert "replicas 2 -> 3" in step["message"]


@pytest.mark.requirement("E-06")
def test_what_an_autoscaler_decides_is_not_scaled(scene: Scene) -> None:
    beside = (autoscaler(2, 10),)
    name = play(scene, [ROLLED_OUT], beside=beside, scale={"target": "app", "replicas": 5})
    refused(scene, name, "OwnedByReconciler", "HorizontalPodAutoscaler frontend-load", "between 2 and 10")
    assert scene.deployment()["spec"]["replicas"] == 2


@pytest.mark.requirement("A-05")
@pytest.mark.parametrize("beside", [(), (autoscaler(1, 10),)], ids=["alone", "under an autoscaler"])
def test_contained_by_scaling_to_nothing(scene: Scene, beside: tuple[Document, ...]) -> None:
    """An autoscaler rests at zero, so this holds beside one too."""
    helped(scene, play(scene, [{**ROLLED_OUT, "holdFor": "5s"}], beside=beside, scale={"target": "app", "replicas": 0}))
    scene.kubectl("wait", "--for=delete", "pods", "-l", "component=frontend", "--timeout=60s")
    assert scene.deployment()["spec"]["replicas"] == 0


@pytest.mark.requirement("A-05")
def test_what_flux_would_scale_up_again_is_not_scaled_down(scene: Scene) -> None:
    def reconciled(document: Document) -> None:
        document["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"] = "shop"

    name = play(scene, [ROLLED_OUT], frontend=reconciled, scale={"target": "app", "replicas": 0})
    refused(scene, name, "OwnedByReconciler", "Flux")
    assert ready(scene) == 2


@pytest.mark.requirement("A-06")
def test_read_only_by_a_config_map_and_a_restart_of_who_reads_it(scene: Scene) -> None:
    action = {"target": "settings", "data": {"read-only": "true"}, "remove": ["broken"], "restart": ["app"]}
    stand(scene, [ROLLED_OUT, answers("/health", '"readOnly":true')], setConfig=action)
    # Before it is opened: a moment later the restart may have made the first new one.
    pods = {pod["metadata"]["uid"] for pod in scene.kubectl.get("pods", "-l", "component=frontend")["items"]}
    helped(scene, opened(scene))
    assert scene.kubectl.get("configmap", SETTINGS)["data"] == {"read-only": "true"}
    assert ask(scene, "/health")["readOnly"] is True
    assert not pods & {pod["metadata"]["uid"] for pod in scene.kubectl.get("pods", "-l", "component=frontend")["items"]}


@pytest.mark.requirement("A-06")
def test_a_config_map_that_cannot_be_changed_is_left_alone(scene: Scene) -> None:
    fixed = settings(immutable=True)
    name = play(
        scene,
        [answers("/health", '"readOnly":true')],
        beside=(fixed,),
        setConfig={"target": "settings", "data": {"read-only": "true"}},
    )
    refused(scene, name, "Immutable", SETTINGS)
    assert ask(scene, "/health")["readOnly"] is False


@pytest.mark.requirement("A-07")
def test_feature_flags_off_by_variables(scene: Scene) -> None:
    flags = variables({"name": "POLICY_BYPASS_MODE", "value": "on"}, {"name": "RATE_LIMIT_OFF", "value": "true"})
    action = {"target": "app", "set": {"POLICY_BYPASS_MODE": "off"}, "remove": ["RATE_LIMIT_OFF"], "containers": ["frontend"]}
    helped(scene, play(scene, [ROLLED_OUT, answers("/env", '"POLICY_BYPASS_MODE":"off"')], frontend=flags, setEnv=action))
    said = ask(scene, "/env")
    assert said["POLICY_BYPASS_MODE"] == "off" and "RATE_LIMIT_OFF" not in said
    assert scene.environment() == {"FRONTEND_VERSION": "v1", "POLICY_BYPASS_MODE": "off"}


@pytest.mark.requirement("A-07")
def test_a_value_is_data_and_reaches_for_no_other_variable(scene: Scene) -> None:
    action = {"target": "app", "set": {"POLICY_BYPASS_MODE": "$(FRONTEND_VERSION)"}}
    helped(scene, play(scene, [ROLLED_OUT], setEnv=action))
    assert ask(scene, "/env")["POLICY_BYPASS_MODE"] == "$(FRONTEND_VERSION)"


@pytest.mark.requirement("A-07")
def test_a_flag_that_is_a_reference_is_not_overwritten(scene: Scene) -> None:
    reference = {"configMapKeyRef": {"name": SETTINGS, "key": "broken"}}
    flags = variables({"name": "POLICY_BYPASS_MODE", "valueFrom": reference})
    name = play(scene, [ROLLED_OUT], frontend=flags, setEnv={"target": "app", "set": {"POLICY_BYPASS_MODE": "off"}})
    refused(scene, name, "NotLiteral", "configMapKeyRef")
    assert ask(scene, "/env")["POLICY_BYPASS_MODE"] == "false"


def test_a_paused_rollout_rolls_nothing_out(scene: Scene) -> None:
    helped(scene, play(scene, [answers("/health", '"healthy":true')], rolloutPause={"target": "app"}))
    pods = scene.kubectl("get", "pods", "-l", "component=frontend", "-o", "name")
    scene.kubectl("set", "env", "deployment/frontend", "RELEASE_BROKEN=true")
    generation = scene.deployment()["metadata"]["generation"]
    scene.kubectl.wait("deployment/frontend", ".status.observedGeneration", str(generation), 30)
    assert scene.kubectl("get", "pods", "-l", "component=frontend", "-o", "name") == pods


def test_a_paused_rollout_is_resumed(scene: Scene) -> None:
    helped(scene, play(scene, [ROLLED_OUT], frontend=paused, rolloutResume={"target": "app"}))
    assert ready(scene) == 2


@pytest.mark.parametrize(
    ("action", "was", "reason"), [("rolloutPause", True, "AlreadyPaused"), ("rolloutResume", False, "NotPaused")]
)
def test_what_is_so_already_is_refused(scene: Scene, action: str, was: bool, reason: str) -> None:
    name = play(scene, [ROLLED_OUT], frontend=paused if was else lambda _: None, **{action: {"target": "app"}})
    refused(scene, name, reason)
    assert scene.deployment()["spec"].get("paused", False) is was


def paused(document: Document) -> None:
    if document["kind"] == "Deployment":
        document["spec"]["paused"] = True

"""Evidence of real pods on a real kubelet, read as a ServiceAccount that has exactly the declared permissions.

Who reads as it is the operator's shipped account, which the namespace lets act as it and as nobody else.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from stanch.api.needs import OPERATOR, opt_in
from stanch.cli import rbac
from stanch.domain.access import Rule
from stanch.domain.plan import Pin, Ref, Source, Target
from stanch.engine.workload import revisions_of
from stanch.evidence.capture import CaptureResult, Place, capture, planned
from stanch.evidence.last_deploy import LastDeploy, last_deploy
from stanch.evidence.registry import SOURCES
from stanch.kube.client import ApiServer, connect
from stanch.kube.identity import ApiClusters
from stanch.packs.store import local_path, open_packs
from tests.contract.world import until
from tests.stage.account import Account

TOOLS = "localhost/stanch/tools:v1"
SECRET = "correct-horse-battery"
ALL = tuple(Source(name, {"secrets": True} if name == "objects" else {}) for name in SOURCES)
ONCE = "if [ -f /state/seen ]; then echo second life; exec sleep 3600; fi; touch /state/seen; echo first life; exit 1"


def container(name: str, script: str, **more: Any) -> dict:
    return {"name": name, "image": TOOLS, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script], **more}


def frontend() -> list[dict]:
    once = container("once", ONCE, volumeMounts=[{"name": "state", "mountPath": "/state"}])
    app = container("app", "echo serving; exec sleep 3600", envFrom=[{"secretRef": {"name": "web"}}])
    never = {"name": "never", "image": "localhost/stanch/absent:v0", "imagePullPolicy": "Never"}
    volumes = [{"name": "state", "emptyDir": {}}, {"name": "config", "configMap": {"name": "web"}}]
    spec = {
        "initContainers": [container("migrate", "echo migrated")],
        "containers": [app, once, never],
        "volumes": volumes,
        "terminationGracePeriodSeconds": 0,
    }
    template = {"metadata": {"labels": {"app": "web"}}, "spec": spec}
    deployment = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    service = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"mode": "normal"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web"}, "stringData": {"PASSWORD": SECRET}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": deployment},
    ]


def role(rules: Iterable[Rule]) -> list[dict]:
    granted = [
        {"verbs": [*rule.verbs], "apiGroups": [rule.group], "resources": [rule.resource]}
        | ({"resourceNames": [*rule.names]} if rule.names else {})
        for rule in rules
    ]
    of = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    group = "rbac.authorization.k8s.io/v1"
    metadata = {"name": "reader"}
    subjects = [{"kind": "ServiceAccount", "name": "reader"}]
    return [
        {"apiVersion": group, "kind": "Role", "metadata": metadata, "rules": granted},
        {"apiVersion": group, "kind": "RoleBinding", "metadata": metadata, "roleRef": of, "subjects": subjects},
    ]


def lets_act(namespace: str, operator: Account) -> list[dict]:
    """As `stanch rbac` prints it."""
    who = {"kind": "ServiceAccount", "name": OPERATOR, "namespace": operator.namespace}
    name = "stanch-acts-as-reader"
    return [rbac.role(namespace, name, [opt_in("reader")]), rbac.binding(namespace, name, who)]


class Stage:
    """The frontend in a namespace, and captures of it."""

    def __init__(self, cluster: Any, namespace: str, api: ApiServer, folder: Path) -> None:
        self._cluster, self.namespace, self._api, self._folder = cluster, namespace, api, folder
        self.target = Ref("apps/v1", "Deployment", namespace, "web")
        self.operator = ApiClusters(api).own
        self.reading = ApiClusters(api).acting_as(namespace, Pin("reader"))
        self.pack = open_packs(str(folder)).of(namespace, "web-down", "0123456789")

    def kubectl(self, *arguments: str) -> str:
        return self._cluster.kubectl("-n", self.namespace, *arguments)

    def apply(self, objects: list[dict]) -> None:
        self._cluster.kubectl("-n", self.namespace, "apply", "-f", "-", input=yaml.safe_dump_all(objects))

    def rules(self) -> list[Rule]:
        collects = planned(ALL, [Target("app", self.target)])
        return [rule for one in collects for rule in one.kind.rules(one.params, self.namespace, one.targets)]

    async def capture(self, *sources: Source, folder: str = "before-1") -> CaptureResult:
        place = Place(self.reading, self.pack, self._api.clock, self.namespace, folder)
        return await capture(planned(sources or ALL, [Target("app", self.target)]), place, timedelta(seconds=60))

    async def may_act(self) -> bool:
        """The authorizer learns of a Role a moment after it was written."""
        return await self.operator.allowed("impersonate", "", "serviceaccounts", self.namespace, "reader")

    async def may_read_logs(self, expected: bool) -> bool:
        return await self.reading.allowed("get", "", "pods/log", self.namespace) is expected

    async def says(self, pod: str, container: str, text: str) -> bool:
        """A container that runs has not said anything yet, and its log is a moment behind."""
        return self.kubectl("logs", pod, "-c", container) == text

    def pods(self) -> list[str]:
        return self.kubectl("get", "pods", "-l", "app=web", "-o", "name").replace("pod/", "").split()

    def files(self) -> dict[str, bytes]:
        root = local_path(self.pack.uri)
        assert root is not None
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    def text(self, beginning: str) -> str:
        (found,) = [data for path, data in self.files().items() if path.startswith(beginning)]
        return found.decode()


@pytest.fixture
async def stage(cluster: Any, account: Account, namespace: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with connect(str(account.kubeconfig)) as api:
        stage = Stage(cluster, namespace, api, tmp_path)
        stage.apply(frontend())
        stage.apply(role(stage.rules()))
        stage.apply(lets_act(namespace, account))
        restarted = 'jsonpath={.status.containerStatuses[?(@.name=="once")].restartCount}=1'
        await until(stage.may_act)
        await until(lambda: stage.may_read_logs(True))
        # Of both pods: what is waited for by a selector are those that are there by then.
        stage.kubectl("wait", "--for=jsonpath={.status.replicas}=2", "deployment/web", "--timeout=60s")
        stage.kubectl("wait", f"--for={restarted}", "pod", "-l", "app=web", "--timeout=120s")
        alive = 'jsonpath={.status.containerStatuses[?(@.name=="once")].started}=true'
        stage.kubectl("wait", f"--for={alive}", "pod", "-l", "app=web", "--timeout=120s")
        yield stage


@pytest.mark.requirement("E-02", "E-08")
async def test_all_that_the_runbook_wants_is_captured_with_the_declared_permissions_only(stage: Stage) -> None:
    first, second = sorted(stage.pods())
    debug = ("debug", f"pod/{first}", f"--image={TOOLS}", "--image-pull-policy=IfNotPresent", "-c", "debugger")
    stage.kubectl(*debug, "--attach=false", "--", "sh", "-c", "echo debugged; sleep 3600")
    running = "jsonpath={.status.ephemeralContainerStatuses[0].state.running.startedAt}"
    stage.kubectl("wait", f"--for={running}", f"pod/{first}", "--timeout=60s")
    await until(lambda: stage.says(first, "debugger", "debugged\n"))

    result = await stage.capture()

    assert result.missing == result.cut == ()
    logs = {path.split("/")[2].rsplit("-", 1)[0]: data for path, data in stage.files().items() if path.startswith("logs/")}
    said = {name: data.split(b" ", 1)[1].decode() for name, data in logs.items()}
    each = {"migrate": "migrated\n", "app": "serving\n", "once": "second life\n", "once_previous": "first life\n"}
    expected = {f"{pod}_{name}": line for pod in (first, second) for name, line in each.items()}
    assert said == {**expected, f"{first}_debugger": "debugged\n"}
    notes = json.loads(stage.files()["captures/before-1.json"])["notes"]
    assert sum("container never: never started" in note for note in notes) == 2
    page = stage.text(f"describe/before-1/pod_{first}")
    for line in ("Last state:           Terminated: Error, exit code 1", "Secret web", "ErrImageNeverPull", "  Warning"):
        assert line in page
    assert "ErrImageNeverPull" in next(text for path, text in text_files(stage) if path.startswith("events/"))
    assert not any(SECRET.encode() in data for data in stage.files().values())


def text_files(stage: Stage) -> Iterable[tuple[str, str]]:
    return ((path, data.decode()) for path, data in stage.files().items() if path.endswith(".txt"))


@pytest.mark.requirement("C-05")
async def test_what_changed_when_and_by_which_tool_with_the_difference(stage: Stage) -> None:
    await another_second()
    stage.kubectl("set", "env", "deployment/web", "-c", "app", "MODE=broken", "--field-manager=release-bot")
    stage.kubectl("wait", "--for=jsonpath={.status.observedGeneration}=2", "deployment/web", "--timeout=30s")
    stage.kubectl("patch", "configmap", "web", "--type=merge", "-p", '{"data":{"mode":"read-only"}}')
    await stage.capture(Source("rolloutHistory"), Source("configChanges"))
    history, config = stage.text("history/"), stage.text("config/")
    assert "+      value: broken" in history.splitlines()
    assert "kubectl-patch" in config
    assert "-normal" in config.splitlines()
    assert "+read-only" in config.splitlines()
    target = await stage.reading.get(stage.target)
    found = last_deploy(target, await revisions_of(stage.reading, target))
    assert (found.revision, found.changed_by) == ("2", "release-bot")
    assert f"changed by manager {found.changed_by}" in history


async def another_second() -> None:
    """Kubernetes keeps whole seconds: of two who wrote within one, nobody can tell which made the release."""
    now = int(time.time())

    async def over() -> bool:
        return int(time.time()) > now

    await until(over)


@pytest.mark.requirement("D-06")
async def test_going_back_is_a_deploy_of_now_and_a_restart_is_none(stage: Stage) -> None:
    template = {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [container("app", "exec sleep 3600")]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "api"}}, "template": template}
    stage.apply([{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}, "spec": spec}])
    ref = Ref("apps/v1", "Deployment", stage.namespace, "api")
    stage.apply(role([*stage.rules(), Rule(("get",), "apps", "deployments", ("api",))]))
    await until(lambda: stage.reading.allowed("get", "apps", "deployments", stage.namespace, "api"))

    async def deploy_after(*change: str) -> LastDeploy:
        await another_second()
        stage.kubectl(*change)
        stage.kubectl("rollout", "status", "deployment/api", "--timeout=60s")
        target = await stage.reading.get(ref)
        return last_deploy(target, await revisions_of(stage.reading, target))

    first = await deploy_after("rollout", "status", "deployment/api", "--timeout=60s")
    changed = await deploy_after("set", "env", "deployment/api", "MODE=broken")
    restarted = await deploy_after("rollout", "restart", "deployment/api")
    undone = await deploy_after("rollout", "undo", "deployment/api", "--to-revision=1")
    assert (first.revision, changed.revision, undone.revision) == ("1", "2", "4")
    assert changed.changed_by == "kubectl-set"
    assert (restarted.revision, restarted.at) == (changed.revision, changed.at)
    assert None not in (first.at, changed.at, undone.at)
    assert first.at <= changed.at <= undone.at


@pytest.mark.requirement("E-04")
async def test_without_permission_the_logs_are_missing_and_the_rest_is_there(stage: Stage) -> None:
    stage.apply(role(rule for rule in stage.rules() if rule.resource != "pods/log"))
    await until(lambda: stage.may_read_logs(False))
    result = await stage.capture()
    forbidden = [line for line in result.missing if "Forbidden" in line and "lacks get on pods/log" in line]
    assert len(forbidden) == len(result.missing) == 2 * 3 * 2
    assert not [path for path in stage.files() if path.startswith("logs/")]
    assert stage.text("describe/before-1/deployment_web")

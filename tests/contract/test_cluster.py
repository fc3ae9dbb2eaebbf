"""The test cluster itself: two side by side, real pods and names, and nothing left of it afterwards."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import paths
from tests.cluster.__main__ import main
from tests.cluster.fixtures import ClusterUnderTest
from tests.cluster.local import cgroups, network
from tests.cluster.model import ClusterError, checked_name
from tests.cluster.providers import docker_answers
from tests.cluster.providers.local import Local
from tests.cluster.run import run, wait_for

WORKLOAD = """
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {broken: "false"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: localhost/stanch/frontend:v1
        env: [{name: RATE_LIMIT_RPS, value: "7"}]
        readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}
        volumeMounts: [{name: config, mountPath: /etc/frontend}]
      volumes: [{name: config, configMap: {name: web}}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: tools}
spec: {containers: [{name: tools, image: "localhost/stanch/tools:v1"}]}
"""

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux" or not (shutil.which("go") and shutil.which("apt-get")),
    reason="local binaries need root on Debian, and Go",
)


@pytest.fixture(scope="module")
def users_kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What stands for the user's own kubeconfig while clusters come and go."""
    own = tmp_path_factory.mktemp("home") / "config"
    own.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "production"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(own))
        yield own


@pytest.fixture(scope="module")
def pair(users_kubeconfig: Path) -> Iterator[tuple[ClusterUnderTest, ClusterUnderTest]]:
    """Two clusters of their own, side by side."""
    names = [f"pair-{secrets.token_hex(3)}" for _ in range(2)]
    providers = [Local(name) for name in names]
    try:
        first, second = (ClusterUnderTest(p.up(fake_nodes=number)) for number, p in enumerate(providers))
        first.kubectl("apply", "-f", "-", input=WORKLOAD)
        first.kubectl("rollout", "status", "deployment/web", "--timeout=180s", timeout=200)
        first.kubectl("wait", "--for=condition=Ready", "pod/tools", "--timeout=180s", timeout=200)
        yield first, second
    finally:
        for provider in providers:
            provider.down()


def test_two_clusters_do_not_meet(pair: tuple[ClusterUnderTest, ClusterUnderTest]) -> None:
    first, second = pair
    nodes = second.kubectl("wait", "--for=condition=Ready", "node", "--all", "-o", "name", "--timeout=120s", timeout=150).split()
    assert nodes == ["node/fake-0000", f"node/{second.name}-node"]
    assert first.kubectl("get", "node", "-o", "name").split() == [f"node/{first.name}-node"]
    assert second.kubectl("get", "deployment", "-o", "name") == ""
    assert network.recorded(paths.state_dir(first.name)) != network.recorded(paths.state_dir(second.name))


def test_a_pod_reaches_another_by_the_name_of_its_service(pair: tuple[ClusterUnderTest, ClusterUnderTest]) -> None:
    first, _ = pair
    answer = json.loads(first.kubectl("exec", "tools", "--", "wget", "-qO-", "http://web.default.svc.cluster.local/"))
    assert answer["version"] == "v1"
    assert answer["RATE_LIMIT_RPS"] == "7"
    assert "web.default.svc.cluster.local" in first.kubectl("exec", "tools", "--", "nslookup", "web.default.svc.cluster.local")


def test_logs_and_the_service_proxy_answer(pair: tuple[ClusterUnderTest, ClusterUnderTest]) -> None:
    first, _ = pair
    assert '"healthy":true' in first.kubectl("get", "--raw", "/api/v1/namespaces/default/services/web:80/proxy/health")
    lines = first.kubectl("logs", "deployment/web").splitlines()
    assert lines[0] == "frontend v1 starting"
    assert any(line.endswith("GET /health 200") for line in lines)


def test_a_mounted_setting_shows_in_the_answers_and_readiness_stays(pair: tuple[ClusterUnderTest, ClusterUnderTest]) -> None:
    first, _ = pair
    first.kubectl("patch", "configmap", "web", "--patch", '{"data": {"broken": "true", "read-only": "true"}}')
    wait_for("/health to turn", lambda: _answer(first, "/health").startswith("HTTP/1.1 502"), 60)
    assert '"readOnly":true' in _answer(first, "/")
    assert _answer(first, "/ready").startswith("HTTP/1.1 200")
    assert "ERROR frontend v1" in first.kubectl("logs", "deployment/web")


def test_the_audit_log_tells_in_whose_name_something_was_written(pair: tuple[ClusterUnderTest, ClusterUnderTest]) -> None:
    first, _ = pair
    with pytest.raises(ClusterError, match="forbidden"):
        first.kubectl("delete", "deployment", "web", "--as=jane")
    assert first.audit_log is not None
    events = [json.loads(line) for line in first.audit_log.read_text().splitlines()]
    mine = [e for e in events if e.get("impersonatedUser", {}).get("username") == "jane" and e["verb"] == "delete"]
    assert [e["user"]["username"] for e in mine] == ["kubernetes-admin"]


def test_the_users_own_kubeconfig_is_not_touched(pair: tuple[ClusterUnderTest, ClusterUnderTest], users_kubeconfig: Path) -> None:
    assert json.loads(users_kubeconfig.read_text()) == {"apiVersion": "v1", "kind": "Config", "current-context": "production"}
    with pytest.raises(ClusterError):  # it holds no cluster, and got none
        run([str(pair[0].cluster.kubectl), "get", "--raw", "/version"], timeout=30)


def test_up_brings_a_killed_cluster_back_as_it_was(pair: tuple[ClusterUnderTest, ClusterUnderTest]) -> None:
    _, second = pair
    second.kubectl("create", "configmap", "kept")
    provider = Local(second.name)
    provider.space.stop()  # what a power cut does: every process inside gone at once
    assert provider.status().state == "broken"
    provider.up()
    assert provider.status().state == "up"
    assert second.kubectl("get", "configmap", "kept", "-o", "name") == "configmap/kept\n"


def test_up_starts_a_part_that_ended_while_the_api_server_answers(pair: tuple[ClusterUnderTest, ClusterUnderTest]) -> None:
    """As the controller manager does by itself, when the API server is slow to start."""
    provider = Local(pair[1].name)
    kept = provider.state / "kwok/clusters" / pair[1].name / "pids/kube-controller-manager.pid"
    run([*provider.space.enter, "kill", "-KILL", kept.read_text().strip()])
    wait_for("the controller manager to be gone", lambda: provider.status().parts["kube-controller-manager"] == "stopped", 10)
    provider.up()
    assert provider.status().state == "up"


def test_down_leaves_nothing(users_kubeconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"gone-{secrets.token_hex(3)}"
    provider = Local(name)
    provider.up()
    net = network.recorded(provider.state)
    assert main(["down", "--name", name]) == 0
    assert _processes_naming(str(provider.state)) == []
    assert str(provider.state) not in Path("/proc/self/mounts").read_text()
    assert not Path("/sys/class/net", net.link).exists()
    assert net.pods not in run(["ip", "route"])
    assert cgroups.leftovers(name) == []
    assert not provider.state.exists()
    assert main(["down", "--name", name]) == 0, "a second time does no harm"


def test_a_bad_name_is_refused_before_anything_is_made() -> None:
    for bad in ("", "-a", "A", "a/b", "a" * 21):
        with pytest.raises(ClusterError, match="use 1 to 20"):
            checked_name(bad)


@pytest.mark.skipif(docker_answers(), reason="where Docker answers, kind comes before local binaries")
def test_a_context_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STANCH_KUBE_CONTEXT", raising=False)
    assert main(["status", "--name", "nowhere", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["state"] == "down"
    monkeypatch.setenv("STANCH_KUBE_CONTEXT", "mine@/nonexistent")
    assert main(["up", "--name", "nowhere"]) == 1
    assert "no file /nonexistent" in capsys.readouterr().err


def _answer(cluster: ClusterUnderTest, path: str) -> str:
    """The whole HTTP answer, status line included, as a pod gets it."""
    request = f"printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' | nc web 80"
    return cluster.kubectl("exec", "tools", "--", "sh", "-c", request)


def _processes_naming(text: str) -> list[str]:
    """Command lines of running processes that name it, this one's apart."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line and entry.parent.name != str(os.getpid()):
            found.append(line)
    return found

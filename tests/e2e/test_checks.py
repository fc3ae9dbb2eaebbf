"""Each kind of check on real pods, through an Incident and the operator: denied, not known, and at last confirmed.

A playbook's options are tried in their order, so one Incident shows what each says of a world that does not change beside it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.stage.kubectl import documents
from tests.stage.prometheus import Prometheus
from tests.stage.scene import AUREUS, Edit, Scene
from tests.stage.trial import (
    ROLLED_OUT,
    Document,
    TrialScene,
    check,
    option,
    seen,
    states,
    step,
    why,
    with_variables,
)

MARK = "upstream refused"
NOWHERE = {"apiVersion": "v1", "kind": "ConfigMap", "objectName": "nowhere", "expect": "has(object.data)"}


@pytest.fixture
def trial(scene: Scene) -> TrialScene:
    return TrialScene(scene.kubectl, scene.operator_namespace)


def test_object_is_judged_by_a_condition_and_against_what_it_was(trial: TrialScene) -> None:
    trial.prepare()
    port = "object.spec.ports.exists(p, p.port == 8080)"
    service = {"apiVersion": "v1", "kind": "Service", "objectName": "frontend", "expect": port}
    grown = {"target": "app", "value": "object.status.readyReplicas", "expect": "value == baseline + 1"}
    name = trial.run(
        option("denied", check("five", object={"target": "app", "expect": "object.status.readyReplicas == 5"})),
        option("absent", check("nowhere", object=NOWHERE)),
        option("no-field", check("field", object={"target": "app", "expect": "object.status.noSuchField == 1"})),
        option(
            "right",
            check("grown", "1m", "1s", object=grown),
            check("port", object=service),
            steps=[step("scale", scale={"target": "app", "replicas": 3})],
        ),
    )
    incident = trial.until(name, "Resolved")
    assert states(incident) == {"denied": "Denied", "absent": "Inconclusive", "no-field": "Inconclusive", "right": "Confirmed"}
    assert "not found" in why(incident, "absent")
    assert (seen(incident, "grown")["baselineValue"], seen(incident, "grown")["value"]) == ("2", "3")


def test_value_that_a_command_prints(trial: TrialScene) -> None:
    trial.prepare(with_variables(BACKLOG="400"))

    def printed(command: str, expect: str = "value < 50 && value < baseline") -> Document:
        return {"target": "app", "command": ["sh", "-c", command], "type": "Integer", "expect": expect}

    name = trial.run(
        option("denied", check("large", exec=printed("echo $BACKLOG"))),
        option("failing", check("fails", exec=printed("echo 12; exit 3"))),
        option("no-number", check("text", exec=printed("echo twelve"))),
        option("no-baseline", check("never-known", exec=printed("echo $LATER"))),
        option(
            "right",
            ROLLED_OUT,
            check("small", "1m", "1s", exec=printed("echo $BACKLOG")),
            steps=[step("relieve", setEnv={"target": "app", "set": {"BACKLOG": "12", "LATER": "3"}})],
        ),
    )
    incident = trial.until(name, "Resolved")
    unknown = dict.fromkeys(("failing", "no-number", "no-baseline"), "Inconclusive")
    assert states(incident) == {"denied": "Denied", **unknown, "right": "Confirmed"}
    assert "exit code 3" in why(incident, "failing")
    assert (seen(incident, "small")["baselineValue"], seen(incident, "small")["value"]) == ("400", "12")


def test_pattern_that_no_log_line_may_match_since_the_change(trial: TrialScene) -> None:
    trial.prepare(beside=[idle()])
    trial.everywhere(f"echo 'ERROR {MARK}' >/proc/1/fd/2")  # from before the change: it does not count
    trial.until_time(datetime.now(UTC) + timedelta(seconds=2))  # by the operator's clock too, which may be behind by one
    absent = {"target": "app", "absent": f"ERROR {MARK}"}
    probes = {"target": "app", "count": "GET /ready 200", "expect": "value > 0", "over": "1m"}
    name = trial.run(
        option("denied", check("silent-for-long", "30s", "2m", logs=absent)),
        option("idle", check("nobody", logs={**absent, "target": "idle"})),
        option("right", check("silent", "30s", "3s", logs=absent), check("probed", logs=probes)),
        targets=[{"name": "idle", "kind": "Deployment", "objectName": "idle"}],
    )
    trial.until(name, "Holding")
    trial.everywhere(f"echo 'ERROR {MARK}' >/proc/1/fd/2")
    incident = trial.until(name, "Resolved")
    assert states(incident) == {"denied": "Denied", "idle": "Inconclusive", "right": "Confirmed"}
    assert "lines match" in why(incident, "denied") and MARK not in why(incident, "denied"), "what a log says stays out"
    assert "there are no pods" in why(incident, "idle")


def idle() -> Document:
    container = {"name": "tools", "image": "localhost/stanch/tools:v1", "imagePullPolicy": "IfNotPresent"}
    template = {"metadata": {"labels": {"component": "idle"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"component": "idle"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "idle"}, "spec": spec}


def test_job_that_has_completed(trial: TrialScene) -> None:
    trial.prepare(beside=[job("works", "true"), job("fails", "false")])
    trial.kubectl("wait", "--for=condition=Failed", "job/fails", "--timeout=60s")
    trial.kubectl("wait", "--for=condition=Complete", "job/works", "--timeout=60s")
    name = trial.run(
        option("denied", check("failed", "5m", job={"objectName": "fails"})),
        option("absent", check("missing", job={"matchLabels": {"drill": "of-another"}})),
        option("right", check("complete", job={"matchLabels": {"drill": "works"}})),
    )
    incident = trial.until(name, "Resolved", 60)  # one that failed is not waited for five minutes
    assert states(incident) == {"denied": "Denied", "absent": "Inconclusive", "right": "Confirmed"}
    assert seen(incident, "complete")["value"] == "Complete"


def job(name: str, command: str) -> Document:
    container = {"name": "tools", "image": "localhost/stanch/tools:v1", "imagePullPolicy": "IfNotPresent", "command": [command]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    metadata = {"name": name, "labels": {"drill": name}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"backoffLimit": 0, "template": template}}


@pytest.fixture
def prometheus(trial: TrialScene) -> Prometheus:
    found = Prometheus(trial.kubectl)
    found.set()
    return found


def asked(query: str = "frontend_backlog", **more: Any) -> Document:
    return {"service": "prometheus", "port": 9090, "query": query, "maxAge": "30s", "expect": "value < 50", **more}


def outside(origin: str) -> Document:
    return {"url": origin} | {key: value for key, value in asked().items() if key not in ("service", "port")}


def relieved(name: str, *verify: Document) -> Document:
    """The option after which the backlog is small."""
    return option(name, ROLLED_OUT, *verify, steps=[step("relieve", setEnv={"target": "app", "set": {"BACKLOG": "12"}})])


def test_metric_is_held_against_threshold_and_baseline(trial: TrialScene, prometheus: Prometheus) -> None:
    trial.prepare(with_variables(BACKLOG="400"))
    prometheus.until("frontend_backlog", [400])
    per_pod = asked("sum(frontend_backlog{instance=$of}) / 2", freshness="frontend_backlog", variables={"of": "frontend:8080"})
    name = trial.run(
        option("denied", check("threshold", "10s", prometheus=asked())),
        option("as-before", check("not-less", "10s", prometheus=asked(expect="value < baseline"))),
        option("no-data", check("unheard-of", prometheus=asked('frontend_backlog{queue="none"}'))),
        option("no-prometheus", check("another", prometheus=asked(service="frontend", port=8080))),
        option("not-allowed", check("outside", prometheus=outside("http://127.0.0.1:9090"))),
        relieved(
            "right",
            check("small", "1m", "3s", prometheus=asked(expect="value < 50 && value < baseline / 10.0")),
            check("per-pod", "1m", prometheus={**per_pod, "expect": "value == 6.0"}),
        ),
    )
    incident = trial.until(name, "Resolved", 180)
    unknown = dict.fromkeys(("no-data", "no-prometheus", "not-allowed"), "Inconclusive")
    assert states(incident) == {"denied": "Denied", "as-before": "Denied", **unknown, "right": "Confirmed"}
    assert "no data" in why(incident, "no-data") and "not among the places" in why(incident, "not-allowed")
    small = seen(incident, "small")
    assert (float(small["baselineValue"]), float(small["value"])) == (400, 12)


def test_prometheus_outside_is_asked_where_the_policy_allows_it(trial: TrialScene, prometheus: Prometheus, cluster: Any) -> None:
    trial.prepare()
    prometheus.tells(12)
    with prometheus.on_loopback(cluster) as origin:
        trial.kubectl.apply(documents(AUREUS / "policy.yaml", allowing(trial.namespace, origin)))
        verify = check("small", "30s", "1s", prometheus=outside(origin))
        incident = trial.until(trial.run(option("right", verify), policy=trial.namespace), "Resolved")
    trial.kubectl("delete", "responsepolicy", trial.namespace)
    assert states(incident) == {"right": "Confirmed"} and seen(incident, "small")["value"] == "12.0"


def allowing(name: str, origin: str) -> Edit:
    """The policy under another name, which no incident takes by itself."""

    def edit(document: Document) -> None:
        document["metadata"]["name"] = name
        document["spec"] |= {"default": False, "http": {"allowedOrigins": [origin]}}

    return edit


def test_metric_that_is_stale_or_from_before_the_change_says_nothing(trial: TrialScene, prometheus: Prometheus) -> None:
    trial.prepare()
    prometheus.tells(12, measured_at=time.time() - 90)
    name = trial.run(
        option("stale", check("old", "3s", prometheus=asked())),
        option("before", check("earlier", "3s", prometheus=asked(maxAge="1h"))),
        relieved("right", check("fresh", "1m", "3s", prometheus=asked())),
    )
    incident = trial.until(name, "Resolved", 180)
    assert states(incident) == {"stale": "Inconclusive", "before": "Inconclusive", "right": "Confirmed"}
    assert "is stale" in why(incident, "stale") and "before the change" in why(incident, "before")


def test_metric_that_does_not_stay_is_denied(trial: TrialScene, prometheus: Prometheus) -> None:
    """The negative twin of the hold: small at first, and large again before it is over."""
    trial.prepare()
    prometheus.tells(12)
    name = trial.run(option("hoped", check("small", "30s", "5m", prometheus=asked())))
    trial.until(name, "Holding")
    prometheus.backlog(400)
    incident = trial.until(name, "Escalated")
    assert states(incident) == {"hoped": "Denied"} and "frontend_backlog is 400" in why(incident, "hoped")


def test_metric_that_vanishes_begins_the_hold_anew_and_is_no_success(trial: TrialScene, prometheus: Prometheus) -> None:
    trial.prepare()
    prometheus.tells(12)
    name = trial.run(option("hoped", check("small", "20s", "2m", prometheus=asked())))
    trial.until(name, "Holding")
    trial.everywhere("rm /etc/frontend/backlog")
    incident = trial.until(name, "Escalated")
    assert states(incident) == {"hoped": "Inconclusive"} and "no data" in why(incident, "hoped")


@pytest.mark.requirement("A-14")
@pytest.mark.parametrize(
    ("broken", "smoke", "state"),
    [
        (False, [], "Confirmed"),
        (True, [], "Failed"),
        (
            False,
            [check("unread", object={"apiVersion": "v1", "kind": "ConfigMap", "objectName": "nowhere", "expect": "true"})],
            "Failed",
        ),
    ],
    ids=["health answers", "health fails", "not known"],
)
def test_smoke_test_after_each_step_stops_the_run_where_it_fails(
    trial: TrialScene, broken: bool, smoke: list[Document], state: str
) -> None:
    trial.prepare()
    trial.everywhere(f"mkdir -p /etc/frontend && echo {str(broken).lower()} >/etc/frontend/broken")
    health = check("health", "10s", "1s", http={"service": "frontend", "port": 8080, "path": "/health"})
    written = check("written", object={"target": "settings", "expect": "object.data.first == 'done'"})
    steps = [step("first", smoke=[health, written, *smoke]), step("second")]
    name = trial.run(option("only", written, steps=steps, onFailure="Stop"), option("never", written))
    incident = trial.until(name, "Resolved" if state == "Confirmed" else "Escalated")
    assert states(incident) == {"only": state}, "where the playbook says Stop, no other option is tried"
    assert trial.settings()["first"] == "done" and "never" not in trial.settings()
    assert ("second" in trial.settings()) == (state == "Confirmed"), "nothing further is done after a smoke test that failed"
    assert state == "Confirmed" or "smoke test" in why(incident, "only")

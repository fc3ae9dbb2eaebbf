"""How mitigation ends on real pods: a backlog that stays small, what was temporary taken back, and a relapse that is noticed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stage.prometheus import Prometheus
from tests.stage.scene import Scene
from tests.stage.trial import ROLLED_OUT, Document, TrialScene, check, option, seen, states, step, with_variables

CHANGED = check("changed", object={"target": "settings", "expect": "object.data['read-only'] == 'true'"})
AVAILABILITY = 'sum(rate(frontend_requests_total{code!~"5.."}[10s])) / sum(rate(frontend_requests_total[10s]))'
# Who is answered within 0.5 s is content, within 2.5 s half so.
_CONTENT = 'frontend_request_seconds_bucket{le=~"0.5|2.5"}'
APDEX = f"sum(rate({_CONTENT}[10s])) / 2 / sum(rate(frontend_request_seconds_count[10s]))"
CONTAINED = {"setConfig": {"target": "settings", "data": {"read-only": "true"}}, "revert": {"onRecovery": True}}


@pytest.fixture
def trial(scene: Scene) -> TrialScene:
    return TrialScene(scene.kubectl, scene.operator_namespace)


@pytest.fixture
def prometheus(trial: TrialScene) -> Prometheus:
    found = Prometheus(trial.kubectl)
    found.set()
    return found


def below(within: str, hold_for: str) -> Document:
    asked = {"service": "prometheus", "port": 9090, "query": "frontend_backlog", "maxAge": "30s", "expect": "value < 50"}
    return check("backlog", within, hold_for, prometheus=asked)


def users(within: str, hold_for: str) -> list[Document]:
    """Whether users are served well: what came of the requests of the last seconds, and one request now."""
    asked = {"service": "prometheus", "port": 9090, "maxAge": "30s"}
    availability = {**asked, "query": AVAILABILITY, "freshness": "frontend_requests_total", "expect": "value > 0.99"}
    apdex = {**asked, "query": APDEX, "freshness": "frontend_request_seconds_count", "expect": "value > 0.85"}
    return [
        check("availability", within, hold_for, prometheus=availability),
        check("apdex", within, hold_for, prometheus=apdex),
        check("smoke", within, hold_for, http={"service": "frontend", "port": 8080, "path": "/health"}),
    ]


def served(
    trial: TrialScene, prometheus: Prometheus, *, well: bool = True, good: int = 100, fast: int = 100, slow: int = 100
) -> None:
    """The frontend serves its users so, and Prometheus knows it."""
    trial.everywhere(f"mkdir -p /etc/frontend && echo {str(not well).lower()} >/etc/frontend/broken")
    prometheus.traffic(good=good, fast=fast, slow=slow)
    prometheus.until(f"round(100 * ({AVAILABILITY}))", [good])
    prometheus.until(f"round(100 * ({APDEX}))", [(fast + slow) / 2])


def contain(trial: TrialScene, *also: Document, within: str = "5m", hold_for: str = "5s", watch_for: str = "0s") -> str:
    """Read-only until the backlog is below 50 and stays there, and whatever else is true as well."""
    recovery = {"verify": [below(within, hold_for), *also], "watchFor": watch_for}
    return trial.run(option("contain", CHANGED, steps=[step("read-only", **CONTAINED)]), recovery=recovery)


def waiting(trial: TrialScene, name: str, message: str) -> None:
    trial.kubectl.wait(f"incident/{name}", ".status.message", f"Recovery: {message}")


def reverts(incident: Document) -> list[str]:
    return [record["state"] for record in incident["status"]["reverts"]]


@pytest.mark.requirement("D-12")
def test_mitigations_are_removed_when_the_backlog_has_stayed_small(trial: TrialScene, prometheus: Prometheus) -> None:
    trial.prepare()
    prometheus.tells(400)
    name = contain(trial, hold_for="10s")
    waiting(trial, name, "waiting for its checks")
    assert trial.settings()["read-only"] == "true", "a large backlog keeps the mitigation"
    prometheus.backlog(12)
    waiting(trial, name, "its checks hold for 10s")
    assert trial.settings()["read-only"] == "true", "nothing is removed before the hold is over"
    incident = trial.until(name, "Resolved")
    assert trial.settings()["read-only"] == "false" and reverts(incident) == ["Done"]


@pytest.mark.requirement("D-12")
def test_mitigations_are_removed_when_users_are_served_well_too(trial: TrialScene, prometheus: Prometheus) -> None:
    trial.prepare()
    prometheus.tells(12)
    served(trial, prometheus, well=False, good=90, fast=50, slow=80)
    name = contain(trial, *users("2m", "15s"), within="2m", hold_for="15s")
    waiting(trial, name, "waiting for its checks")
    assert trial.settings()["read-only"] == "true", "a small backlog alone is no recovery"
    served(trial, prometheus)
    # Long enough to be seen: it may have begun while Prometheus was still being asked.
    waiting(trial, name, "its checks hold for 15s")
    incident = trial.until(name, "Resolved")
    assert trial.settings()["read-only"] == "false" and reverts(incident) == ["Done"]


@pytest.mark.requirement("D-12")
@pytest.mark.parametrize(
    ("bad", "how"),
    [("availability", {"good": 90}), ("apdex", {"fast": 50, "slow": 80}), ("smoke", {"well": False})],
    ids=["availability", "apdex", "smoke"],
)
def test_mitigations_stay_where_users_are_not_served_well(
    trial: TrialScene, prometheus: Prometheus, bad: str, how: dict[str, Any]
) -> None:
    """One alone is below its target; all the others are well."""
    trial.prepare()
    prometheus.tells(12)
    served(trial, prometheus, **how)
    name = contain(trial, *users("10s", "1s"), within="10s", hold_for="1s")
    incident = trial.until(name, "Escalated")
    verdicts = {of: seen(incident, f"recovery-{of}")["verdict"] for of in ("backlog", "availability", "apdex", "smoke")}
    assert verdicts == {**dict.fromkeys(verdicts, "Confirmed"), bad: "Denied"}
    assert trial.settings()["read-only"] == "true" and reverts(incident) == ["Owed"]


@pytest.mark.requirement("D-12")
def test_mitigations_stay_where_the_backlog_does_not(trial: TrialScene, prometheus: Prometheus) -> None:
    trial.prepare()
    prometheus.tells(12)
    name = contain(trial, hold_for="5m")
    waiting(trial, name, "its checks hold for 5m")
    prometheus.backlog(400)
    incident = trial.until(name, "Escalated")
    assert states(incident) == {"contain": "Denied"} and "frontend_backlog is 400" in incident["status"]["options"][0]["message"]
    assert trial.settings()["read-only"] == "true" and reverts(incident) == ["Owed"]


@pytest.mark.requirement("D-12")
def test_what_comes_back_with_the_removal_is_noticed(trial: TrialScene, prometheus: Prometheus) -> None:
    """The backlog is small because of the mitigation alone."""
    trial.prepare(with_variables(BACKLOG="400"))
    prometheus.until("frontend_backlog", [400])
    relief = {"setEnv": {"target": "app", "set": {"BACKLOG": "12"}}, "revert": {"onRecovery": True}}
    recovery = {"verify": [ROLLED_OUT, below("30s", "5s")]}
    name = trial.run(option("relieve", ROLLED_OUT, below("1m", "2s"), steps=[step("relieve", **relief)]), recovery=recovery)
    incident = trial.until(name, "Escalated", 180)
    assert reverts(incident) == ["Done"] and states(incident) == {"relieve": "Denied"}
    assert "did not last" in incident["status"]["options"][0]["message"]


def watched(trial: TrialScene, prometheus: Prometheus, watch_for: str) -> str:
    """Mitigated, recovered, and watched."""
    trial.prepare()
    prometheus.tells(12)
    name = contain(trial, within="2m", hold_for="1s", watch_for=watch_for)
    assert trial.until(name, "Resolved")["status"]["watchUntil"]
    return name


@pytest.mark.requirement("C-06")
def test_recurrence_within_the_window_reopens(trial: TrialScene, prometheus: Prometheus) -> None:
    name = watched(trial, prometheus, "10m")
    prometheus.backlog(400)
    incident = trial.until_status(name, ".attempt", "2")
    waiting(trial, name, "waiting for its checks")
    assert trial.settings()["read-only"] == "true", "mitigated anew"
    prometheus.backlog(12)
    incident = trial.until(name, "Resolved")
    assert incident["status"]["attempt"] == 2 and trial.settings()["read-only"] == "false"
    assert incident["status"]["evidence"]["captures"] >= 4, "evidence of the recurrence too"


@pytest.mark.requirement("C-06")
def test_release_that_breaks_again_after_its_rollback_reopens_and_is_rolled_back_again(trial: TrialScene) -> None:
    trial.prepare()
    trial.break_release()
    health = {"http": {"service": "frontend", "port": 8080, "path": "/health"}}
    undo = {"name": "undo", "expect": "the release before serves again", "rolloutUndo": {"target": "app", "to": "Previous"}}
    back = option("undo", ROLLED_OUT, check("healthy", "1m", "1s", **health), steps=[undo])
    name = trial.run(back, recovery={"verify": [check("still-healthy", "1m", "1s", **health)], "watchFor": "10m"})
    incident = trial.until(name, "Resolved", 180)
    assert incident["status"]["watchUntil"] and trial.environment() == {"FRONTEND_VERSION": "v1"}
    assert seen(incident, "healthy")["verdict"] == "Confirmed", "its health was asked after the rollback"
    trial.break_release("v3")
    trial.until_status(name, ".attempt", "2")
    incident = trial.until(name, "Resolved", 180)
    assert trial.environment() == {"FRONTEND_VERSION": "v1"} and states(incident) == {"undo": "Confirmed"}


@pytest.mark.requirement("C-06")
def test_one_bad_answer_is_no_recurrence(trial: TrialScene, prometheus: Prometheus) -> None:
    name = watched(trial, prometheus, "10m")
    prometheus.backlog(400)
    trial.kubectl("wait", f"incident/{name}", "--for=jsonpath={.status.recoverySince}", "--timeout=30s")
    prometheus.backlog(12)
    incident = gone(trial, name, "recoverySince")
    assert incident["status"]["phase"] == "Resolved" and "attempt" not in incident["status"], "the first one"


@pytest.mark.requirement("C-06")
def test_recurrence_after_the_window_is_another_incident(trial: TrialScene, prometheus: Prometheus) -> None:
    name = watched(trial, prometheus, "5s")
    gone(trial, name, "watchUntil")
    prometheus.tells(400)
    incident = trial.incident(name)
    assert incident["status"]["phase"] == "Resolved" and "attempt" not in incident["status"], "the first one"
    assert "wakeAt" not in incident["status"], "nobody looks any more"
    assert trial.settings()["read-only"] == "false"


def gone(trial: TrialScene, name: str, field: str) -> dict[str, Any]:
    """The Incident once its status has no such field."""
    seen: list[dict[str, Any]] = []

    def is_gone() -> bool:
        seen.append(trial.incident(name))
        return field not in seen[-1]["status"]

    trial.until_true(f"{field} is not in the status any more", is_gone)
    return seen[-1]


@pytest.mark.requirement("E-07")
@pytest.mark.parametrize("to", ["Previous", "LastStable"])
def test_what_a_denied_option_made_is_nothing_to_go_back_to(trial: TrialScene, to: str) -> None:
    """Its pods are ready and its revision is the newest but one: all that speaks for it, but that it did not help."""
    trial.prepare()
    trial.break_release()
    # Asked once it is rolled out: at the end of its time one question decides, and it must not meet a pod that is just going.
    healthy = check("healthy", "10s", http={"service": "frontend", "port": "8080", "path": "/health"})
    tune = step("tune", setEnv={"target": "app", "set": {"TUNED": "yes"}}, smoke=[{**ROLLED_OUT, "name": "tuned"}])
    back = {"target": "app", "to": to, "stableAfter": "1s"}
    undo = {"name": "undo", "expect": "the release before serves again", "rolloutUndo": back}
    name = trial.run(
        option("tune", ROLLED_OUT, healthy, steps=[tune], revertOnFailure=True),
        option("undo", {**ROLLED_OUT, "name": "back"}, {**healthy, "name": "healthy-again", "within": "2m"}, steps=[undo]),
    )
    incident = trial.until(name, "Resolved", 240)
    assert states(incident) == {"tune": "Denied", "undo": "Confirmed"} and reverts(incident)[0] == "Done"
    assert trial.environment() == {"FRONTEND_VERSION": "v1"}

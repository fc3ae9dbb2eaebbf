"""The alerts as Prometheus sees them: it takes them, each fires when it should, and none while all is well."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from stanch.engine.shipped import OTHERS, PLAYBOOKS
from tests.cluster.prometheus import promtool
from tests.cluster.providers import docker_answers
from tests.stage.overlay import MANIFESTS

RULES = yaml.safe_load((MANIFESTS / "components/monitoring/alerts.yaml").read_text())["spec"]
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
HERE, ELSEWHERE = "stanch-system", "elsewhere"
# Every 15 seconds; two pods, of which one leads. Another installation, which is well, hides nothing.
WELL = {
    **{f'stanch_leader{{namespace="{namespace}", pod="{pod}"}}': f"{leads}x80" for namespace in (HERE, ELSEWHERE)
       for pod, leads in (("a", 1), ("b", 0))},
    **{f'stanch_{gauge}{{namespace="{namespace}", pod="{pod}"}}': "0x80" for namespace in (HERE, ELSEWHERE) for pod in ("a", "b")
       for gauge in ("reverts_overdue", "watch_silent", "deadlines_missed", "acknowledgements_overdue",
                     "restorations_overdue")},
    # Who does not lead does not look, and never says that all is well.
    **{f'stanch_decisions_trusted{{namespace="{namespace}", pod="{pod}"}}': f"{leads}x80" for namespace in (HERE, ELSEWHERE)
       for pod, leads in (("a", 1), ("b", 0))},
    **{f'stanch_admission_trusted{{namespace="{namespace}", pod="a", policy="{policy.name}"}}': "1x80"
       for namespace in (HERE, ELSEWHERE) for policy in OTHERS},
}  # fmt: skip
Told = dict[str, str]
PLACE = re.compile(r"\{\{ \$(value|labels\.policy) \}\}")


def pod(gauge: str, name: str = "a") -> str:
    return f'stanch_{gauge}{{namespace="{HERE}", pod="{name}"}}'


@pytest.fixture
def alerting(tmp_path: Path) -> Callable[..., str]:
    """promtool looks whether exactly these alerts fire, with their values, at that time, of what is told. Raises with why not."""
    docker = docker_answers()
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(RULES))

    def judged(told: Told, at: str, firing: dict[str, str]) -> str:
        series = [{"series": name, "values": values} for name, values in told.items()]
        wanted = [{"eval_time": at, "alertname": name, "exp_alerts": expected(name, firing)} for name in ALERTS]
        test = {"interval": "15s", "input_series": series, "alert_rule_test": wanted}
        said = {"rule_files": ["rules.yaml"], "evaluation_interval": "15s", "tests": [test]}
        (tmp_path / "test.yaml").write_text(yaml.safe_dump(said))
        return promtool(tmp_path, "test", "rules", "test.yaml", docker=docker)

    promtool(tmp_path, "check", "rules", "rules.yaml", docker=docker)
    return judged


def expected(name: str, firing: dict[str, str]) -> list[dict[str, Any]]:
    if name not in firing:
        return []
    # absent() tells no labels.
    where = {} if name == "StanchNoLeader" else {"namespace": HERE}
    where |= {"policy": firing[name]} if name == "StanchAdmissionNotTrusted" else {}
    said = {key: PLACE.sub(firing[name], text) for key, text in ALERTS[name]["annotations"].items()}
    return [{"exp_labels": {**ALERTS[name]["labels"], **where}, "exp_annotations": said}]


def test_nothing_fires_while_all_is_well(alerting: Any) -> None:
    alerting(WELL, "15m", {})


@pytest.mark.parametrize(
    "told",
    [
        {name: values for name, values in WELL.items() if HERE not in name},
        WELL | {pod("leader"): "0x80"},
        WELL | {pod("leader"): "1x10 _x70", pod("leader", "b"): "0x10 _x70"},
    ],
    ids=["nobody there", "nobody leads", "gone"],
)
def test_without_a_leader_somebody_is_called(alerting: Any, told: Told) -> None:
    alerting(told, "12m", {"StanchNoLeader": ""})


def test_from_one_leader_to_the_next_nobody_is_called(alerting: Any) -> None:
    alerting(WELL | {pod("leader"): "1x20 0x60", pod("leader", "b"): "0x26 1x54"}, "6m30s", {})


def test_a_revert_that_is_overdue_calls_somebody_until_it_is_done(alerting: Any) -> None:
    told = WELL | {pod("reverts_overdue"): "0x8 3x20 0x60"}
    alerting(told, "3m", {})
    alerting(told, "5m", {"StanchRevertOverdue": "3"})
    alerting(told, "8m", {})


def test_a_watch_that_is_silent_is_told_after_the_restart_that_heals_it(alerting: Any) -> None:
    told = WELL | {pod("watch_silent"): "0x8 1 1 _ _ 0x70"}
    alerting(told, "4m", {"StanchWatchSilent": ""})
    alerting(told, "14m", {})


def test_a_broken_glass_is_told_for_an_hour_whoever_leads(alerting: Any) -> None:
    well = {name: values.replace("x80", "x400") for name, values in WELL.items()}
    told = well | {pod("glass_broken_total"): "0x8 1x392", pod("glass_broken_total", "b"): "0x400"}
    alerting(told, "1m", {})
    alerting(told, "5m", {"StanchGlassBroken": ""})
    alerting(told, "90m", {})


def test_a_missed_deadline_is_told_until_it_is_dealt_with(alerting: Any) -> None:
    told = WELL | {pod("deadlines_missed"): "0x8 1x20 0x60"}
    alerting(told, "5m", {"StanchDeadlineMissed": "1"})
    alerting(told, "8m", {})


@pytest.mark.requirement("B-02", "E-30")
def test_who_has_taken_nothing_on_in_time_is_called_until_somebody_has(alerting: Any) -> None:
    told = WELL | {pod("acknowledgements_overdue"): "0x8 2x20 0x60"}
    alerting(told, "2m45s", {})
    alerting(told, "4m", {"StanchUnacknowledged": "2"})
    alerting(told, "8m", {})


@pytest.mark.requirement("B-02")
def test_what_is_not_mitigated_in_time_is_told_until_it_is(alerting: Any) -> None:
    told = WELL | {pod("restorations_overdue"): "0x8 1x20 0x60"}
    alerting(told, "2m45s", {})
    alerting(told, "4m", {"StanchNotRestored": "1"})
    alerting(told, "8m", {})


def test_that_no_decision_is_accepted_is_told_after_a_while(alerting: Any) -> None:
    told = WELL | {pod("decisions_trusted"): "1x8 0x20 1x60"}
    alerting(told, "4m", {})
    alerting(told, "6m", {"StanchDecisionsNotTrusted": ""})
    alerting(told, "9m", {})


def test_from_one_leader_to_the_next_trust_goes_along(alerting: Any) -> None:
    """Who leads no more is gone; who leads now has looked."""
    told = WELL | {
        pod("leader"): "1x20 _x60", pod("decisions_trusted"): "1x20 _x60",
        pod("leader", "b"): "0x21 1x60", pod("decisions_trusted", "b"): "0x21 1x60",
    }  # fmt: skip
    alerting(told, "12m", {})


def test_an_admission_policy_that_is_not_in_force_is_named(alerting: Any) -> None:
    series = f'stanch_admission_trusted{{namespace="{HERE}", pod="a", policy="{PLAYBOOKS.name}"}}'
    told = WELL | {series: "1x8 0x20 1x60"}
    alerting(told, "4m", {})
    alerting(told, "6m", {"StanchAdmissionNotTrusted": PLAYBOOKS.name})
    alerting(told, "9m", {})

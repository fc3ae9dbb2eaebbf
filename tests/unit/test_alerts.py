"""Alerts ask for what the operator tells; that each fires, and Prometheus takes them, `tests/contract/test_alerts.py` shows."""

from __future__ import annotations

import re

import pytest
import yaml

from stanch.runtime.metrics import Metrics
from tests.unit.source_tree import ROOT

RULES = ROOT / "manifests/components/monitoring/alerts.yaml"
ALERTS = [rule for group in yaml.safe_load(RULES.read_text())["spec"]["groups"] for rule in group["rules"]]
# What Prometheus reads of a family, by its type.
SUFFIXES = {"gauge": [""], "counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}
# Of PromQL's words, those that are used.
WORDS = {"absent", "and", "by", "increase", "max", "max_over_time", "namespace", "on", "pod", "policy"}


def exported() -> set[str]:
    return {family.name + suffix for family in Metrics().registry.collect() for suffix in SUFFIXES[family.type]}


def names(expression: str) -> set[str]:
    """Every name in it but those of labels that are matched: durations begin with a digit."""
    return set(re.findall(r"\b[a-zA-Z_:][\w:]*", re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", expression))) - WORDS


@pytest.mark.parametrize("alert", ALERTS, ids=[alert["alert"] for alert in ALERTS])
def test_an_alert_asks_for_what_is_told_and_says_what_to_do(alert: dict[str, dict[str, str]]) -> None:
    asked = names(str(alert["expr"]))
    assert asked and asked <= exported()
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert alert["annotations"]["summary"] and len(alert["annotations"]["description"]) > 100


def test_what_must_wake_somebody_does() -> None:
    assert [alert["alert"] for alert in ALERTS] == [
        "StanchNoLeader", "StanchRevertOverdue", "StanchUnacknowledged", "StanchNotRestored", "StanchDecisionsNotTrusted",
        "StanchAdmissionNotTrusted", "StanchWatchSilent", "StanchDeadlineMissed", "StanchGlassBroken",
    ]  # fmt: skip


def test_a_name_that_is_not_told_is_seen() -> None:
    assert names('max by (namespace) (rate(stanch_reverts{a="b"}[5m])) > 0') == {"rate", "stanch_reverts"}
    assert not {"stanch_reverts", "stanch_ticks"} & exported() and "stanch_ticks_total" in exported()

"""What policies and playbooks may say of guards: zones and times that exist, shares and numbers; and who must read budgets."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from stanch.api.access import grants
from stanch.api.guards import Guards
from stanch.api.kinds import PlaybookSpec
from stanch.api.policy import FreezeWindow, Once
from tests.unit import api_examples as examples

WEEKLY = {"days": ["Friday"], "startTime": "18:00", "duration": "62h"}


def window(zone: str) -> FreezeWindow:
    return FreezeWindow.model_validate({"name": "a", "timeZone": zone, "weekly": WEEKLY})


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"])
def test_zones_by_their_names(zone: str) -> None:
    assert window(zone).time_zone == zone


@pytest.mark.parametrize(
    "zone", ["Europe/Atlantis", "localtime", "Local", "+01:00", "../etc/passwd", "Europe/../UTC", "/etc/localtime", ""]
)
def test_what_is_no_zone(zone: str) -> None:
    with pytest.raises(ValidationError):
        window(zone)


@pytest.mark.parametrize("day", ["2026-02-30T10:00", "2026-12-20", "2026-12-20T24:00", "2026-12-20T18:00Z"])
def test_a_time_that_is_none(day: str) -> None:
    with pytest.raises(ValidationError):
        Once.model_validate({"start": day, "end": "2027-12-20T18:00"})


@pytest.mark.parametrize(
    ("said", "fits"), [(0, True), (3, True), ("50%", True), ("100%", True), (-1, False), ("101%", False), ("3", False)]
)
def test_min_available(said: Any, fits: bool) -> None:
    if fits:
        assert Guards.model_validate({"minAvailable": said}).min_available == said
    else:
        with pytest.raises(ValidationError):
            Guards.model_validate({"minAvailable": said})


def needs_budgets(guards: dict[str, Any], *steps: dict[str, Any]) -> bool:
    spec = examples.playbook()["spec"]
    spec["guards"] = guards
    if steps:
        spec["options"][0]["steps"] = [{"name": f"s{n}", "expect": "it helps", **step} for n, step in enumerate(steps)]
        del spec["options"][1:]
    return any(grant.resource == "poddisruptionbudgets" for grant in grants(PlaybookSpec.model_validate(spec), "aureus"))


def test_budgets_are_read_where_a_step_may_take_pods_and_the_playbook_respects_them() -> None:
    assert needs_budgets({}) and not needs_budgets({"podDisruptionBudgets": "Ignore"})
    assert needs_budgets({}, {"scale": {"target": "app", "replicas": 1}})
    assert not needs_budgets({}, {"wait": {"for": "1m"}}) and not needs_budgets({}, {"rolloutPause": {"target": "app"}})

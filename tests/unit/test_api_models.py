"""The models take what people write, and refuse with what was expected."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from stanch.api import codec
from stanch.api.decision import Decision
from stanch.api.incident import Incident
from stanch.api.kinds import PlaybookSpec
from stanch.api.policy import ResponsePolicy
from stanch.domain.incident import Facts
from stanch.domain.plan import OnFailure, OnMissing, Risk
from tests.unit import api_examples as examples


def test_a_playbook_reads_as_it_is_written() -> None:
    spec = PlaybookSpec.model_validate(examples.playbook()["spec"])
    restart, undo = spec.options
    assert spec.evidence.budget == timedelta(seconds=20)
    assert spec.evidence.on_failure is OnMissing.Block
    assert (restart.risk, restart.on_failure, restart.approval) == (Risk.Low, OnFailure.Next, None)
    assert undo.approval.timeout == timedelta(minutes=15)
    assert undo.verify[0].hold_for == timedelta(minutes=5)


def test_a_step_says_its_action_target_and_parameters() -> None:
    spec = PlaybookSpec.model_validate(examples.playbook()["spec"])
    chosen = spec.options[1].steps[0].chosen
    assert (chosen.kind, chosen.target, chosen.params["to"]) == ("rolloutUndo", "app", "LastStable")


def test_evidence_without_target_is_about_all() -> None:
    spec = PlaybookSpec.model_validate(examples.playbook()["spec"])
    assert [source.chosen.target for source in spec.evidence.collect] == ["app", "", "app", ""]


@pytest.mark.parametrize("actions", [{}, {"rolloutRestart": {"target": "app"}, "rolloutUndo": {"target": "app", "to": "Previous"}}])
def test_a_step_has_exactly_one_action(actions: dict[str, object]) -> None:
    playbook = examples.playbook()
    playbook["spec"]["options"][0]["steps"][0] = {"name": "restart", "expect": "better", **actions}
    with pytest.raises(ValidationError, match="a step has exactly one of rolloutRestart, rolloutUndo"):
        PlaybookSpec.model_validate(playbook["spec"])


@pytest.mark.parametrize("budget", ["-5s", "1.5m", "20", "", "0s", "11m"])
def test_a_duration_that_is_none_or_out_of_bounds_is_refused(budget: str) -> None:
    playbook = examples.playbook()
    playbook["spec"]["evidence"]["budget"] = budget
    with pytest.raises(ValidationError, match="duration"):
        PlaybookSpec.model_validate(playbook["spec"])


@pytest.mark.parametrize(
    "target",
    [
        {"objectName": "a", "nameFrom": "${incident.component}"},
        {},
        {"nameFrom": "$(reboot)"},
        {"objectName": "a", "maxCount": 2},
        {"objectName": "A_b"},
    ],
)
@pytest.mark.requirement("A-15")
def test_a_target_is_found_in_one_bounded_way(target: dict[str, object]) -> None:
    playbook = examples.playbook()
    playbook["spec"]["targets"] = [{"name": "app", "kind": "Deployment", **target}]
    with pytest.raises(ValidationError):
        PlaybookSpec.model_validate(playbook["spec"])


def test_checks_have_names_of_their_own() -> None:
    playbook = examples.playbook()
    http = {"http": {"service": "frontend", "port": 80, "path": "/"}}
    playbook["spec"]["options"][0]["verify"] = [{"rollout": {"target": "app"}}, http, http, {**http, "name": "rollout"}]
    spec = PlaybookSpec.model_validate(playbook["spec"])
    assert spec.options[0].check_names() == ("rollout-1", "http-2", "http-3", "rollout")


def test_the_other_kinds_read_as_they_are_written() -> None:
    assert Incident.model_validate(examples.incident()["spec"]).opened_by == "alice"
    assert ResponsePolicy.model_validate(examples.policy()["spec"]).levels[0].name == "P0"
    assert Decision.model_validate(examples.decision()["spec"]).role == "incident-commander"


@pytest.mark.parametrize("missing", ["role", "option", "planDigest"])
def test_an_approval_names_role_option_and_plan(missing: str) -> None:
    spec = examples.decision()["spec"]
    del spec[missing]
    with pytest.raises(ValidationError, match="Approve and Reject need role, option and planDigest"):
        Decision.model_validate(spec)


def test_every_other_decision_says_why() -> None:
    spec = {**examples.decision()["spec"], "verb": "Abort"}
    with pytest.raises(ValidationError, match="reason is required"):
        Decision.model_validate(spec)
    assert Decision.model_validate({**spec, "reason": "wrong service"}).reason == "wrong service"


def facts(component: str = "frontend", **labels: str) -> Facts:
    incident = examples.served(examples.incident())
    incident["spec"]["component"] = component
    incident["metadata"]["labels"] = labels
    return codec.facts_of(incident)

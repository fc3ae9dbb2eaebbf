"""Each rule of lint is seen finding its fault, at its place, and silent on a good playbook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stanch.api.lint import Severity, lint_document
from tests.unit import api_examples as examples

Spec = dict[str, Any]


def found(spoil: Callable[[Spec], object]) -> list[tuple[str, str, str]]:
    playbook = examples.playbook()
    spoil(playbook["spec"])
    return [(problem.severity, problem.path, problem.message) for problem in lint_document(playbook)]


@pytest.mark.parametrize("example", [examples.playbook, examples.incident, examples.policy, examples.decision])
def test_good_objects_have_no_problems(example: Callable[[], Spec]) -> None:
    assert lint_document(example()) == ()


def put(*path: str | int, value: object) -> Callable[[Spec], None]:
    def spoil(spec: Any) -> None:
        for key in path[:-1]:
            spec = spec[key]
        spec[path[-1]] = value

    return spoil


UNDO = {"name": "undo", "expect": "better", "rolloutUndo": {"target": "app", "to": "Previous"}}
TARGET = {"name": "app", "kind": "Deployment", "objectName": "frontend"}

ERRORS = {
    "unknown target of a step": (
        put("options", 0, "steps", 0, "rolloutRestart", "target", value="ap"),
        "spec.options[0].steps[0].rolloutRestart.target",
        "there is no target ap",
    ),
    "unknown target of a check": (
        put("options", 0, "verify", 0, "rollout", "target", value="db"),
        "spec.options[0].verify[0].rollout.target",
        "there is no target db",
    ),
    "unknown target of evidence": (
        put("evidence", "collect", 0, "logs", "target", value="db"),
        "spec.evidence.collect[0].logs.target",
        "there is no target db",
    ),
    "two targets of one name": (put("targets", value=[TARGET, TARGET]), "spec.targets", "2 are named app"),
    "two options of one name": (put("options", 0, "name", value="undo"), "spec.options", "2 are named undo"),
    "two steps of one name": (put("options", 1, "steps", value=[UNDO, UNDO]), "spec.options[1].steps", "2 are named undo"),
    "two checks of one name": (
        put("options", 1, "verify", value=[{"name": "a", "rollout": {"target": "app"}}] * 2),
        "spec.options[1].verify",
        "2 are named a",
    ),
    "a condition that does not compile": (
        put("options", 1, "when", value="facts.lastDeploy.aeg < duration('30m')"),
        "spec.options[1].when",
        "undeclared reference to 'facts.lastDeploy.aeg'",
    ),
    "a condition that is no condition": (
        put("options", 1, "when", value="incident.severity"),
        "spec.options[1].when",
        "gives string",
    ),
    "a condition that never holds": (put("options", 1, "when", value="1 > 2"), "spec.options[1].when", "always false"),
    "an option that is never reached": (
        put("options", 0, "onFailure", value="Stop"),
        "spec.options[1]",
        "never tried: restart is always run before it",
    ),
    "a hold that outlasts its option": (
        put("options", 1, "timeout", value="5m"),
        "spec.options[1].timeout",
        "5m ends before a check has held for 5m",
    ),
    "an action that is none": (
        put("options", 1, "steps", 0, value={"name": "undo", "expect": "x", "rollotUndo": {"target": "app"}}),
        "spec.options[1].steps[0].rollotUndo",
        "there is no field rollotUndo here",
    ),
    "an option without checks": (put("options", 1, "verify", value=[]), "spec.options[1].verify", "at least 1 item"),
    "no evidence": (put("evidence", "collect", value=[]), "spec.evidence.collect", "at least 1 item"),
    "a required field left out": (
        put("targets", 0, value={"name": "app", "objectName": "a"}),
        "spec.targets[0].kind",
        "is required",
    ),
    "no expectation": (
        put("options", 0, "steps", 0, value={"name": "a", "rolloutRestart": {"target": "app"}}),
        "spec.options[0].steps[0].expect",
        "is required",
    ),
}

WARNINGS = {
    "a condition that always holds": (put("options", 1, "when", value="1 < 2"), "spec.options[1].when", "always true"),
    "evidence that a change destroys": (
        put("evidence", "collect", value=[{"rolloutHistory": {}}]),
        "spec.evidence.collect",
        "not captured: logs, events, describe, objects",
    ),
    "nothing is held": (
        put("options", 1, "verify", value=[{"rollout": {"target": "app"}}]),
        "spec.options[1].verify",
        "no check must hold",
    ),
    "a risk that is understated": (put("options", 1, "risk", value="Low"), "spec.options[1].risk", "says Low, but"),
    "no match": (lambda spec: spec.pop("match"), "spec", "no match"),
}


@pytest.mark.parametrize("fault", ERRORS)
def test_errors_are_found_at_their_place(fault: str) -> None:
    spoil, where, what = ERRORS[fault]
    problems = [(path, message) for severity, path, message in found(spoil) if severity == Severity.error]
    assert any(path == where and what in message for path, message in problems), problems


@pytest.mark.requirement("E-04")
@pytest.mark.parametrize("fault", WARNINGS)
def test_warnings_are_found_at_their_place(fault: str) -> None:
    spoil, where, what = WARNINGS[fault]
    assert [(path, what in message) for severity, path, message in found(spoil)] == [(where, True)]


def test_a_target_that_nothing_looks_at() -> None:
    playbook = examples.playbook()
    playbook["spec"]["targets"].append({**TARGET, "name": "other"})
    assert lint_document(playbook) == ()
    playbook["spec"]["evidence"]["collect"] = [{kind: {"target": "app"}} for kind in ("logs", "events", "describe", "objects")]
    assert [problem.path for problem in lint_document(playbook)] == ["spec.targets[1]"]


def test_hints_say_what_was_meant() -> None:
    playbook = examples.playbook()
    playbook["spec"]["options"][0]["steps"][0]["rolloutRestart"]["target"] = "ap"
    assert [problem.hint for problem in lint_document(playbook)] == ["did you mean app?"]
    playbook["spec"]["options"][0]["steps"] = [{"name": "a", "expect": "b", "rollotUndo": {}}]
    assert "did you mean rolloutUndo?" in [problem.hint for problem in lint_document(playbook)]


def test_a_foreign_object_is_named() -> None:
    (problem,) = lint_document({"apiVersion": "v1", "kind": "Pod"})
    assert (problem.path, problem.message) == ("kind", "v1 Pod is not a kind of stanch")

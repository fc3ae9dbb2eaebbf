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
ASK = {"name": "sessions", "exec": {"target": "app", "command": ["ps"], "type": "Integer"}}
COUNT = {
    "name": "count",
    "expect": "few",
    "exec": {"target": "app", "argv": ["ps"], "output": {"fact": "count", "type": "Integer"}},
}
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
    "a name from what nobody declares": (
        put("targets", 0, "nameFrom", value="${incident.title}"),
        "spec.targets[0].nameFrom",
        "undeclared reference to 'incident.title'",
    ),
    "a name from a fact that stanch finds by itself, later": (
        put("targets", 0, "nameFrom", value="${facts.lastDeploy.target}"),
        "spec.targets[0].nameFrom",
        "nobody knows yet",
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
    "a last resort before other options": (
        put("options", 0, "lastResort", value=True),
        "spec.options[0].lastResort",
        "stands before options that are no last resort",
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
    "a fact that nobody finds out": (
        put("options", 1, "when", value="facts.sessions > 3"),
        "spec.options[1].when",
        "undeclared reference to 'facts.sessions'",
    ),
    "a step that waits for its own output": (
        put("options", 1, "steps", value=[{**UNDO, "when": "facts.count > 3"}, COUNT | {"when": "facts.count > 3"}]),
        "spec.options[1].steps[1].when",
        "speaks of facts.count, which a step puts out that is not run before this",
    ),
    "a step that waits for a later one, written oddly": (
        put("options", 1, "steps", value=[{**UNDO, "when": "facts . count > 3"}, COUNT]),
        "spec.options[1].steps[0].when",
        "speaks of a fact, which a step puts out that is not run before this",
    ),
    "a step that waits for a later one": (
        put("options", 1, "steps", value=[{**UNDO, "when": "facts.count > 3"}, COUNT]),
        "spec.options[1].steps[0].when",
        "speaks of facts.count, which a step puts out that is not run before this",
    ),
    "an option that waits for its own steps": (
        lambda spec: spec["options"][1].update(when="facts.count > 3", steps=[COUNT, UNDO]),
        "spec.options[1].when",
        "speaks of facts.count",
    ),
    "a false alarm told by what a step puts out": (
        lambda spec: (spec["options"][1].update(steps=[COUNT, UNDO]), spec.update(falseAlarmWhen="facts.count < 3")),
        "spec.falseAlarmWhen",
        "speaks of facts.count",
    ),
    "two facts of one name": (
        put("options", 1, "steps", value=[COUNT, {**COUNT, "name": "again"}]),
        "spec.diagnosis",
        "2 are named count",
    ),
    "a fact of the name of stanch's own": (
        put("options", 1, "steps", value=[{**COUNT, "exec": {**COUNT["exec"], "output": {"fact": "lastDeploy"}}}]),
        "spec",
        "lastDeploy is a fact that stanch finds by itself",
    ),
    "a question about facts": (
        put("diagnosis", value=[ASK, {"name": "more", "exec": {"target": "app", "command": ["ps", "${facts.sessions}"]}}]),
        "spec.diagnosis[1].exec.command[1]",
        "facts.sessions",
    ),
    "evidence about facts": (
        lambda spec: (
            spec.update(diagnosis=[ASK], targets=[{**TARGET, "nameFrom": "${facts.sessions}"}])
            or spec["targets"][0].pop("objectName")
        ),
        "spec.targets[0].nameFrom",
        "undeclared reference to 'facts.sessions'",
    ),
    "a misspelt parameter in a template": (
        put(
            "options", 1, "steps", value=[{"name": "a", "expect": "b", "exec": {"target": "app", "argv": ["ps", "${params.nam}"]}}]
        ),
        "spec.options[1].steps[0].exec.argv[1]",
        "undeclared reference to 'params.nam'",
    ),
    "a template in code": (
        put(
            "options",
            1,
            "steps",
            value=[{"name": "a", "expect": "b", "exec": {"target": "app", "argv": ["sh", "-c", "${incident.name}"]}}],
        ),
        "spec.options[1].steps[0].exec",
        "a template in code would become code",
    ),
    "a revert of what cannot be taken back": (
        put("options", 0, "steps", 0, "revert", value={"after": "1h"}),
        "spec.options[0].steps[0].revert",
        "revert cannot be promised for rolloutRestart",
    ),
    "an unknown target of a smoke check": (
        put("options", 0, "steps", 0, "smoke", value=[{"rollout": {"target": "db"}}]),
        "spec.options[0].steps[0].smoke[0].rollout.target",
        "there is no target db",
    ),
    "an unknown target of recovery": (
        put("recovery", value={"verify": [{"rollout": {"target": "db"}}]}),
        "spec.recovery.verify[0].rollout.target",
        "there is no target db",
    ),
    "an unknown consumer": (
        lambda spec: (
            spec["targets"].append({"name": "flags", "kind": "ConfigMap", "objectName": "flags"}),
            spec["options"][1].update(
                steps=[{"name": "a", "expect": "b", "setConfig": {"target": "flags", "data": {"a": "b"}, "restart": ["ap"]}}]
            ),
        ),
        "spec.options[1].steps[0].setConfig.restart[0]",
        "there is no target ap",
    ),
    "an action on the wrong kind": (
        put("options", 1, "steps", value=[{"name": "a", "expect": "b", "setConfig": {"target": "app", "data": {"a": "b"}}}]),
        "spec.options[1].steps[0].setConfig.target",
        "setConfig does not work on a Deployment",
    ),
    "two smoke checks of one name": (
        put("options", 0, "steps", 0, "smoke", value=[{"name": "a", "rollout": {"target": "app"}}] * 2),
        "spec.options[0].steps[0].smoke",
        "2 are named a",
    ),
    "a default that its own pattern refuses": (
        put("parameters", value=[{"name": "a", "default": "x y", "pattern": "[a-z]+"}]),
        "spec.parameters[0].default",
        "expected what matches [a-z]+",
    ),
    "a pattern that is none": (
        put("parameters", value=[{"name": "a", "default": "x", "pattern": "(a"}]),
        "spec.parameters[0].pattern",
        "is no regular expression",
    ),
    "a pattern with a backward reference": (
        put("parameters", value=[{"name": "a", "default": "x", "pattern": "(a)\\1"}]),
        "spec.parameters[0].pattern",
        "is no regular expression",
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


def last_resorts(*marks: bool) -> list[str]:
    """Where lint complains, with an option for each mark: whether it is a last resort."""
    playbook = examples.playbook()
    (first, _) = playbook["spec"]["options"]
    playbook["spec"]["options"] = [{**first, "name": f"try-{place}", "lastResort": mark} for place, mark in enumerate(marks)]
    return [problem.path for problem in lint_document(playbook)]


def test_last_resorts_stand_last() -> None:
    assert last_resorts(False, False, True) == []
    assert last_resorts(False, True, True) == []
    assert last_resorts(True, True) == []
    assert last_resorts(True, False, True) == ["spec.options[0].lastResort"]
    assert last_resorts(True, True, False) == ["spec.options[0].lastResort", "spec.options[1].lastResort"]


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("It is ${incident.severity}, $${really}.", ""),
        ("${params.user}", "undeclared reference to 'params.user'"),
        ("${incident.title}", "undeclared reference to 'incident.title'"),
        ("since ${facts.lastDeploy.at}", "speaks of facts, and is drafted before any is known"),
        ("${incident.name", "is not closed by"),
        ("", "should have at least 1 character"),
        ("x" * 4097, "should have at most 4096 characters"),
    ],
)
def test_what_a_message_to_people_outside_may_say(text: str, message: str) -> None:
    told = lint_document(telling({"name": "status-page", "audience": "all customers", "text": text, "releasedBy": "comms"}))
    if not message:
        assert told == ()
        return
    (problem,) = told
    assert (problem.severity, problem.path) == (Severity.error, "spec.messages[0].text") and message in problem.message


def test_messages_have_names_of_their_own() -> None:
    one = {"name": "status-page", "audience": "all customers", "text": "We are on it.", "releasedBy": "comms"}
    (problem,) = lint_document(telling(one, one))
    assert (problem.path, problem.message) == ("spec.messages", "2 are named status-page")


@pytest.mark.parametrize("field", ["name", "audience", "text", "releasedBy"])
def test_a_message_that_nobody_releases_or_reads_is_none(field: str) -> None:
    one = {"name": "status-page", "audience": "all customers", "text": "We are on it.", "releasedBy": "comms"}
    (problem,) = lint_document(telling({key: value for key, value in one.items() if key != field}))
    assert (problem.path, problem.message) == (f"spec.messages[0].{field}", "is required")


def telling(*messages: Spec) -> Spec:
    policy = examples.policy()
    policy["spec"]["messages"] = list(messages)
    return policy

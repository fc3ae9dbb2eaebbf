"""What makes a playbook unusable, and what does not: facts in their order, place and remedy in the refusal."""

from __future__ import annotations

from stanch.api.kinds import PlaybookSpec
from stanch.api.lint import Severity, lint_document, why_unusable
from tests.unit import api_examples as examples
from tests.unit.test_api_lint import ASK, COUNT, UNDO


def test_what_is_found_out_before_may_be_spoken_of() -> None:
    """The same as in the faults above, in the right order."""
    playbook = examples.playbook()
    spec = playbook["spec"]
    spec |= {
        "diagnosis": [ASK],
        "falseAlarmWhen": "facts.sessions < 3",
        "parameters": [{"name": "few", "type": "Integer", "default": "3"}],
    }
    later = {**UNDO, "when": "facts.count > params.few && facts.sessions > 3"}
    spec["options"][0]["steps"].append(COUNT)
    spec["options"][1] |= {"when": "facts.count > 3", "steps": [later]}
    spec["options"][0]["verify"][0] = {"exec": {"target": "app", "command": ["ps", "${facts.sessions}"], "expect": "value != ''"}}
    assert [problem for problem in lint_document(playbook) if problem.severity is Severity.error] == []


def test_a_playbook_that_cannot_be_run_says_where_and_what_to_do() -> None:
    playbook = examples.playbook()
    assert why_unusable(PlaybookSpec.model_validate(playbook["spec"])) == ""
    playbook["spec"]["options"][1]["when"] = "facts.sessions > 3"
    playbook["spec"]["options"][0]["steps"][0]["rolloutRestart"]["target"] = "ap"
    why = why_unusable(PlaybookSpec.model_validate(playbook["spec"]))
    assert why.startswith("spec.options[0].steps[0].rolloutRestart.target: there is no target ap (did you mean app?)")
    assert why.endswith("and 1 more faults: stanch lint shows them")


def test_what_only_makes_little_sense_does_not_hold_an_incident_up() -> None:
    playbook = examples.playbook()
    playbook["spec"]["options"][1] |= {"when": "1 > 2", "timeout": "1m"}
    assert len([problem for problem in lint_document(playbook) if problem.severity is Severity.error]) == 2
    assert why_unusable(PlaybookSpec.model_validate(playbook["spec"])) == ""

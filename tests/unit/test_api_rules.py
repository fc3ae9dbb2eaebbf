"""Every CEL rule of the CRDs has an object that breaks it (`rule_breakers`), and what reads files here says the same."""

from __future__ import annotations

import pytest

from stanch.api.kinds import KINDS
from stanch.api.lint import Severity, lint_document
from tests.unit.rule_breakers import BREAKERS, CASES, GOOD, broken
from tests.unit.test_api_crds import nodes, root

# Of the two kinds whose rules are tried elsewhere: Decisions in `decision_examples`, what is fixed on an Incident in
# tests/contract/test_crds.py.
FIXED = "is fixed when the object is created; create another one instead"
KEYS = ("keys have at most", "keys match")


@pytest.mark.parametrize("kind", BREAKERS)
def test_no_rule_is_without_an_object_that_breaks_it(kind: str) -> None:
    schema = root(next(one for one in KINDS if one.name == kind))
    messages = {rule["message"] for _, node in nodes(schema) for rule in node.get("x-kubernetes-validations", ())}
    tried = tuple(BREAKERS[kind])
    assert [message for message in messages if not message.startswith(tried) and not message.endswith(FIXED)] == []
    assert [start for start in tried if not any(message.startswith(start) for message in messages)] == []


@pytest.mark.parametrize("kind", GOOD)
def test_the_unbroken_object_has_no_errors(kind: str) -> None:
    assert [problem for problem in lint_document(GOOD[kind]()) if problem.severity is Severity.error] == []


@pytest.mark.parametrize(("kind", "message"), CASES)
def test_files_are_refused_as_the_api_server_refuses_objects(kind: str, message: str) -> None:
    errors = [problem for problem in lint_document(broken(kind, message)) if problem.severity is Severity.error]
    assert errors and all(problem.path.startswith("spec") and problem.message for problem in errors)

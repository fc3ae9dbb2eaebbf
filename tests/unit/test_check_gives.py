"""Of which type a fact of the diagnosis is, each kind of check says before it was asked: conditions are compiled with it."""

from __future__ import annotations

import pytest

from stanch.checks.registry import CHECKS
from stanch.domain.plan import FactType

SAID = {
    "exec prints a text": ("exec", {"command": ["ps"]}, FactType.String),
    "exec says what it prints": ("exec", {"command": ["ps"], "type": "Integer"}, FactType.Integer),
    "a sample of Prometheus": ("prometheus", {"service": "p", "port": 9090, "query": "up"}, FactType.Number),
    "lines of a log": ("logs", {"count": "error"}, FactType.Integer),
    "how a Job ended": ("job", {"objectName": "backup"}, FactType.String),
    "a part of an object, of no said type": ("object", {"value": "object.status.phase"}, FactType.String),
    "a part of an object": ("object", {"value": "object.spec.replicas", "type": "Integer"}, FactType.Integer),
    "a condition on an object": ("object", {"expect": "has(object.spec)"}, FactType.Boolean),
    "a verdict": ("rollout", {}, FactType.Boolean),
}


@pytest.mark.parametrize("case", SAID)
def test_the_type_of_a_fact_is_known_beforehand(case: str) -> None:
    name, params, expected = SAID[case]
    kind = CHECKS[name]
    assert kind.gives(kind.params.model_validate(params)) is expected

"""The matrix of bad input against what reads files and what plans Incidents; the same on a real API server: tests/contract."""

from __future__ import annotations

from typing import Any

import pytest

from stanch.api.lint import Severity, lint_document
from stanch.engine.errors import Refused
from tests.unit.bad_cases import BAD, CLASSES, LOOKS_LIKE_CODE, TAKEN, taken
from tests.unit.bad_input import Bad, Pair, good
from tests.unit.planning import planned


def errors(pair: Pair) -> list[Any]:
    found = (problem for obj in (pair.playbook, pair.incident) for problem in lint_document(obj))
    return [problem for problem in found if problem.severity is Severity.error]


def test_every_attack_has_several_cases_and_a_neighbour_that_is_taken() -> None:
    assert CLASSES.keys() == TAKEN.keys()
    assert all(len(cases) >= 6 for cases in CLASSES.values())
    assert all(bool(bad.api) != bool(bad.reason) for bad in BAD)
    assert len({str(bad) for bad in BAD}) == len(BAD)


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad.where and not bad.server_only], ids=str)
def test_a_file_with_it_is_refused_at_its_place(bad: Bad) -> None:
    found = errors(bad.pair())
    assert any(problem.path.startswith(bad.where) for problem in found), [str(problem)[:300] for problem in found]
    assert all(len(problem.message) < 4096 for problem in found), "what is wrong is told, not all of it repeated"


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad.reason], ids=str)
async def test_an_incident_with_it_is_refused_when_it_is_planned(bad: Bad) -> None:
    with pytest.raises(Refused) as refused:
        await planned(bad.pair())
    assert (refused.value.reason, bad.says in refused.value.message) == (bad.reason, True), refused.value.message[:500]
    assert bad.where in refused.value.message


@pytest.mark.parametrize("attack", TAKEN)
async def test_its_neighbour_is_taken(attack: str) -> None:
    pair = taken(attack)
    assert errors(pair) == []
    assert (await planned(pair)).options[0].steps


async def test_what_looks_like_code_arrives_as_it_was_given() -> None:
    plan = await planned(taken("alert labels that look like code"))
    assert plan.options[0].steps[0].params["data"]["note"] == LOOKS_LIKE_CODE
    assert (await planned(good())).options[0].steps[0].params["data"] == {"mode": "normal", "note": "none"}

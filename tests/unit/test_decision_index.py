"""Decisions reach the incident that they name in their own namespace, and no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stanch.domain.decision import Decision, Verb
from stanch.runtime.decisions import RECORDED, DecisionIndex
from tests.unit.play import Play

KEY = ("aureus", "frontend-502")


def said(**changes: str) -> Decision:
    return replace(Play().say(Verb.Abort), **changes)


def test_a_decision_is_found_until_it_is_recorded() -> None:
    index = DecisionIndex()
    index.put(said())
    assert [decision.verb for decision in index.of(KEY)] == [Verb.Abort]
    index.put(replace(said(), recorded=True))
    assert index.of(KEY) == ()


@pytest.mark.parametrize("elsewhere", [{"namespace": "attacker"}, {"incident": "other"}])
def test_a_role_in_one_namespace_decides_nothing_in_another(elsewhere: dict[str, str]) -> None:
    """The API server proves a role in the Decision's own namespace; the UID in it is anybody's to copy."""
    index = DecisionIndex()
    index.put(said(**elsewhere))
    assert index.of(KEY) == ()


def test_a_watch_that_is_behind_brings_no_recorded_decision_back() -> None:
    index = DecisionIndex()
    index.put(replace(said(), recorded=True))
    index.put(said())
    assert index.of(KEY) == ()


def test_no_more_is_remembered_of_what_was_recorded_than_a_watch_is_behind() -> None:
    index = DecisionIndex()
    for number in range(RECORDED + 1):
        index.put(replace(said(uid=f"uid-{number}"), recorded=True))
    for number in (0, 1):
        index.put(said(uid=f"uid-{number}"))
    assert [decision.uid for decision in index.of(KEY)] == ["uid-0"]


def test_a_decision_about_an_earlier_incident_of_the_name_is_told_and_has_no_effect() -> None:
    play = Play()
    play.say(Verb.Abort, incident_uid="uid-of-another")
    play.tick()
    assert play.status.phase != "Aborted" and play.decisions[0].recorded
    (line,) = (entry.line for entry in play.chain if entry.line.key == "1/decision/uid-d1")
    assert line.result.startswith("no effect: it is about an incident with UID uid-of-another")

"""What counts as another end of an incident, when lives with a crash or a fault are compared with one without."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from stanch.engine.verifying import UNWATCHED
from tests.stage.whole import EFFECTS, ENDS, Life, Tally, steady, told

LOST = ("1/hold/undo/lost", "Hold", "the checks stay true")
STRAIGHT = Life(
    options=dict(ENDS), environment={}, settings={}, effects=EFFECTS.copy(), unknown=frozenset(),
    told=Counter({("1/resolved", "", ""): 1}), writes=[], restarts=0, late=0.0, evidence_first=True, problems="",
)  # fmt: skip


def clean(life: Life, **tally: bool) -> bool:
    counted = Tally(**tally)
    counted.count("it", life, STRAIGHT)
    return counted.clean


@pytest.mark.parametrize(
    "life",
    [
        replace(STRAIGHT, effects=EFFECTS + EFFECTS),
        replace(STRAIGHT, effects=EFFECTS - EFFECTS),
        replace(STRAIGHT, told=Counter()),
        replace(STRAIGHT, told=STRAIGHT.told + STRAIGHT.told),
        replace(STRAIGHT, options={**ENDS, "undo": "Denied"}),
        replace(STRAIGHT, settings={"read-only": "true"}),
        replace(STRAIGHT, evidence_first=False),
        replace(STRAIGHT, late=11.0),
        replace(STRAIGHT, late=-0.1),
        replace(STRAIGHT, problems="entry 3"),
    ],
    ids=["doubled", "lost", "not told", "told twice", "another option", "not taken back", "no evidence", "late", "early", "broken"],
)
@pytest.mark.parametrize("unanswered", [False, True])
def test_another_end_is_seen(life: Life, unanswered: bool) -> None:
    assert clean(STRAIGHT, unanswered=unanswered)
    assert not clean(life, unanswered=unanswered)


@pytest.mark.parametrize(
    "life",
    [replace(STRAIGHT, options={**ENDS, "tune": "Inconclusive"}), replace(STRAIGHT, told=STRAIGHT.told + Counter([LOST]))],
    ids=["inconclusive", "a hold anew"],
)
def test_what_follows_from_a_question_without_an_answer_is_no_other_end_where_some_have_none(life: Life) -> None:
    assert clean(life, unanswered=True) and not clean(life)


def test_every_life_tells_of_a_hold_that_was_lost_but_for_one_that_nobody_watched() -> None:
    assert steady(LOST[0], {"result": "unknown: health: no answer"})
    assert not steady(LOST[0], {"result": f"unknown: {UNWATCHED}"})


def line(key: str, action: str, **more: str) -> dict[str, str]:
    return {"key": key, "action": action, **more}


def test_a_line_that_is_told_twice_is_seen_also_of_decisions_whose_uids_are_each_lifes_own() -> None:
    twice = [line("1/decision/u-1", "Close"), line("1/decision/u-2", "Close"), line("1/resolved", "Resolve")]
    assert Counter(told("inc", twice)) == Counter({("inc/1/decision", "Close", ""): 2, ("inc/1/resolved", "Resolve", ""): 1})


def test_what_is_verified_anew_after_a_hold_was_lost_is_not_told_twice() -> None:
    verified, lost = line("1/verify/undo/confirmed", "Verify"), line(LOST[0], LOST[1], result=f"unknown: {UNWATCHED}")
    assert [key for key, *_ in told("inc", [verified, lost, verified])] == ["inc/1/verify/undo/confirmed"]
    assert len([*told("inc", [verified, lost, verified, verified])]) == 2, "without a loss it is"

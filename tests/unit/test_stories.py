"""The stories of the crash matrix, in memory: they go as they say, and end the same with a crash at any write.

What a real operator makes of them, and SIGKILL, is `tests/e2e/test_crash.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stage.stories import STORIES
from tests.stage.whole import Story, Tally
from tests.unit.rehearsal import rehearse
from tests.unit.test_runtime_crash import CrashAt

BY_NAME = pytest.mark.parametrize("story", STORIES, ids=[story.name for story in STORIES])
# Writes between two crashes that are rehearsed.
STRIDE = 7


@BY_NAME
def test_undisturbed_it_goes_as_it_says(story: Story, tmp_path: Path) -> None:
    life, _ = rehearse(story, tmp_path)
    assert life.options == story.ends and life.effects == story.effects
    assert life.left == story.left and life.problems == ""
    assert story.fits(life) and life.evidence_first and 0 <= life.late <= 10


@pytest.mark.long
@BY_NAME
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_killed_at_a_write_it_ends_the_same(story: Story, late: bool, tmp_path: Path) -> None:
    reference, _ = rehearse(story, tmp_path / "reference")
    tally, number, died = Tally(), 1, True
    while died:
        life, died = rehearse(story, tmp_path / f"{number}", CrashAt("write", number, late))
        tally.count(number, life, reference)
        number += STRIDE
    assert tally.clean, tally
    assert number > 40

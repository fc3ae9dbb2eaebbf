"""A status of an earlier format is read as what it would be in this one."""

from __future__ import annotations

import pytest

from stanch.api.upgrade import UPGRADES, upgraded
from stanch.domain.incident import FORMAT_VERSION

AT = "2026-11-20T03:00:00Z"


def test_every_earlier_format_has_its_way_to_the_next() -> None:
    assert list(UPGRADES) == list(range(1, FORMAT_VERSION))


@pytest.mark.parametrize("body", [{}, {"phase": "Opened"}, {"formatVersion": FORMAT_VERSION, "steps": [{"state": "Waiting"}]}])
def test_what_is_of_this_format_stays_as_it_is(body: dict) -> None:
    assert upgraded(body) is body


@pytest.mark.parametrize(
    ("step", "more"),
    [
        ({"state": "Waiting", "intendedAt": AT}, {"writtenAt": AT}),
        ({"state": "Waiting", "intendedAt": AT, "writtenAt": "2026-11-20T03:00:09Z"}, {}),
        ({"state": "Waiting"}, {}),
        ({"state": "Intended", "intendedAt": AT}, {}),
        ({"state": "Done", "intendedAt": AT}, {}),
    ],
)
def test_what_waits_was_written_when_it_was_intended(step: dict, more: dict) -> None:
    body = {"formatVersion": 1, "phase": "Mitigating", "steps": [step]}
    assert upgraded(body) == {"formatVersion": FORMAT_VERSION, "phase": "Mitigating", "steps": [step | more]}
    assert body["steps"] == [step], "what was read is not changed"

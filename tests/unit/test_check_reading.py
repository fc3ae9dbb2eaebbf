"""A failure to read is a value of its own: no data is never success."""

from __future__ import annotations

import pytest

from stanch.checks.reading import unread
from stanch.domain.incident import Verdict
from stanch.engine.errors import Conflict, NotFound, Refused, Retryable
from stanch.engine.parts import Reading


@pytest.mark.parametrize(
    ("failure", "final"),
    [(Retryable("Timeout", "m"), False), (Conflict("Conflict", "m"), False), (NotFound("NotFound", "m"), False),
     (Refused("Forbidden", "m"), True)],
)  # fmt: skip
def test_a_failure_to_read_is_inconclusive(failure: Exception, final: bool) -> None:
    assert unread(failure) == Reading(Verdict.Inconclusive, "could not be read: m", final)

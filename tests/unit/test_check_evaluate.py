"""What several readings say together: no data is never success."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanch.checks.evaluate import combine, unread
from stanch.domain.incident import Verdict
from stanch.engine.errors import Conflict, NotFound, Refused, Retryable
from stanch.engine.parts import Reading

readings = st.builds(Reading, st.sampled_from(Verdict), st.sampled_from(["a", "b"]), st.booleans())


def test_nothing_read_is_inconclusive() -> None:
    assert combine([]).verdict is Verdict.Inconclusive


@given(st.lists(readings, min_size=1, max_size=5))
def test_one_denial_denies_and_only_all_confirmed_confirms(several: list[Reading]) -> None:
    verdicts = {reading.verdict for reading in several}
    together = combine(several)
    assert (together.verdict is Verdict.Confirmed) == (verdicts == {Verdict.Confirmed})
    assert (together.verdict is Verdict.Denied) == (Verdict.Denied in verdicts)
    assert together.final == any(item.final for item in several if item.verdict is together.verdict)


@given(st.lists(readings, max_size=5))
def test_the_order_does_not_decide(several: list[Reading]) -> None:
    assert combine(several).verdict is combine(reversed(several)).verdict


@pytest.mark.parametrize(
    ("failure", "final"),
    [(Retryable("Timeout", "m"), False), (Conflict("Conflict", "m"), False), (NotFound("NotFound", "m"), False),
     (Refused("Forbidden", "m"), True)],
)  # fmt: skip
def test_a_failure_to_read_is_inconclusive(failure: Exception, final: bool) -> None:
    assert unread(failure) == Reading(Verdict.Inconclusive, "could not be read: m", final)

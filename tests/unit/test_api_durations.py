"""Durations are read as Kubernetes reads them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.duration import parse_duration

from stanch.domain.duration import MAX_LENGTH, parse, spell


@given(st.from_regex(r"([0-9]{1,5}(h|m|s|ms)){1,4}", fullmatch=True).filter(str.isascii))
def test_what_kubernetes_takes_is_read_alike(text: str) -> None:
    assert len(text) <= MAX_LENGTH
    assert parse(text) == parse_duration(text)


@given(st.text(max_size=12))
def test_what_kubernetes_refuses_is_refused(text: str) -> None:
    try:
        expected = parse_duration(text)
    except ValueError:
        with pytest.raises(ValueError, match="expected numbers with units"):
            parse(text)
    else:
        assert parse(text) == expected


@pytest.mark.parametrize("text", ["-5m", "1.5h", "5", "", "1d", "+5s", "5 m", "5m\n", "1h2m3s4ms5s", "٣s", "123456s"])
def test_signs_fractions_and_bare_numbers_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


@given(st.integers(min_value=0, max_value=99999 * 3_600_000).map(lambda ms: timedelta(milliseconds=ms)))
def test_spelling_reads_back(duration: timedelta) -> None:
    assert parse(spell(duration)) == duration


def test_spelling_is_the_shortest() -> None:
    assert [spell(timedelta(seconds=s)) for s in (0, 0.5, 90, 3600, 5400)] == ["0s", "500ms", "1m30s", "1h", "1h30m"]

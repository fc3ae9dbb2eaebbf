"""The benchmark's figures: medians, intervals, ratios of pairs, limits, verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.bench.intervals import Interval, exactly, of_median, of_quantile, quantile, ratio_of_medians
from tests.bench.report import as_json, cells, draw, figure, from_json
from tests.bench.rows import Row, Verdict, at_least, at_most, compared_row, last_line, median_row

figures = st.lists(st.floats(min_value=0.001, max_value=1000), min_size=1, max_size=12)


def row(value: Interval, *, ratio: Interval | None = None, limit=None) -> Row:
    return Row("it", "ms", 9, value, "other" if ratio else "", ratio, limit)


def normal(seed: int, mean: float, size: int = 60) -> list[float]:
    chance = Random(seed)
    return [chance.gauss(mean, mean / 10) for _ in range(size)]


@given(figures)
def test_an_interval_lies_within_the_samples_and_around_their_median(values: list[float]):
    found = of_median(values)
    assert min(values) <= found.low <= found.middle <= found.high <= max(values)


def test_the_same_samples_give_the_same_interval():
    assert of_median(normal(1, 20)) == of_median(normal(1, 20))


def test_more_samples_give_a_narrower_interval():
    few, many = of_median(normal(1, 20, 20)), of_median(normal(1, 20, 2000))
    assert many.high - many.low < (few.high - few.low) / 3


@pytest.mark.long
def test_the_interval_covers_the_true_median_about_nineteen_times_in_twenty():
    found = [of_median(normal(seed, 20, 40)) for seed in range(100)]
    assert 88 <= sum(one.low <= 20 <= one.high for one in found) <= 100


def test_a_quantile_lies_between_the_two_nearest_values():
    assert [quantile([1, 2, 3, 4, 5], share) for share in (0, 0.125, 0.5, 0.95)] == [1, 1.5, 3, pytest.approx(4.8)]


def test_a_tail_needs_a_thousand_samples():
    assert of_quantile(range(1000), 0.99).middle == pytest.approx(989.01)
    with pytest.raises(ValueError, match="1000 are needed"):
        of_quantile(range(999), 0.99)


def test_nothing_measured_is_an_error():
    with pytest.raises(ValueError, match="nothing was measured"):
        of_median([])


@pytest.mark.parametrize(("ours", "theirs"), [([], []), ([1.0], []), ([1.0, 2.0], [1.0])])
def test_a_ratio_needs_pairs(ours: list[float], theirs: list[float]):
    with pytest.raises(ValueError, match="pairs are needed"):
        ratio_of_medians(ours, theirs)


@given(figures, st.floats(min_value=0.01, max_value=100))
def test_a_ratio_does_not_depend_on_the_unit(values: list[float], factor: float):
    found = ratio_of_medians([value * factor for value in values], values)
    assert [found.low, found.middle, found.high] == pytest.approx([factor] * 3)


def test_what_slows_both_of_a_pair_down_cancels_out():
    load = [Random(number).uniform(1, 20) for number in range(40)]
    found = ratio_of_medians([2 * one for one in load], load)
    assert (found.low, found.high) == (pytest.approx(2), pytest.approx(2))


def test_a_limit_fails_only_when_the_better_end_is_beyond():
    assert row(Interval(9, 15, 20), limit=at_most(10)).verdict is Verdict.within
    assert row(Interval(11, 15, 20), limit=at_most(10)).verdict is Verdict.beyond
    assert row(Interval(5, 7, 10), limit=at_least(10)).verdict is Verdict.within
    assert row(Interval(5, 7, 9), limit=at_least(10)).verdict is Verdict.beyond


def test_the_ratio_is_judged_where_there_is_one():
    assert row(exactly(100), ratio=exactly(1.2), limit=at_most(1.25)).verdict is Verdict.within
    assert row(exactly(1), ratio=exactly(1.3), limit=at_most(1.25)).verdict is Verdict.beyond


def test_what_is_only_shown_is_not_counted():
    rows = [row(exactly(1)), row(exactly(1), limit=at_most(1)), row(exactly(2), limit=at_most(1))]
    assert last_line(rows) == "bench: 1 of 2 within limits"
    assert last_line(rows, ["burst"]) == "bench: 1 of 2 within limits; not measured: burst"


def test_rows_of_samples():
    assert median_row("it", "ms", [1, 2, 9]).value.middle == 2
    found = compared_row("it", "ms", [2, 4, 6], "other", [1, 2, 3], at_most(2))
    assert (found.ratio, found.samples, found.verdict) == (exactly(2), 3, Verdict.within)


@pytest.mark.parametrize(
    ("value", "told"), [(0.0, "0"), (3.0, "3"), (0.12345, "0.123"), (1.2345, "1.23"), (12.345, "12.3"), (1234.5, "1234")]
)
def test_a_figure_has_three_digits_that_count(value: float, told: str):
    assert figure(value) == told


def test_a_row_in_cells():
    found = cells(row(Interval(1.5, 2, 2.5), ratio=Interval(0.9, 1.1, 1.3), limit=at_most(1.25)))
    assert found == ("it", "9", "2 ms", "1.5 to 2.5", "1.1 (0.9 to 1.3)", "other", "≤ 1.25x", "within")
    assert cells(row(exactly(3), limit=at_least(2)))[-2:] == ("≥ 2 ms", "within")


def test_the_report_is_drawn_and_told_as_json(tmp_path: Path):
    rows = [row(exactly(1), limit=at_most(2)), row(Interval(1, 2, 3))]
    draw(Console(quiet=True), rows, "about it", tmp_path / "bench.svg")
    assert "within" in (tmp_path / "bench.svg").read_text()
    told = json.loads(as_json({"burst": rows}, {"cores": 2}))
    assert told["about"] == {"cores": 2}
    assert [one["verdict"] for one in told["measured"]["burst"]] == ["within", ""]
    assert told["measured"]["burst"][1]["value"] == {"low": 1, "middle": 2, "high": 3}


def test_what_an_earlier_run_measured_is_found_again_where_it_is_comparable():
    kept = {"burst": [row(Interval(1, 2, 3), ratio=exactly(0.5), limit=at_least(0.8))], "idle": []}
    told = as_json(kept, {"cores": 2, "scale": "full"})
    assert from_json(told, {"cores": 2, "scale": "full"}) == kept
    assert from_json(told, {"cores": 2, "scale": "brief"}) == {}

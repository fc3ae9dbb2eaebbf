"""What a row of samples says: its median or a percentile with a 95 % interval, and the ratio of two medians. Pure.

Intervals come from the percentile bootstrap: the samples are drawn anew, with replacement, again and again, and what lies in the
middle 95 % of the results is the interval. No shape of the distribution is assumed. The draws are seeded: the same samples
give the same interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from statistics import median

RESAMPLES = 2000
CONFIDENCE = 0.95
# Above this share a percentile of fewer samples than that says more of the dice than of what was measured.
TAIL, TAIL_SAMPLES = 0.95, 1000

Samples = Sequence[float]
Statistic = Callable[[Samples], float]


@dataclass(frozen=True)
class Interval:
    """`middle` is what the samples themselves give."""

    low: float
    middle: float
    high: float


def exactly(value: float) -> Interval:
    """What was counted, not sampled."""
    return Interval(value, value, value)


def quantile(values: Samples, share: float) -> float:
    """Between the two nearest values, linearly. Raises ValueError where there are too few samples for such a tail."""
    if share > TAIL and len(values) < TAIL_SAMPLES:
        raise ValueError(f"{share:.1%} of {len(values)} samples: {TAIL_SAMPLES} are needed above {TAIL:.0%}")
    return between(sorted(values), share)


def between(ordered: Samples, share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def of_median(values: Samples) -> Interval:
    return bootstrapped(values, median)


def of_quantile(values: Samples, share: float) -> Interval:
    return bootstrapped(values, partial(quantile, share=share))


def bootstrapped(values: Samples, statistic: Statistic) -> Interval:
    """Raises ValueError where there are no samples."""
    if not values:
        raise ValueError("no samples: nothing was measured")
    draws = Random(0)
    found = [statistic(draws.choices(values, k=len(values))) for _ in range(RESAMPLES)]
    return spanned(found, statistic(values))


def ratio_of_medians(ours: Samples, theirs: Samples) -> Interval:
    """Of pairs: `ours[n]` was measured beside `theirs[n]`, and pairs are drawn together, so that what slowed both down cancels
    out. Raises ValueError where they are no pairs."""
    if not ours or len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} samples beside {len(theirs)}: pairs are needed")
    draws = Random(0)
    pairs = list(zip(ours, theirs, strict=True))
    found = [ratio(draws.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES)]
    return spanned(found, ratio(pairs))


def ratio(pairs: Sequence[tuple[float, float]]) -> float:
    return median(ours for ours, _ in pairs) / median(theirs for _, theirs in pairs)


def spanned(found: Samples, middle: float) -> Interval:
    ordered, outside = sorted(found), (1 - CONFIDENCE) / 2
    return Interval(between(ordered, outside), middle, between(ordered, 1 - outside))

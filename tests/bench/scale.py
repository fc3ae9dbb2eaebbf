"""How much of everything is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """`warm`: lived before anything counts. `rate`: Incidents a second. `bursts`: how large, and how often.
    `rounds`: of cold starts. `window`: seconds of one look at an idle operator.
    `open`, `settled`, `cold`: Incidents. `pods`, `few`: pods whose logs are captured, `beside`: others."""

    pairs: int = 40
    warm: int = 3
    counted: int = 20
    offered: int = 1000
    rate: float = 50.0
    bursts: tuple[tuple[int, int], ...] = ((1000, 3), (5000, 1))
    rounds: int = 3
    open: int = 10_000
    batches: int = 10
    windows: int = 3
    window: float = 60.0
    settled: int = 9_900
    cold: int = 100
    captures: int = 10
    pods: int = 200
    few: int = 10
    beside: int = 10_000
    growth: tuple[int, ...] = (10, 100, 1000, 10_000)


FULL = Scale()
# Minutes: what the figures are about, from fewer samples.
BRIEF = Scale(
    pairs=15, counted=10, bursts=((1000, 2),), rounds=2, open=1000, batches=4, windows=2, settled=900, captures=5,
    beside=2000, growth=(10, 100, 1000),
)  # fmt: skip
# Shows that the harness works, and nothing else.
SHORT = Scale(
    pairs=2, warm=1, counted=2, offered=20, rate=10.0, bursts=((10, 2),), rounds=2, open=10, batches=2, windows=2, window=1.0,
    settled=5, cold=5, captures=2, pods=4, few=2, beside=5, growth=(2, 4),
)  # fmt: skip

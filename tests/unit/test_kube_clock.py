"""The API server's clock, from its Date headers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanch.engine.errors import Retryable
from stanch.kube.clock import ServerClock

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


class Machine:
    """Local monotonic time, and the server's true time beside it."""

    def __init__(self) -> None:
        self.monotonic = 1000.0
        self.ahead = timedelta()
        self.clock = ServerClock(lambda: self.monotonic)

    @property
    def true(self) -> datetime:
        return START + timedelta(seconds=self.monotonic - 1000) + self.ahead

    def ask(self, out: float = 0.01, back: float = 0.01) -> None:
        """A request that takes `out` seconds to the server and `back` seconds from it."""
        sent = self.monotonic
        self.monotonic += out
        date = format_datetime(self.true.replace(microsecond=0), usegmt=True)
        self.monotonic += back
        self.clock.observe(date, sent, self.monotonic)

    @property
    def behind(self) -> float:
        return (self.true - self.clock.now()).total_seconds()


def test_it_is_unknown_before_the_first_answer() -> None:
    with pytest.raises(Retryable, match="ClockUnknown"):
        ServerClock().now()


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5), st.floats(0, 100)), min_size=1, max_size=50))
def test_it_is_never_ahead(requests: list[tuple[float, float, float]]) -> None:
    machine = Machine()
    for out, back, pause in requests:
        machine.monotonic += pause
        machine.ask(out, back)
        assert -0.000_01 <= machine.behind <= 1 + max(back for _, back, _ in requests)


def test_it_narrows_with_every_answer() -> None:
    machine = Machine()
    for _ in range(200):
        machine.monotonic += 0.013
        machine.ask(0.001, 0.001)
    assert machine.behind < 0.05


@pytest.mark.parametrize("jump", [timedelta(hours=-1), timedelta(hours=1), timedelta(seconds=-3)])
def test_it_follows_the_server_when_its_clock_is_set(jump: timedelta) -> None:
    machine = Machine()
    machine.ask()
    machine.ahead = jump
    machine.ask()
    assert -1.1 <= machine.behind <= 1.1


@pytest.mark.parametrize("date", ["", "nonsense", "Mon, 99 Jan 2026 00:00:00 GMT"])
def test_an_unreadable_date_changes_nothing(date: str) -> None:
    machine = Machine()
    machine.ask()
    before = machine.clock.now()
    machine.clock.observe(date, machine.monotonic, machine.monotonic)
    assert machine.clock.now() == before

"""Background processes of the test cluster and the demo: known again, asked to stop, never started without a record."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import process
from tests.cluster.process import Process
from tests.cluster.run import wait_for


def test_process_hears_that_it_is_asked_to_stop(tmp_path: Path) -> None:
    started = Process(tmp_path / "pid.json", ("sleep", "600"))
    started.start(["sleep", "600"], tmp_path / "log")
    pid = started.pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    try:
        wait_for("the end of sleep", lambda: started.pid is None, 5, 0.01)
    finally:
        started.kill()


@pytest.fixture
def on_a_terminal() -> Iterator[None]:
    """Whoever is started in the background by a shell ignores Ctrl-C, and so does all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("on_a_terminal")
def test_ctrl_c_waits_until_what_was_started_is_recorded() -> None:
    passed = []
    with pytest.raises(KeyboardInterrupt), process._undisturbed():
        signal.raise_signal(signal.SIGINT)
        passed.append("recorded")
    assert passed

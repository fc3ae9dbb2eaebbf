"""A background process that is known again later, and never mistaken for another."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .paths import write
from .run import wait_for

INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Process:
    """A process of ours: where its number is kept, and arguments that it must have."""

    record: Path
    marks: tuple[str, ...]

    @property
    def pid(self) -> int | None:
        """Its number, None when it does not run (any more)."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            kept = json.loads(self.record.read_text())
            _bury(kept["pid"])
            if _started(kept["pid"]) == kept["started"] and self._has_marks(kept["pid"]):
                return int(kept["pid"])
        return None

    def start(self, argv: list[str], log: Path) -> None:
        """Start it unless it runs: detached, without input, its output at the log's end."""
        if self.pid is not None:
            return
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out, _undisturbed():
            started = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd="/")
            write(self.record, json.dumps({"pid": started.pid, "started": _started(started.pid)}))
        # For a moment after its start the kernel shows no arguments of it yet.
        wait_for(
            f"{argv[0]} (process {started.pid}): started", lambda: self.pid is not None or started.poll() is not None, 10, 0.01
        )

    def kill(self, target: int | None = None) -> None:
        """End it at once, by ending `target` where that takes it along, and wait for its end."""
        pid = self.pid
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(target or pid, signal.SIGKILL)
        wait_for(f"end of process {pid} ({self.marks[0]})", lambda: self.pid is None, 30, 0.05)

    def _has_marks(self, pid: int) -> bool:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        return all(mark in arguments for mark in self.marks)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits: a process that was started but not recorded could not be ended later.

    By handlers and not by the signal mask: that one the process would inherit, and never hear that it is asked to stop.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python interrupts only the main thread.
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in came:
        signal.raise_signal(number)


def _started(pid: int) -> int:
    """When the process began, in clock ticks since boot: tells it from a later namesake."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def _bury(pid: int) -> None:
    """Take note of the process's end where it is our own child; else it would stay a zombie."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)

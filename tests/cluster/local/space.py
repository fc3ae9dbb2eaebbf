"""The namespaces (network, mounts, processes) in which one whole cluster lives.

One process on the host holds them. When it goes, by `down`, by `kill -9` or with the
machine, the kernel ends every process inside and drops every mount and link with it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from ..model import ClusterError
from ..paths import SOURCE
from ..process import Process
from ..run import run, wait_for

INIT = SOURCE / "local" / "init.sh"
# Starts its arguments in the background with a log file, and keeps the process's number.
SPAWN = 'log=$1 pid=$2; shift 2; setsid "$@" >>"$log" 2>&1 </dev/null & echo $! >"$pid"'


@dataclass(frozen=True)
class Space:
    """The namespaces of the cluster whose state is in this folder."""

    state: Path

    @property
    def pid(self) -> int | None:
        """The holder's process number on the host, None when it does not run (any more)."""
        return self._holder.pid

    @property
    def enter(self) -> list[str]:
        """What to put before a command so that it runs inside; raises ClusterError."""
        pid = self.pid
        if pid is None:
            raise ClusterError(f"{self.state}: the cluster does not run; bring it up")
        spaces = f"/proc/{pid}/ns"
        return ["nsenter", f"--net={spaces}/net", f"--mount={spaces}/mnt", f"--pid={spaces}/pid_for_children", "--"]

    def start(self) -> int:
        """Make the namespaces unless they are there; returns the holder's process number."""
        self._holder.start(
            [
                "unshare",
                "--net",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "--",
                "sh",
                str(INIT),
                str(self.state),
            ],
            self._log,
        )
        wait_for(f"{self._log}: namespaces set up", self._initialised, 20, 0.05)
        pid = self.pid
        assert pid is not None, "it was there a moment ago"
        return pid

    def stop(self) -> None:
        """End everything inside, at once, and wait until it is gone."""
        pid = self.pid
        if pid is not None:
            self._holder.kill(_first_inside(pid))

    def spawn(self, name: str, argv: list[str]) -> None:
        """Start a background program inside unless it runs; its output goes to `logs/`."""
        if self.runs(self.pid_file(name)):
            return
        log = self.state / "logs" / f"{name}.log"
        for file in (log, self.pid_file(name)):
            file.parent.mkdir(parents=True, exist_ok=True)
        # In a session of its own, Ctrl-C cannot come between the start and the record of it.
        run([*self.enter, "setsid", "--wait", "sh", "-c", SPAWN, "sh", str(log), str(self.pid_file(name)), *argv])

    def pid_file(self, name: str) -> Path:
        """Where the number (as seen inside) of a spawned program is kept."""
        return self.state / "pids" / f"{name}.pid"

    def runs(self, pid_file: Path) -> bool:
        """Whether the program that the file is named for runs inside under the kept number."""
        with contextlib.suppress(OSError, ValueError):
            inside = Path(f"/proc/{self.pid}/root/proc/{int(pid_file.read_text())}")
            program = (inside / "cmdline").read_bytes().split(b"\0")[0].decode()
            return Path(program).name == pid_file.stem
        return False

    @property
    def _holder(self) -> Process:
        """Known by the state folder alone: whoever uses the same one from another checkout must not start a second."""
        return Process(self.state / "space.json", ("unshare", str(self.state)))

    @property
    def _log(self) -> Path:
        return self.state / "logs" / "init.log"

    def _initialised(self) -> bool:
        pid = self.pid
        if pid is None:
            said = self._log.read_text(errors="replace")[-1000:]
            raise ClusterError(f"namespaces for {self.state} could not be made: {said}")
        return Path(f"/proc/{pid}/root/run/initialised").exists()


def _first_inside(holder: int) -> int:
    """The init process: its end is complete, and the holder's follows, when all inside have ended."""
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{holder}/task/{holder}/children").read_text().split()[0])
    return holder

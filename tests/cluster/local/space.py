"""The namespaces (network, mounts, processes) in which one whole cluster lives.

One process on the host holds them. When it goes, by `down`, by `kill -9` or with the
machine, the kernel ends every process inside and drops every mount and link with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ..model import ClusterError
from ..paths import SOURCE, write
from ..run import run, wait_for

INIT = SOURCE / "local" / "init.sh"
# Starts its arguments in the background with a log file, and prints the process's number.
SPAWN = 'log=$1; shift; setsid "$@" >>"$log" 2>&1 </dev/null & echo $!'


@dataclass(frozen=True)
class Space:
    """The namespaces of the cluster whose state is in this folder."""

    state: Path

    @property
    def pid(self) -> int | None:
        """The holder's process number on the host, None when it does not run (any more)."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            record = json.loads(self._record.read_text())
            _bury(record["pid"])
            if _started(record["pid"]) == record["started"] and self._is_holder(record["pid"]):
                return int(record["pid"])
        return None

    @property
    def enter(self) -> list[str]:
        """What to put before a command so that it runs inside; raises ClusterError."""
        pid = self.pid
        if pid is None:
            raise ClusterError(f"{self.state}: the cluster does not run; bring it up")
        spaces = f"/proc/{pid}/ns"
        return ["nsenter", f"--net={spaces}/net", f"--mount={spaces}/mnt",
                f"--pid={spaces}/pid_for_children", "--"]

    def start(self) -> int:
        """Make the namespaces unless they are there; returns the holder's process number."""
        if self.pid is None:
            self._launch()
            wait_for(f"{self.state / 'logs/init.log'}: namespaces set up", self._initialised, 20, 0.05)
        pid = self.pid
        assert pid is not None, "it was there a moment ago"
        return pid

    def stop(self) -> None:
        """End everything inside, at once, and wait until it is gone."""
        pid = self.pid
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(_first_inside(pid), signal.SIGKILL)
        wait_for(f"end of process {pid} ({INIT.name})", lambda: self.pid is None, 30, 0.05)

    def spawn(self, name: str, argv: list[str]) -> None:
        """Start a background program inside unless it runs; its output goes to `logs/`."""
        if self.runs(self.pid_file(name)):
            return
        log = self.state / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        pid = run([*self.enter, "sh", "-c", SPAWN, "sh", str(log), *argv]).strip()
        write(self.pid_file(name), pid)

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
    def _record(self) -> Path:
        return self.state / "space.json"

    def _launch(self) -> None:
        log = self.state / "logs" / "init.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            holder = subprocess.Popen(
                ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                 "--", "sh", str(INIT), str(self.state)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd="/",
            )
        write(self._record, json.dumps({"pid": holder.pid, "started": _started(holder.pid)}))

    def _initialised(self) -> bool:
        pid = self.pid
        if pid is None:
            said = (self.state / "logs" / "init.log").read_text(errors="replace")[-1000:]
            raise ClusterError(f"namespaces for {self.state} could not be made: {said}")
        return Path(f"/proc/{pid}/root/run/initialised").exists()

    def _is_holder(self, pid: int) -> bool:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        return str(INIT) in arguments and str(self.state) in arguments


def _started(pid: int) -> int:
    """When the process began, in clock ticks since boot: tells it from a later namesake."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def _first_inside(holder: int) -> int:
    """The init process: its end is complete, and the holder's follows, when all inside have ended."""
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{holder}/task/{holder}/children").read_text().split()[0])
    return holder


def _bury(pid: int) -> None:
    """Take note of the process's end where it is our own child; else it would stay a zombie."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)

"""The operator as a process of its own, under the ServiceAccount that is shipped, not as admin."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.stage.account import keep, kubeconfig_of
from tests.stage.install import SHIPPED
from tests.stage.kubectl import Kubectl

START_SECONDS = 30.0


@dataclass
class OperatorProcess:
    """`server` replaces the API server's address: something that breaks or counts what goes over it stands there. `packs` is a
    folder or a URL; `environment` is told beside this process's own, as a container is told its variables."""

    kubectl: Kubectl
    folder: Path
    namespaces: tuple[str, ...]
    namespace: str = SHIPPED
    server: str = ""
    packs: Path | str | None = None
    identity: str = "stage"
    environment: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    # Where in its log its present life begins.
    _since: int = field(default=0, init=False)

    @property
    def log(self) -> Path:
        return self.folder / "operator.log"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Returns once it leads. Raises with the end of its log when it does not."""
        self.begin()
        self._await(b"operator.leading", START_SECONDS, self._since)

    def started(self) -> None:
        """Returns once it takes signals: before that, SIGTERM ends it as it ends any program."""
        self._await(b"operator.started", START_SECONDS, self._since)

    def begin(self) -> None:
        """Starts it, and does not wait until it leads: another may."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._since = self.log.stat().st_size if self.log.exists() else 0
        kubeconfig = self.folder / "operator.kubeconfig"
        if not kubeconfig.exists():
            keep(kubeconfig, kubeconfig_of(self.kubectl.inside(self.namespace), "stanch", self.server))
        environment = {**os.environ, **self.environment, "STANCH_IDENTITY": self.identity}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(kubeconfig), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment
            )

    def until_it_says(self, event: str, seconds: float = START_SECONDS) -> dict[str, Any]:
        """The first line of its log of that event; waits for it."""
        self._await(event.encode(), seconds, 0)
        return next(line for line in self.lines() if line["event"] == event)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def ended(self, seconds: float | None = START_SECONDS) -> int:
        """Its exit code, once it has ended by itself."""
        assert self._process is not None
        return self._process.wait(seconds)

    def _command(self, kubeconfig: Path) -> list[str]:
        options = {
            "--kubeconfig": kubeconfig, "--operator-namespace": self.namespace, "--packs": self.packs or self.folder / "packs",
            "--http-port": 0, "--log-format": "json",
        }  # fmt: skip
        pairs = [str(part) for pair in options.items() for part in pair]
        named = [part for name in self.namespaces for part in ("--namespace", name)]
        return [str(Path(sys.executable).with_name("stanch")), "run", *pairs, *named]

    def _await(self, event: bytes, seconds: float, begin: int) -> None:
        end = time.monotonic() + seconds
        running = True
        while time.monotonic() < end and running:
            # Asked before the log is read: one that led and was killed since has led.
            running = self.running
            if event in self.log.read_bytes()[begin:]:
                return
            # Waits for the process to end, at most this long: the log is looked at in between.
            self._poll(0.1)
        raise AssertionError(f"the operator does not say {event.decode()}:\n{self.log.read_text()[-4000:]}")

    def _poll(self, seconds: float) -> None:
        assert self._process is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    def stop(self) -> int:
        """Asks it to stop and returns its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> int:
        if self._process is None:
            return 0
        if self.running:
            os.kill(self.pid, number)
        return self._process.wait(20)

    def lines(self) -> list[dict[str, Any]]:
        """What it logged, as objects."""
        whole = self.log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

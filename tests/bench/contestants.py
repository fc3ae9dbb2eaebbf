"""Who is measured: stanch, the Go operator and its naive variant, a person's script. Each in a namespace of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.bench.place import ACCOUNT, HERE, Place, beside, leave, user_of
from tests.stage.account import keep, kubeconfig_of
from tests.stage.operator import OperatorProcess

START_SECONDS = 30.0
SCRIPT_SECONDS = 60.0


class Contestant(Protocol):
    """`user` is whose requests are its own."""

    name: str
    namespace: str
    place: Place

    @property
    def user(self) -> str: ...

    def start(self) -> None:
        """Returns once it would see an Incident."""

    def stop(self) -> None: ...

    async def opened(self, incident: str) -> None:
        """An Incident was created: what a person does then, who has no operator."""

    def evidence_seconds(self) -> dict[str, float]:
        """Incident -> how long its evidence took."""


@dataclass
class Stanch:
    """`server` replaces the API server's address."""

    namespace: str
    place: Place
    server: str = ""
    name: str = "stanch"
    process: OperatorProcess = field(init=False)

    def __post_init__(self) -> None:
        kubectl, folder = self.place.kubectl, self.place.folder / self.namespace
        self.process = OperatorProcess(kubectl, folder, (self.namespace,), beside(self.namespace), server=self.server)

    @property
    def user(self) -> str:
        return user_of(beside(self.namespace), "stanch")

    @property
    def pid(self) -> int:
        return self.process.pid

    def start(self) -> None:
        self.process.start()

    def stop(self) -> None:
        self.process.stop()

    async def opened(self, incident: str) -> None:
        return

    def evidence_seconds(self) -> dict[str, float]:
        return {incident: effects.get("Capture", 0.0) for incident, effects in self.effect_seconds().items()}

    def effect_seconds(self) -> dict[str, dict[str, float]]:
        """Incident -> effect -> how long it took, up to the first write of a target."""
        found: dict[str, dict[str, float]] = {}
        for line in self.process.lines():
            if line["event"] == "effect":
                seconds = found.setdefault(line["incident"], {})
                if "Write" not in seconds:
                    seconds[line["effect"]] = seconds.get(line["effect"], 0.0) + line["seconds"]
        return found


@dataclass
class Peer:
    """The Go operator; `program` is what `build.peer` gives."""

    namespace: str
    place: Place
    program: Path
    naive: bool = False
    process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return "naive Go" if self.naive else "Go peer"

    @property
    def user(self) -> str:
        return user_of(self.namespace, ACCOUNT)

    @property
    def log(self) -> Path:
        return self.place.folder / f"{self.namespace}.log"

    def start(self) -> None:
        config = keep(self.place.folder / f"{self.namespace}.kubeconfig", config_of(self.place, self.namespace))
        options = ["-as", str(config), "-namespace", self.namespace, *(["-naive"] if self.naive else [])]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([str(self.program), *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + START_SECONDS
        while b"watching" not in self.log.read_bytes():
            if ended(self.process, 0.05) or time.monotonic() > end:
                raise AssertionError(f"the {self.name} does not watch:\n{self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)

    async def opened(self, incident: str) -> None:
        return

    def evidence_seconds(self) -> dict[str, float]:
        return {}


@dataclass
class Script:
    """script.sh, started at the moment the Incident is there: a person would take longer."""

    namespace: str
    place: Place
    name: str = "kubectl script"
    evidence: dict[str, float] = field(default_factory=dict)

    @property
    def user(self) -> str:
        return user_of(self.namespace, ACCOUNT)

    @property
    def folder(self) -> Path:
        return self.place.folder / self.namespace

    def start(self) -> None:
        (self.folder / "bin").mkdir(parents=True)
        (self.folder / "bin" / "kubectl").symlink_to(self.place.program)
        keep(self.folder / "kubeconfig", config_of(self.place, self.namespace))

    def stop(self) -> None:
        return

    async def opened(self, incident: str) -> None:
        self.evidence[incident] = float(await self.run("script.sh", incident))

    async def run(self, script: str, about: str) -> str:
        """What it prints. Both scripts also get the folder where they keep evidence."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "KUBECONFIG": str(self.folder / "kubeconfig"), "HOME": str(self.folder)}
        program = [str(HERE / script), about, str(self.folder)]
        running = await asyncio.create_subprocess_exec(*program, env=environment, stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(SCRIPT_SECONDS):
            said, _ = await running.communicate()
        assert running.returncode == 0, f"{' '.join(program)}: exit {running.returncode}"
        return said.decode()

    def evidence_seconds(self) -> dict[str, float]:
        return self.evidence


def ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether it ends within that time."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def config_of(place: Place, namespace: str) -> dict:
    return kubeconfig_of(place.kubectl.inside(namespace), ACCOUNT)


@dataclass(frozen=True)
class Field:
    """Brings contestants up, each on new ground, and clears it up behind them."""

    place: Place
    program: Path

    @contextmanager
    def stanch(self, ground: str, *, started: bool = True, server: str = "") -> Iterator[Stanch]:
        namespace = f"{self.place.name}-{ground}-stanch"
        self.place.stanch_ground(namespace)
        with running(Stanch(namespace, self.place, server), started=started) as contestant:
            yield contestant

    @contextmanager
    def peer(self, ground: str, *, naive: bool = False) -> Iterator[Peer]:
        namespace = f"{self.place.name}-{ground}-{'naive' if naive else 'peer'}"
        self.place.other_ground(namespace)
        with running(Peer(namespace, self.place, self.program, naive)) as contestant:
            yield contestant

    @contextmanager
    def script(self, ground: str) -> Iterator[Script]:
        namespace = f"{self.place.name}-{ground}-script"
        self.place.other_ground(namespace)
        with running(Script(namespace, self.place)) as contestant:
            yield contestant


@contextmanager
def running(contestant: Contestant, *, started: bool = True) -> Iterator:
    with ExitStack() as after:
        after.callback(leave, contestant.place.kubectl, contestant.namespace)
        after.callback(contestant.stop)
        if started:
            contestant.start()
        yield contestant

"""Random incidents, one after the other, under an operator whose requests go wrong now and then and which is killed again and
again. What they promise is kept for the judgement; what came of them is not looked at here.
"""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from aiohttp import web

from tests.stage.audit.terms import REVERT, Outage, Promise
from tests.stage.kubectl import Kubectl
from tests.stage.operator import OperatorProcess
from tests.stage.proxy import Door, Written
from tests.stage.supervisor import Supervisor
from tests.stage.trial import ROLLED_OUT, TrialScene, check, option, step, writing
from tests.stage.trouble import Answered, Chance, CutStream, Gone, Late, Reset

Document = dict[str, Any]
W = TypeVar("W")
TOOLS = "localhost/stanch/tools:v1"

# What a capture of these sources asks for and nothing else does; in part is enough to go on where a fault hit the rest.
EVIDENCE = {"collect": [{"logs": {"target": "app"}}, {"events": {}}, {"describe": {"target": "app"}}], "onFailure": "Proceed"}
READ = frozenset({("get", "pods/log"), ("list", "events")})
ANSWERS = check("health", within="90s", hold_for="1s", http={"service": "frontend", "port": "8080", "path": "/health"})
# Writes between two kills: an incident makes about so many.
KILLED_AFTER = (10, 70)
# Kills, and ends that faults cause, in a minute: more are a loop.
ENDS_A_MINUTE = 20
# Seconds until an operator that was begun leads.
LEADS = 180.0


@dataclass(frozen=True)
class Shape:
    """A kind of incident: its options, the effects that they promise, those that are for a time only."""

    options: tuple[Document, ...]
    effects: frozenset[str]
    boxes: dict[str, timedelta] = field(default_factory=dict)
    broken: bool = False


def denied(chance: Random) -> Shape:
    """A switch that does not help is taken back; the release before does."""
    flag = option(
        "flag", ANSWERS | {"within": "4s"}, steps=[step("switch", setConfig=writing({"read-only": "true"}))], revertOnFailure=True
    )
    undo = option("undo", ROLLED_OUT, ANSWERS, steps=[step("undo", rolloutUndo={"target": "app", "to": "Previous"})])
    return Shape((flag, undo), frozenset({"1/flag/switch", "1/flag/switch/revert", "1/undo/undo"}), broken=True)


def boxed(chance: Random) -> Shape:
    """Up to three settings, each for some seconds: the first may be due before the last is made."""
    after = {f"set-{number}": chance.randint(5, 15) for number in range(chance.randint(1, 3))}
    steps = [step(name, setConfig=writing({name: "on"}), revert=for_seconds(after[name])) for name in after]
    return timed(option("box", ROLLED_OUT, steps=steps), after)


def scaled(chance: Random) -> Shape:
    """More pods, for some seconds."""
    after, more = {"scale": chance.randint(5, 15)}, chance.randint(3, 4)
    steps = [step("scale", scale={"target": "app", "replicas": more}, revert=for_seconds(after["scale"]))]
    return timed(option("more", ROLLED_OUT, steps=steps), after)


def job(chance: Random) -> Shape:
    """What is created instead of changed."""
    steps = [step("run", runJob={"image": TOOLS, "argv": ["echo", "done"]})]
    return Shape((option("job", ROLLED_OUT, steps=steps),), frozenset({"1/job/run"}))


SHAPES = (denied, boxed, scaled, job)


def for_seconds(seconds: int) -> Document:
    return {"after": f"{seconds}s", "onRecovery": False}


def timed(option: Document, after: dict[str, int]) -> Shape:
    """Each of its steps is taken back at its time."""
    boxes = {f"1/{option['name']}/{name}": timedelta(seconds=seconds) for name, seconds in after.items()}
    return Shape((option,), frozenset(boxes) | {token + REVERT for token in boxes}, boxes)


# One in how many: so few that what is tried three times comes through.
WEATHER: dict[str, Callable[[int], Chance]] = {
    "answers 0.3 s late": lambda seed: Late(50, seed=seed),
    "reset before": lambda seed: Reset(150, seed=seed),
    "reset after commit": lambda seed: Reset(60, writes=True, committed=True, seed=seed),
    "429, Retry-After": lambda seed: Answered(
        150, status=429, reason="TooManyRequests", headers=(("Retry-After", "1"),), seed=seed
    ),
    "409": lambda seed: Answered(60, writes=True, status=409, reason="Conflict", seed=seed),
    "500": lambda seed: Answered(150, status=500, reason="InternalError", seed=seed),
    "410 of a watch": lambda seed: Gone(5, streams=True, seed=seed),
    "watch cut short": lambda seed: CutStream(5, streams=True, seed=seed),
}
# These hold an incident up for half a minute and more.
LONG_WEATHER: dict[str, Callable[[int], Chance]] = {
    "time-out after commit": lambda seed: Late(250, writes=True, seconds=33.0, seed=seed),
    "watch falls silent": lambda seed: CutStream(12, parts=2, streams=True, silent=True, seed=seed),
}


@dataclass
class Storm(Chance):
    """Several troubles at once; `number` is theirs, not its own."""

    kinds: dict[str, Chance] = field(default_factory=dict)

    def before(self, request: web.Request) -> Awaitable[web.StreamResponse] | None:
        return next((wrong for kind in self.kinds.values() if (wrong := kind.before(request))), None)

    def after(self, request: web.Request) -> Awaitable[None] | None:
        return next((wrong for kind in self.kinds.values() if (wrong := kind.after(request))), None)

    def headed(self, request: web.Request, headers: dict[str, str]) -> dict[str, str]:
        for kind in self.kinds.values():
            headers = kind.headed(request, headers)
        return headers

    def during(self, request: web.Request, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        for kind in self.kinds.values():
            chunks = kind.during(request, chunks)
        return chunks

    @property
    def counted(self) -> Counter[str]:
        return Counter({name: kind.injected for name, kind in self.kinds.items()})

    @property
    def outages(self) -> list[Outage]:
        return [waited for kind in self.kinds.values() for waited in kind.waited]


def storm(chance: Random, *, long: bool) -> Storm:
    kinds = WEATHER | LONG_WEATHER if long else WEATHER
    return Storm(1, kinds={name: make(chance.getrandbits(32)) for name, make in kinds.items()})


@dataclass
class Killer:
    """Kills the operator right after a write that was committed, before it hears of it; again and again, while it is armed."""

    chance: Random
    operator: OperatorProcess | None = None
    kills: int = 0
    _left: int = KILLED_AFTER[0]

    def __call__(self, number: int, written: Written) -> None:
        operator = self.operator
        self._left -= 1
        if self._left > 0 or operator is None or not operator.running:
            return
        # Its end is not waited for: by then its supervisor may have begun another.
        operator.signal(signal.SIGKILL)
        self.kills += 1
        self._left = self.chance.randint(*KILLED_AFTER)


@dataclass
class Lane:
    """A namespace with a frontend, its operator, and what goes wrong there."""

    scene: TrialScene
    operator: OperatorProcess
    supervisor: Supervisor
    storm: Storm
    killer: Killer
    chance: Random
    promises: list[Promise] = field(default_factory=list)

    def live(self, over: threading.Event) -> None:
        """Incidents, until it is over; the last one to its end."""
        while not over.is_set():
            shape = self.chance.choice(SHAPES)(self.chance)
            name = f"soak-{len(self.promises) + 1}"
            if shape.broken:
                self.scene.break_release(f"v{len(self.promises) + 2}")
            self.scene.run(*shape.options, incident=name, evidence=EVIDENCE)
            self.promises.append(self._promise(name, shape))
            self._closed(name)

    def _closed(self, name: str) -> None:
        try:
            self.scene.decide(self.scene.commander, "Close", self.scene.until(name, "Resolved", 300))
            self.scene.until(name, "Closed", 180)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.operator.log.read_text()[-3000:]}") from error

    def _promise(self, name: str, shape: Shape) -> Promise:
        return Promise(
            uid=self.scene.incident(name)["metadata"]["uid"],
            namespace=self.scene.namespace,
            name=name,
            operator=f"system:serviceaccount:{self.scene.operator_namespace}:stanch",
            account=f"system:serviceaccount:{self.scene.namespace}:trier",
            effects=shape.effects,
            boxes=shape.boxes,
            evidence=READ,
        )

    def outages(self) -> list[Outage]:
        """From each end of the operator until it led again, and what was held up."""
        led, now = self._led(), datetime.now(UTC)
        down = [(end, min((at for at in led if at > end), default=now)) for end in self.supervisor.ends]
        return down + self.storm.outages

    def calm(self) -> None:
        """Once the operator leads that was begun last: one that has only just been begun cannot be asked to stop."""
        self.scene.until_true("the operator leads", self._leads, LEADS)

    def _leads(self) -> bool:
        self.scene.deployment()
        return max(self._led()) > max(self.supervisor.ends, default=datetime.min.replace(tzinfo=UTC))

    def _led(self) -> list[datetime]:
        return [datetime.fromisoformat(line["timestamp"]) for line in self.operator.lines() if line["event"] == "operator.leading"]


@contextmanager
def lane(installed: Kubectl, namespace: str, folder: Path, chance: Random, minutes: float) -> Iterator[Lane]:
    """Up and under its operator; faults and kills begin once that leads, and end before it is asked to stop."""
    scene = TrialScene(installed.inside(namespace), f"{namespace}-op")
    scene.prepare()
    killer = Killer(Random(chance.getrandbits(32)))
    with Door(installed, killer) as door:
        operator = OperatorProcess(installed, folder, (namespace,), f"{namespace}-op", server=door.url)
        with Supervisor(operator, most=round(ENDS_A_MINUTE * (minutes + 5))) as supervisor:
            door.trouble = weather = storm(chance, long=minutes >= 5)
            killer.operator = operator
            begun = Lane(scene, operator, supervisor, weather, killer, chance)
            try:
                yield begun
            finally:
                door.trouble = killer.operator = None
            begun.calm()

"""SIGKILL after each API write of a whole incident, restart: the same end state and timeline, each effect once, the chain whole.

The incident: evidence; option `tune` does not help and is taken back; option `undo` puts a switch for a time and goes back to the
release before; verified, held; the switch is taken back; a person closes it. The operator speaks through a door that counts what
the API server committed and kills it right after the N-th write, before it hears the answer. What was written is counted at that
door, not read from stanch's own records. `make test` tries some of the crash points; `make crash` all (STANCH_CRASH_POINTS=all).
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from stanch.packs.verify import verify
from tests.stage.install import install_operator, uninstall_operator
from tests.stage.kubectl import Kubectl
from tests.stage.operator import OperatorProcess
from tests.stage.pack import folder_of, lines
from tests.stage.proxy import Door, Written
from tests.stage.trial import ROLLED_OUT, TrialScene, check, option, states, step, writing

Document = dict[str, Any]
# Every how many writes `make test` crashes; coprime to the length of a step's writes, so that all kinds are met over time.
STRIDE = 11
# Outcomes after which the same effect is tried again, and how many lives may meet one before a life meets none.
AGAIN = frozenset({"Stale", "Later"})
REFERENCES = 5
# Lives at the same time, each in a namespace and under an operator of its own: they mostly wait for pods.
LANES = 3

HEALTH = check("health", within="30s", hold_for="1s", http={"service": "frontend", "port": "8080", "path": "/health"})
# Long enough for the pod to answer (no answer would be inconclusive, not denied).
UNHELPED = HEALTH | {"within": "6s"}
TUNE = option(
    "tune",
    ROLLED_OUT,
    UNHELPED,
    steps=[step("tune", setEnv={"target": "app", "set": {"FRONTEND_TUNED": "true"}})],
    revertOnFailure=True,
)
UNDO = option(
    "undo",
    ROLLED_OUT,
    HEALTH,
    steps=[
        step("switch", setConfig=writing({"read-only": "true"}), revert={"after": "15s", "onRecovery": False}),
        step("undo", rolloutUndo={"target": "app", "to": "Previous"}),
    ],
)
ENDS = {"tune": "Denied", "undo": "Confirmed"}


@dataclass
class Life:
    """What came of one incident. `effects`: token without the incident's UID -> how often the API server took such a write."""

    options: dict[str, str]
    environment: dict[str, str]
    settings: dict[str, str]
    effects: Counter[str]
    told: frozenset[tuple[str, str, str]]
    writes: list[Written]
    retries: int
    verified: bool
    problems: object


@dataclass
class Killer:
    """Kills the operator after the N-th write and starts it again, once; 0: never."""

    point: int
    operator: OperatorProcess | None = None
    again: threading.Thread | None = None
    failed: BaseException | None = None

    def __call__(self, number: int, written: Written) -> None:
        if number == self.point and self.operator is not None:
            self.operator.kill()
            self.again = threading.Thread(target=self._start)
            self.again.start()

    def _start(self) -> None:
        assert self.operator is not None
        try:
            self.operator.start()
        except BaseException as error:
            self.failed = error

    def check(self) -> None:
        """A life that ends without its crash is a failure: nothing was tried."""
        if not self.point:
            return
        assert self.again is not None, f"there was no write {self.point}"
        self.again.join(60)
        if self.failed:
            raise self.failed


@pytest.fixture
def live(installed: Kubectl, namespace: str, tmp_path: Path) -> Iterator[Callable[[int], Life]]:
    """Lives one incident through, with a crash after the given write; 0: without. Some at a time."""
    lanes: SimpleQueue[str] = SimpleQueue()
    names = [f"{namespace}-{number}" for number in range(LANES)]
    for name in names:
        installed("create", "namespace", name)
        installed("-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=30s")
        install_operator(installed, f"{name}-op")
        lanes.put(name)
    lives = itertools.count(1)

    def run(point: int) -> Life:
        lane, folder = lanes.get(), tmp_path / f"life-{next(lives)}"
        try:
            return in_lane(installed, lane, folder, point)
        finally:
            lanes.put(lane)

    yield run
    for name in names:
        uninstall_operator(installed, f"{name}-op")
        installed("delete", "namespace", name, "--wait=false")


def in_lane(installed: Kubectl, lane: str, folder: Path, point: int) -> Life:
    killer = Killer(point)
    with Door(installed, killer) as door:
        operator = OperatorProcess(installed, folder, (lane,), f"{lane}-op", server=door.url)
        scene = TrialScene(installed.inside(lane), f"{lane}-op")
        scene.prepare()
        scene.release("v1")
        scene.break_release()
        operator.start()
        killer.operator = operator
        try:
            incident = lived(scene)
            killer.check()
        except Exception as error:
            raise AssertionError(f"crash at {point}: {error}\n{operator.log.read_text()[-3000:]}") from error
        finally:
            operator.stop()
    life = told(scene, incident, door, operator)
    scene.on_call("delete", "incident", incident["metadata"]["name"])
    return life


def lived(scene: TrialScene) -> Document:
    """From opened to closed, sealed and recorded."""
    name = scene.run(TUNE, UNDO)
    said = scene.decide(scene.on_call, "Close", scene.until(name, "Resolved"))["metadata"]["name"]
    scene.kubectl.wait(f"decision/{said}", ".status.effect", "Counted")

    def over() -> bool:
        status = scene.incident(name)["status"]
        return status["phase"] == "Closed" and status["pack"].get("sealed", 0) >= status["pack"]["head"]["seq"]

    scene.until_true("closed and sealed", over)
    return scene.incident(name)


def told(scene: TrialScene, incident: Document, door: Door, operator: OperatorProcess) -> Life:
    pack = incident["status"]["pack"]
    found = verify(folder_of(incident), pack["head"]["hash"], pack["manifest"])
    effects = Counter(written.token.partition("/")[2] for written in door.written if written.token)
    said = frozenset((same(key), line["action"], line["expectation"]) for key, line in lines(incident).items() if steady(key))
    return Life(states(incident), scene.environment(), scene.settings(), effects, said, door.written, retries(operator),
                found.ok, found.problems)  # fmt: skip


def steady(key: str) -> bool:
    """Whether every life tells it. How often a step was intended, and that an intent was found unwritten, is each life's own."""
    return "/intent/" not in key and key.rpartition("/")[2] not in ("stale", "waits")


def same(key: str) -> str:
    """A Decision's key ends with its UID."""
    return key.partition("/decision/")[0] + "/decision" if "/decision/" in key else key


def retries(operator: OperatorProcess) -> int:
    """How often an effect had to be tried again (a controller wrote the Deployment's status between): each adds writes."""
    return sum(line.get("outcome") in AGAIN or line["event"] == "tick.again" for line in operator.lines())


def straight(live: Callable[[int], Life]) -> Life:
    """A life without retries: no other is shorter, so each of its writes is a crash point that every life passes."""
    lives = (live(0) for _ in range(REFERENCES))
    return next(life for life in lives if not life.retries)


def chosen(total: int) -> list[int]:
    """STANCH_CRASH_POINTS: `all`, or numbers with commas; left out: every STRIDE-th."""
    named = os.environ.get("STANCH_CRASH_POINTS", "")
    if named and named != "all":
        return [int(point) for point in named.split(",")]
    return list(range(1, total + 1) if named else range(3, total + 1, STRIDE))


@dataclass
class Tally:
    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    def count(self, point: int, life: Life, reference: Life) -> None:
        self.doubled += [f"{point}: {token}" for token, times in life.effects.items() if times > reference.effects[token]]
        self.lost += [f"{point}: {token}" for token in reference.effects if token not in life.effects]
        if not life.verified:
            self.broken.append(f"{point}: {life.problems}")
        for what in ("options", "environment", "settings", "told"):
            mine, theirs = getattr(life, what), getattr(reference, what)
            if mine != theirs:
                self.other.append(f"{point}: {what}: {mine if what != 'told' else mine ^ theirs}")


@pytest.mark.requirement("E-04", "E-05", "E-07")
def test_killed_after_a_write_and_restarted_the_incident_ends_the_same(live: Callable[[int], Life]) -> None:
    reference = straight(live)
    assert reference.options == ENDS and reference.verified, reference
    assert reference.environment == {"FRONTEND_VERSION": "v1"} and reference.settings == {"read-only": "false"}
    assert sorted(reference.effects.values()) == [1] * 5, f"two steps taken back, one that stays: {reference.effects}"
    total, tally = len(reference.writes), Tally()
    points = chosen(total)
    assert points, "no crash point was chosen"

    def crash(point: int) -> tuple[int, Life]:
        life = live(point)
        print(f"crash after write {point} of {total}: {reference.writes[point - 1]}", flush=True)
        return point, life

    with ThreadPoolExecutor(LANES) as lanes:
        for point, life in lanes.map(crash, points):
            tally.count(point, life, reference)
    counts = f"doubled {len(tally.doubled)}, lost {len(tally.lost)}, broken chains {len(tally.broken)}"
    assert not tally.other, tally.other
    print(f"crash points: {len(points)}, {counts}")
    assert tally == Tally()

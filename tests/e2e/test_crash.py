"""SIGKILL after each API write of the main job's path, restart: the same end state, each effect once, the chain whole.

The operator speaks through a door that counts committed writes and kills it right after the N-th, before it hears the answer.
`make test` tries a few of the crash points; `make crash` all of them (STANCH_CRASH_POINTS=all).
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from stanch.packs.verify import verify
from tests.e2e.test_frontend_down import options, pack_of, quick, sealed
from tests.stage.install import install_operator, uninstall_operator
from tests.stage.kubectl import Kubectl
from tests.stage.operator import OperatorProcess
from tests.stage.proxy import Door, Written
from tests.stage.scene import Scene

# Every how many writes `make test` crashes; coprime to the length of a step's writes, so that all kinds are met over time.
STRIDE = 7
# Outcomes after which the same effect is tried again, and how many lives may meet one before a life meets none.
AGAIN = frozenset({"Stale", "Later"})
REFERENCES = 5


def small(document: dict[str, Any]) -> None:
    """One pod and short waits: a crash point is a whole life of an incident. Long enough for the restarted pod to answer
    (no answer would be inconclusive, not denied)."""
    quick(document)
    for option in document["spec"]["options"]:
        for check in option["verify"]:
            if "http" in check and option["name"] == "restart":
                check["within"] = "6s"


@dataclass
class Life:
    """What came of one incident."""

    options: dict[str, str]
    environment: dict[str, str]
    mitigations: list[str]
    writes: list[Written]
    retries: int
    verified: bool
    problems: object


@dataclass
class Killer:
    """Kills the operator after the N-th write and starts it again, once; 0: never."""

    point: int
    operator: OperatorProcess | None = None
    killed: threading.Event = field(default_factory=threading.Event)

    def __call__(self, number: int, written: Written) -> None:
        if number == self.point and self.operator is not None:
            self.operator.kill()
            self.killed.set()


@pytest.fixture
def live(installed: Kubectl, namespace: str, tmp_path: Path) -> Iterator[Callable[[int], Life]]:
    """Lives one incident through, with a crash after the given write; 0: without."""
    operator_namespace = f"{namespace}-op"
    install_operator(installed, operator_namespace)
    lives = itertools.count(1)

    def run(point: int) -> Life:
        killer, name = Killer(point), f"life-{next(lives)}"
        with Door(installed, killer) as door:
            operator = OperatorProcess(installed, tmp_path / name, (namespace,), operator_namespace, server=door.url)
            killer.operator = operator
            return one_life(Scene(installed.inside(namespace), operator_namespace), operator, door, killer, name)

    yield run
    uninstall_operator(installed, operator_namespace)


def one_life(scene: Scene, operator: OperatorProcess, door: Door, killer: Killer, name: str) -> Life:
    scene.set(playbook=small)
    scene.release("v1")
    scene.break_release()
    revisions = templates(scene)
    scene.open(name)
    operator.start()
    try:
        if killer.point:
            crash(killer, operator, door, lambda: scene.incident(name))
        incident = sealed(scene, name)
    finally:
        operator.stop()
    found = verify(pack_of(incident), incident["status"]["pack"]["head"]["hash"], incident["status"]["pack"]["manifest"])
    scene.on_call("delete", "incident", name)
    return Life(options(incident), scene.environment(), templates(scene)[len(revisions) :], door.written, retries(operator),
                found.ok, found.problems)  # fmt: skip


def crash(killer: Killer, operator: OperatorProcess, door: Door, incident: Callable[[], dict[str, Any]]) -> None:
    """Waits for the crash and starts the operator again. A life that ends without its crash is a failure: nothing was tried."""
    while not killer.killed.wait(1):
        assert operator.running or killer.killed.wait(1), operator.log.read_text()[-2000:]
        over = "manifest" in incident().get("status", {}).get("pack", {})
        assert not over or killer.killed.is_set(), f"sealed after {len(door.written)} writes, no crash at {killer.point}"
    operator.start()


def retries(operator: OperatorProcess) -> int:
    """How often an effect had to be tried again (a controller wrote the Deployment's status between): each adds writes."""
    return sum(line.get("outcome") in AGAIN or line["event"] == "tick.again" for line in operator.lines())


def straight(live: Callable[[int], Life]) -> Life:
    """A life without retries: no other is shorter, so each of its writes is a crash point that every life passes."""
    lives = (live(0) for _ in range(REFERENCES))
    return next(life for life in lives if not life.retries)


def templates(scene: Scene) -> list[str]:
    """The Deployment's revisions so far: a doubled restart or undo would show as one more."""
    deployment = scene.deployment()
    return [str(number) for number in range(1, int(deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"]) + 1)]


def same(life: Life, reference: Life) -> None:
    assert life.verified, life.problems
    assert life.options == reference.options
    assert life.environment == reference.environment
    assert len(life.mitigations) == len(reference.mitigations), f"doubled or lost: {life.mitigations}"


def chosen(total: int) -> list[int]:
    """STANCH_CRASH_POINTS: `all`, or numbers with commas; left out: every STRIDE-th."""
    named = os.environ.get("STANCH_CRASH_POINTS", "")
    if named and named != "all":
        return [int(point) for point in named.split(",")]
    return list(range(1, total + 1) if named else range(3, total + 1, STRIDE))


@pytest.mark.requirement("E-04", "E-05", "E-07")
def test_killed_after_a_write_and_restarted_the_incident_ends_the_same(live: Callable[[int], Life]) -> None:
    reference = straight(live)
    assert reference.options == {"restart": "Denied", "undo": "Confirmed"} and len(reference.mitigations) == 2
    total = len(reference.writes)
    points = chosen(total)
    assert points, "no crash point was chosen"
    for point in points:
        print(f"crash after write {point} of {total}: {reference.writes[point - 1]}", flush=True)
        same(live(point), reference)
    print(f"crash points: {len(points)}, doubled 0, lost 0, broken chains 0")

"""A part of the cluster, or the place for packs, is gone for a minute in the middle of a step: what was under way goes on after it.

Parts are those of a cluster of its own: the others' tests need theirs. What is gone is stopped (SIGSTOP), so that nothing answers
and nothing is refused either, the hardest kind of silence.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cluster.fixtures import ClusterUnderTest
from tests.cluster.model import ClusterError
from tests.cluster.providers import choose
from tests.cluster.providers.local import Local
from tests.cluster.run import run
from tests.stage.install import install_types
from tests.stage.kubectl import Kubectl
from tests.stage.operator import OperatorProcess
from tests.stage.proxy import Door, Hold, Written
from tests.stage.whole import EFFECTS, ENDS, Life, Tally, lanes, live

SECONDS = 60.0
# From recovery to the next progress.
PROGRESS = 60.0


@dataclass
class Outage:
    """Begins with a write, before it arrives, and ends by itself; `over` is set while nothing is gone. `meanwhile`: the tokens of
    what was changed while something was."""

    begin: Callable[[], object]
    end: Callable[[], object]
    over: threading.Event = field(default_factory=threading.Event)
    ended_at: datetime | None = None
    meanwhile: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.over.set()

    def at(self, token: str) -> Hold:
        """Begins as the write that bears this token, but for the incident's UID, is on its way."""
        hold = Hold(lambda written, _: written.token.partition("/")[2] == token, self._begin)
        hold.let.set()
        return hold

    def note(self, number: int, written: Written) -> None:
        if written.token and not self.over.is_set():
            self.meanwhile.append(written.token.partition("/")[2])

    def _begin(self) -> None:
        self.over.clear()
        self.begin()
        threading.Timer(SECONDS, self._end).start()

    def _end(self) -> None:
        self.end()
        self.ended_at = datetime.now(UTC)
        self.over.set()

    def patient(self, kubectl: Kubectl) -> Kubectl:
        """A person who asks again when everything answers."""

        def ask(*arguments: str, input: str | None = None, timeout: float = 120) -> str:
            try:
                return kubectl.run(*arguments, input=input, timeout=timeout)
            except ClusterError:
                if self.over.is_set() and self.ended_at is None:
                    raise
                assert self.over.wait(2 * SECONDS), "the outage does not end"
                return kubectl.run(*arguments, input=input, timeout=timeout)

        return Kubectl(ask)


@pytest.fixture
def own() -> Iterator[tuple[Local, Kubectl]]:
    """A cluster whose parts may be stopped."""
    name = os.environ.get("STANCH_OUTAGE_CLUSTER") or "stanch-outage"
    provider = choose(name)
    if not isinstance(provider, Local):
        pytest.skip(f"parts of a cluster by {provider.name} cannot be stopped")
    try:
        kubectl = Kubectl(ClusterUnderTest(provider.up()).kubectl)
        install_types(kubectl)
        yield provider, kubectl
    finally:
        provider.down()


def life(
    kubectl: Kubectl, prefix: str, folder: Path, outage: Outage | None = None, token: str = ""
) -> tuple[Life, OperatorProcess]:
    seen: list[OperatorProcess] = []
    with lanes(kubectl, prefix, 1) as free, Door(kubectl) as door:
        if outage:
            door.after, door.hold = outage.note, outage.at(token)
        return live(outage.patient(kubectl) if outage else kubectl, free.get(), folder, door, seen.append), seen[0]


STOPPED = {
    "API server": (("kube-apiserver",), "1/undo/undo"),
    "etcd": (("etcd",), "1/undo/switch"),
    "node": (("kubelet", "containerd"), "1/undo/undo"),
}


@pytest.mark.timeout(1200)
@pytest.mark.requirement("E-04", "E-05")
def test_an_incident_goes_on_after_a_part_of_the_cluster_was_gone(
    own: tuple[Local, Kubectl], tmp_path: Path, closing_line: Callable[[str], None]
) -> None:
    provider, kubectl = own
    reference, _ = life(kubectl, "reference", tmp_path / "reference")
    assert reference.options == ENDS and reference.effects == EFFECTS and not reference.problems, reference
    tally = Tally(SECONDS + PROGRESS, unanswered=True)
    for number, (name, (parts, token)) in enumerate(STOPPED.items()):
        outage = Outage(
            lambda parts=parts: [provider.signal(part, "STOP") for part in parts],
            lambda parts=parts: [provider.signal(part, "CONT") for part in parts],
        )
        lived, operator = life(kubectl, f"gone-{number}", tmp_path / f"gone-{number}", outage, token)
        assert outage.ended_at, f"{name} was never gone"
        after = f"{progress(operator, outage.ended_at):.1f} s after it was back"
        closing_line(f"{name} gone for {SECONDS:.0f} s: next progress {after}")
        assert progress(operator, outage.ended_at) <= PROGRESS
        tally.count(name, lived, reference)
    assert tally.clean, tally


def progress(operator: OperatorProcess, back: datetime) -> float:
    """Seconds until something of an incident went on."""
    told = (datetime.fromisoformat(line["timestamp"]) for line in operator.lines() if line["event"] in ("effect", "phase"))
    return min((at - back).total_seconds() for at in told if at > back)


@pytest.mark.timeout(1200)
@pytest.mark.requirement("E-02")
def test_nothing_is_changed_while_the_packs_disk_is_full(installed: Kubectl, namespace: str, tmp_path: Path) -> None:
    """The disk fills up as an intent is stored: the write waits until there is room for what proves it."""
    if os.geteuid():
        pytest.skip("only root can mount a small disk")
    reference, _ = life(installed, f"{namespace}-room", tmp_path / "reference")
    packs = tmp_path / "full" / "packs"
    packs.mkdir(parents=True)
    run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(packs)])
    try:
        outage = Outage(lambda: fill(packs / "filler"), lambda: (packs / "filler").unlink())
        lived, _ = life(installed, f"{namespace}-full", tmp_path / "full", outage, "1/undo/switch")
        assert outage.ended_at and outage.meanwhile == ["1/undo/switch"], "that was on its way; the next one waits"
        tally = Tally(SECONDS + PROGRESS, unanswered=True)
        tally.count("disk full", lived, reference)
        assert tally.clean, tally
    finally:
        run(["umount", str(packs)])


def fill(file: Path) -> None:
    """Until nothing more fits."""
    with file.open("wb", buffering=0) as out:
        try:
            while True:
                out.write(bytes(4096))
        except OSError:
            return

"""Two replicas: the leader is stopped past its Lease with a write on its way, the other takes over, the old one goes on.

The write is held between the operator and the API server, as in a network's buffers, and arrives once the new leader has done
what there was to do: the worst moment. What can be fenced is refused by the API server (409); what cannot be, because nobody can
tell whether it happened, was left `Indeterminate` and to a person before it arrived.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from stanch.packs.verify import verify
from tests.e2e.test_actions_calls import EVIDENCE, clear, job, run
from tests.stage.install import install_operator, uninstall_operator
from tests.stage.kubectl import Kubectl
from tests.stage.limits import LimitsScene, option, step
from tests.stage.operator import OperatorProcess
from tests.stage.pack import folder_of
from tests.stage.proxy import Door, Hold, Written

Document = dict[str, Any]
Chooses = Callable[[Written, bytes], bool]
# Lease duration + retry period + one tick, seconds.
TAKEN_OVER = 15 + 2 + 1
NONE: Mapping[str, str] = MappingProxyType({})


@dataclass
class Replicas:
    first: OperatorProcess
    second: OperatorProcess
    door: Door
    limits: LimitsScene

    def stopped_at(self, chooses: Chooses, step: Document) -> tuple[str, Hold, datetime]:
        """The first leads and is stopped as the chosen write is on its way: the incident, the write, when."""
        hold = self.door.hold = Hold(chooses, lambda: self.first.signal(signal.SIGSTOP))
        self.first.start()
        self.second.begin()
        self.second.until_it_says("operator.following")
        name = self.limits.play(option("only", step))
        assert hold.held.wait(60), f"nothing was held: {[str(one) for one in self.door.written]}"
        return name, hold, datetime.now(UTC)

    def let_arrive(self, hold: Hold, arrived: Callable[[], None] = lambda: None) -> int:
        """What the API server says to the stale write; once it has `arrived` the old leader goes on, and ends by itself."""
        hold.let.set()
        answer = hold.answered.result(30)
        arrived()
        committed = len(self.door.written)
        self.first.signal(signal.SIGCONT)
        assert self.first.ended() == 1, "who lost the Lease ends"
        # An Event that was on its way tells what was so; nothing follows from it.
        late = [one for one in self.door.written[committed:] if not one.path.endswith("/events")]
        assert not late, f"it wrote after that: {late}"
        return answer


@pytest.fixture
def replicas(installed: Kubectl, namespace: str, tmp_path: Path) -> Iterator[Replicas]:
    with of_one_installation(installed, namespace, tmp_path, tmp_path / "packs") as made:
        yield made


@contextmanager
def of_one_installation(
    installed: Kubectl, namespace: str, folder: Path, packs: Path | str, environment: Mapping[str, str] = NONE
) -> Iterator[Replicas]:
    """Two operators: one Lease, one place for packs. The first one goes through the door."""
    own = f"{namespace}-op"
    install_operator(installed, own)
    with Door(installed) as door:

        def replica(name: str, server: str = "") -> OperatorProcess:
            return OperatorProcess(installed, folder / name, (namespace,), own, server, packs, name, environment)

        first, second = replica("first", door.url), replica("second")
        yield Replicas(first, second, door, LimitsScene(installed.inside(namespace), own))
        if door.hold:
            door.hold.let.set()
        first.kill()
        assert second.stop() == 0, second.log.read_text()[-4000:]
    uninstall_operator(installed, own)


def changes(written: Written, body: bytes) -> bool:
    return bool(written.token) and "/deployments/" in written.path


def creates_a_job(written: Written, body: bytes) -> bool:
    return written.method == "POST" and written.path.endswith("/jobs")


def deletes_a_binding(written: Written, body: bytes) -> bool:
    """Not as a dry run."""
    return written.method == "DELETE" and "/rolebindings/" in written.path and b'"dryRun"' not in body


def calls(written: Written, body: bytes) -> bool:
    return "/proxy/limits/" in written.path


def execs(written: Written, body: bytes) -> bool:
    return written.path.endswith("/exec")


def intends(written: Written, body: bytes) -> bool:
    return written.path.endswith("/status") and b'"Intended"' in body


RAISE = step("raise", setEnv={"target": "app", "set": {"RATE_LIMIT_QUERY": "20"}})
TAKE = {"target": "keepers", "role": {"kind": "Role", "name": "limits-keeper"}}
FENCED = {
    "cas": (RAISE, changes),
    "namedCreate": (step("report", **job("echo", "once")), creates_a_job),
    # Given back by the time when the stale deletion arrives: it is another object of that name, and stays.
    "uidPrecondition": (step("take", revokeAccess=TAKE, revert={"onRecovery": True}), deletes_a_binding),
    "intent": (RAISE, intends),
}
ONCE = {
    "http": (step("clear", **clear("u1")), calls, "/tmp/calls"),
    "exec": (step("count", **run("sh", "-c", f"echo run >>{EVIDENCE}/runs")), execs, f"{EVIDENCE}/runs"),
}


@pytest.mark.requirement("E-04")
@pytest.mark.parametrize("effect", FENCED)
def test_a_stale_write_is_refused_by_the_api_server(replicas: Replicas, effect: str, closing_line: Callable[[str], None]) -> None:
    action, chooses = FENCED[effect]
    limits = replicas.limits
    name, hold, stopped = replicas.stopped_at(chooses, action)
    leading = replicas.second.until_it_says("operator.leading")
    limits.ended(name, only="Confirmed")
    limits.kubectl("wait", f"incident/{name}", "--for=jsonpath={.status.pack.manifest}", "--timeout=30s")
    incident = limits.incident(name)
    generation = limits.kubectl.get("deployment", "limits")["metadata"]["generation"]
    keepers = limits.kubectl.get("rolebinding", "limits-keepers")
    assert replicas.let_arrive(hold) == 409
    assert limits.kubectl.get("deployment", "limits")["metadata"]["generation"] == generation
    assert limits.kubectl.get("rolebinding", "limits-keepers") == keepers
    assert len(limits.kubectl.get("jobs")["items"]) == (effect == "namedCreate")
    assert limits.incident(name)["status"] == incident["status"]
    pack = incident["status"]["pack"]
    found = verify(folder_of(incident), pack["head"]["hash"], pack["manifest"])
    assert found.ok, found.problems
    closing_line(f"stale write, {effect}: {taken_over(replicas, stopped, leading)}")


@pytest.mark.parametrize("effect", ONCE)
def test_what_cannot_be_fenced_is_left_to_a_person_and_happens_once(
    replicas: Replicas, effect: str, closing_line: Callable[[str], None]
) -> None:
    action, chooses, tally = ONCE[effect]
    limits = replicas.limits
    name, hold, stopped = replicas.stopped_at(chooses, action)
    leading = replicas.second.until_it_says("operator.leading")
    incident = limits.until_status(name, ".steps[0].state", "Indeterminate")
    assert incident["status"]["waitsFor"] == f"Confirm or Reject of {action['name']}"
    assert not counted(limits, tally), "it is still on its way"
    # A command ends with the connection of who asked for it: it is done before the old leader ends.
    replicas.let_arrive(hold, lambda: limits.until_true("it arrives", lambda: bool(counted(limits, tally))))
    limits.answer("Confirm", incident, action["name"])
    limits.ended(name, only="Confirmed")
    assert len(counted(limits, tally)) == 1
    closing_line(f"stale write, {effect}: {taken_over(replicas, stopped, leading)}")


def counted(limits: LimitsScene, tally: str) -> list[str]:
    """What the application has counted: a line each time."""
    return limits.inside("sh", "-c", f"cat {tally} 2>/dev/null || true").splitlines()


def taken_over(replicas: Replicas, stopped: datetime, leading: Document) -> str:
    """How soon, of what is promised."""
    led = (datetime.fromisoformat(leading["timestamp"]) - stopped).total_seconds()
    progress = next(line for line in replicas.second.lines() if line["event"] in ("effect", "phase"))
    acted = (datetime.fromisoformat(progress["timestamp"]) - stopped).total_seconds()
    assert acted <= TAKEN_OVER, f"first progress after {acted:.1f} s, expected at most {TAKEN_OVER} s"
    return f"taken over after {led:.1f} s, first progress after {acted:.1f} s, of {TAKEN_OVER} s"


def test_beside_a_leader_nobody_starts_with_packs_of_its_own(replicas: Replicas, tmp_path: Path) -> None:
    """As a second pod would whose volume is not the first one's, on the same path."""
    refused_with(replicas, tmp_path / "private")


def refused_with(replicas: Replicas, packs: Path | str) -> None:
    """The second one, beside the first; with the packs of the first one it follows it."""
    replicas.first.start()
    replicas.second.packs = packs
    replicas.second.begin()
    assert replicas.second.ended() == 1
    said = replicas.second.until_it_says("operator.failed")
    assert said["reason"] == "PacksNotShared" and "first, which leads" in said["message"], said
    assert not any(line["event"] == "operator.leading" for line in replicas.second.lines())
    replicas.second.packs = replicas.first.packs
    replicas.second.begin()
    replicas.second.started()
    assert replicas.first.stop() == 0
    replicas.second.until_it_says("operator.leading")

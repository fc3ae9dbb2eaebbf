"""The two incidents: a release breaks, the engineer on call opens an Incident with kubectl, and stanch goes through it.

The first one is the shipped playbook: a restart does not help, going back does. The second one waits for a person: who opened
it may not approve it, the commander may.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml
from rich.padding import Padding

from stanch.api import codec
from stanch.cli.watch import settled
from stanch.domain.incident import SETTLED, Phase, Status
from tests.cluster.model import ClusterError
from tests.cluster.paths import write
from tests.demo import background, picture, place
from tests.demo.frontend import answers
from tests.demo.picture import Recording
from tests.demo.steps import Steps
from tests.stage.kubectl import Kubectl, documents
from tests.stage.people import COMMANDER, ON_CALL
from tests.stage.scene import HERE, Scene

FOLLOW_SECONDS = 150.0
APPROVAL_SECONDS = 60.0
STEPS_EACH = 3
COLUMNS = "120"
CALLS_PEOPLE = frozenset({Phase.Escalated, Phase.Waiting})


@dataclass(frozen=True)
class Story:
    """One incident: the release that breaks, what is said of it, and what is special about how it goes."""

    base: str
    release: str
    spec: dict[str, str]
    special: str
    approval: bool = False


STORIES = (
    Story("frontend-502", "v2", {"title": "502 on every page"}, "a restart does not help, going back does"),
    Story(
        "frontend-regression", "v3", {"title": "502 since release v3", "type": "regression", "severity": "P1"},
        "going back needs the incident commander's approval", approval=True,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Told:
    """An incident as it ended; `raw` as the API server has it."""

    name: str
    raw: dict[str, Any]

    @property
    def status(self) -> Status:
        return codec.status_of(self.raw)

    @property
    def resolved(self) -> bool:
        return self.status.phase is Phase.Resolved

    @property
    def pack(self) -> Path | None:
        uri = self.status.pack.uri
        return Path(unquote(urlsplit(uri).path)) if uri else None


@dataclass(frozen=True)
class Teller:
    """What telling needs: the steps to tell by, the scene, and the cluster's kubectl."""

    steps: Steps
    scene: Scene
    kubectl: Path

    def say(self, line: str = "", style: str = "") -> None:
        self.steps.console.print(line, style=style, soft_wrap=True)

    def shown(self, command: str) -> None:
        """A command as a person would type it."""
        self.say(f"$ {command}", "bold")

    def type(self, who: Kubectl, *arguments: str) -> str:
        """Runs kubectl and shows what was typed and what it said. A refusal is returned too, not raised."""
        self.shown(typed("kubectl", *([f"--as={who.user}"] if who.user else []), *arguments))
        try:
            said = who(*arguments)
        except ClusterError as refused:
            said = str(refused).partition("\n")[2] or str(refused)
        for line in said.strip().splitlines():
            self.quote(line.replace(f"{Path.home()}/", "~/"))
        return said

    def quote(self, line: str) -> None:
        """What a program said, below the command: within the terminal's width, elsewhere never broken."""
        console = self.steps.console
        console.print(Padding(line, (0, 0, 0, 2)) if console.is_terminal else f"  {line}", soft_wrap=not console.is_terminal)

    def stanch(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts stanch before the viewer's eyes."""
        self.shown(typed("stanch", *arguments))
        environment = os.environ | {"KUBECONFIG": str(place.kubeconfig()), "PYTHONUNBUFFERED": "1"}
        if not self.steps.console.is_terminal:
            environment["COLUMNS"] = COLUMNS
        return subprocess.Popen([str(place.program("stanch")), *arguments], env=environment, stdin=subprocess.DEVNULL)

    def follow(self, name: str, recorded: Recording) -> None:
        """`stanch watch` until the incident is settled, or nothing will settle it any more."""
        end = time.monotonic() + FOLLOW_SECONDS
        watching = self.stanch("watch", name, "--follow")
        try:
            while watching.poll() is None and time.monotonic() < end and not hopeless(recorded):
                with suppress(subprocess.TimeoutExpired):
                    watching.wait(1.0)
        finally:
            leave(watching)

    def tell(self, number: int, story: Story, svg: Path | None = None) -> Told:
        """One incident from the broken release to its sealed pack; drawn into `svg`. Raises ClusterError."""
        name = free(story.base, self.names())
        self.say()
        self.say(f"Incident {number} of {len(STORIES)}, {name}: {story.special}", "bold")
        with self.steps.step("bad release") as step:
            self.scene.break_release(story.release)
            step.detail = f"/health of {answers(self.kubectl, 502, story.release)}"
        with self.steps.step("incident", still=True) as step:
            told = self.live(name, story, svg)
            step.detail = ending(told)
        with self.steps.step("back in service") as step:
            step.detail = f"/health of {answers(self.kubectl, 200, 'v1')}"
        return told

    def live(self, name: str, story: Story, svg: Path | None) -> Told:
        self.open(name, story)
        if story.approval:
            self.approve(name)
        with picture.recording(self.kubectl, name) as recorded:
            self.follow(name, recorded)
        told = Told(name, self.scene.incident(name))
        if not told.resolved:
            raise ClusterError(f"{name} is {ending(told)}. {background.standing()}")
        if svg:
            picture.write(recorded.states(), svg)
        return told

    def names(self) -> set[str]:
        """Names that an incident may not have again: of the cluster's incidents, and of packs that earlier clusters left."""
        packs = {path.name.rpartition("-")[0] for path in (place.packs() / place.NAMESPACE).glob("*")}
        return packs | {item["metadata"]["name"] for item in self.scene.kubectl.get("incidents")["items"]}

    def open(self, name: str, story: Story) -> None:
        document = documents(HERE / "incident.yaml")[0]
        document["metadata"]["name"] = name
        document["spec"] |= {"openedBy": ON_CALL, **story.spec}
        self.type(self.scene.on_call, "apply", "-f", str(kept(f"{name}.yaml", document)))

    def approve(self, name: str) -> None:
        """The engineer on call tries it and is refused by the API server; the commander approves."""
        self.scene.kubectl.wait(f"incident/{name}", ".status.phase", "AwaitingApproval", APPROVAL_SECONDS)
        incident = self.scene.incident(name)
        self.stanch("watch", name).wait()
        self.say()
        said = self.type(self.scene.on_call, "create", "-f", str(kept(f"{name}-by-{ON_CALL}.yaml", approval(incident, ON_CALL))))
        if "may not approve" not in said:
            raise ClusterError(f"{ON_CALL} opened {name} and could approve it: is the admission policy in force?")
        self.type(self.scene.commander, "create", "-f", str(kept(f"{name}-by-{COMMANDER}.yaml", approval(incident, COMMANDER))))


def leave(watching: subprocess.Popen[bytes]) -> None:
    """Its end. A Ctrl-C has reached it too: it is not sent twice, and gives the terminal back as it was."""
    try:
        watching.wait(1.0)
    except subprocess.TimeoutExpired:
        watching.send_signal(signal.SIGINT)
        watching.wait()


def hopeless(recorded: Recording) -> bool:
    """Nobody is here whom the incident could wait for, or nobody works on it."""
    last = recorded.last()
    return background.record().pid is None or (last is not None and codec.status_of(last).phase in CALLS_PEOPLE)


def typed(*words: str) -> str:
    return " ".join(place.tilde(word) if word.startswith("/") else word for word in words)


def approval(incident: dict[str, Any], by: str) -> dict[str, Any]:
    """A Decision, as a person writes it: bound to the plan that was looked at."""
    metadata, status = incident["metadata"], incident["status"]
    spec = {
        "incidentRef": {"name": metadata["name"], "uid": metadata["uid"]},
        "verb": "Approve",
        "role": "incident-commander",
        "by": by,
        "option": status["option"],
        "planDigest": status["planDigest"],
        "reason": "the errors began with the release",
    }
    name = {"name": f"{metadata['name']}-approved-by-{by}", "namespace": metadata["namespace"]}
    return {"apiVersion": "stanch.dev/v1alpha1", "kind": "Decision", "metadata": name, "spec": spec}


def kept(name: str, document: dict[str, Any]) -> Path:
    """Files that a person can look at afterwards."""
    return write(place.state() / "applied" / name, yaml.safe_dump(document, sort_keys=False), 0o644)


def free(base: str, taken: Iterable[str]) -> str:
    """`base`, else the first of `base-2`, `base-3`, … that nobody has."""
    names = set(taken)
    if base not in names:
        return base
    return next(name for number in range(2, len(names) + 3) if (name := f"{base}-{number}") not in names)


def ending(told: Told) -> str:
    """One sentence on how it ended."""
    status = told.status
    return f"{'' if settled(status) else 'still '}{status.phase}{': ' * bool(status.message)}{status.message}"


def left_over(scene: Scene) -> list[str]:
    """Incidents that an interrupted run left unsettled."""
    found = scene.kubectl.get("incidents")["items"]
    return [item["metadata"]["name"] for item in found if not settled(codec.status_of(item))]


def abort(scene: Scene, name: str) -> None:
    incident = scene.incident(name)
    if codec.status_of(incident).phase not in SETTLED | {Phase.Aborting}:
        scene.decide(scene.on_call, "Abort", incident, reason="left over by a demo that was interrupted")

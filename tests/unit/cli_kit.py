"""What the tests of the command line share: incidents in a cluster in memory, and a person who looks at them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

from rich.console import Console, RenderableType

from stanch.api import codec
from stanch.cli.kubeconfig import Where
from stanch.cli.session import API_VERSION, Session
from stanch.domain.incident import Status
from stanch.domain.plan import Ref
from stanch.engine.ports import Object
from tests.unit.memory import MemoryCluster, MemoryClusters, MemoryServer
from tests.unit.play import Play

NAMESPACE = "aureus"
ESCAPE = "\x1b"


class Person(MemoryCluster):
    """A cluster that also tells who asks, as SelfSubjectReview does."""

    def __init__(self, server: MemoryServer, name: str, by: str = "") -> None:
        """Without `by` they may do everything; with it, what that user may."""
        super().__init__(server, by=by)
        self.name = name

    async def create(self, body: Object, *, dry_run: bool = False) -> Object:
        if body["kind"] == "SelfSubjectReview":
            return {**body, "status": {"userInfo": {"username": self.name}}}
        return await super().create(body, dry_run=dry_run)


def session(server: MemoryServer, user: str = "bob", by: str = "") -> Session:
    return Session(Person(server, user, by), server.time, Where("config", "dev", NAMESPACE), MemoryClusters(server).acting_as)


def incident(server: MemoryServer, play: Play | None = None, name: str = "frontend-502", **metadata: Any) -> Ref:
    """Puts an Incident there as `play` left it."""
    play = play or Play()
    spec = {"openedBy": "alice", "title": play.facts.title, "type": "availability", "severity": "P0", "component": "frontend"}
    body = {"apiVersion": API_VERSION, "kind": "Incident", "metadata": {"name": name, "namespace": NAMESPACE, **metadata}}
    return server.add({**body, "spec": spec, "status": codec.status_to_json(play.status)})


def becomes(server: MemoryServer, ref: Ref, status: Status) -> None:
    server.set_status(ref, codec.status_to_json(status))


def answers(server: MemoryServer, effect: str, message: str = "") -> None:
    """The operator's part: each Decision that is created is recorded at once."""

    def record(write: Any) -> None:
        if write.verb == "create" and write.ref.kind == "Decision":
            server.set_status(write.ref, {"effect": effect, "message": message, "recordedAt": "2026-01-05T09:00:01Z"})

    server.after_write.append(record)


def created(server: MemoryServer, kind: str = "Decision") -> list[Object]:
    return server.select(API_VERSION, kind, NAMESPACE, "", "")


def sleeper(server: MemoryServer, then: Callable[[float], None] | None = None) -> Callable[[float], Any]:
    """A sleep that moves the server's time at once; `then` is what happens in the cluster meanwhile."""

    async def sleep(seconds: float) -> None:
        server.time.move(seconds)
        if then:
            then(server.time.monotonic())

    return sleep


def drawn(picture: RenderableType, width: int = 80) -> str:
    """The picture as text, off a terminal."""
    console = Console(width=width, file=io.StringIO(), record=True, markup=False)
    console.print(picture)
    return "\n".join(line.rstrip() for line in console.export_text().splitlines()) + "\n"


def parsed(text: str) -> Any:
    assert ESCAPE not in text
    return json.loads(text)

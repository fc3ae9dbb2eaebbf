"""What the API server's audit log says: who asked for what, when, and what was answered. By its clock, not by the contestants'.

https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Self


@dataclass(frozen=True)
class Request:
    """`user` is who sent it, also where it was in another's name. `begun` and `ended` are seconds since 1970."""

    verb: str
    resource: str
    namespace: str
    name: str
    user: str
    status: int
    dry_run: bool
    begun: float
    ended: float

    @property
    def done(self) -> bool:
        """Whether something came of it."""
        return 200 <= self.status < 300 and not self.dry_run


def request_of(line: Mapping[str, Any]) -> Request:
    about = line.get("objectRef", {})
    resource = "/".join(filter(None, (about.get("resource", ""), about.get("subresource", ""))))
    return Request(
        verb=line["verb"],
        resource=resource,
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        user=line["user"].get("username", ""),
        status=line.get("responseStatus", {}).get("code", 0),
        dry_run="dryRun=" in line["requestURI"],
        begun=datetime.fromisoformat(line["requestReceivedTimestamp"]).timestamp(),
        ended=datetime.fromisoformat(line["stageTimestamp"]).timestamp(),
    )


class AuditLog:
    """From now on: `read` gives what was written since it was asked last, also across a rotation of the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("rb")
        self._file.seek(0, os.SEEK_END)
        self._rest = b""

    def read(self) -> list[Request]:
        return [request_of(line) for line in self._lines() if line.get("stage") == "ResponseComplete"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _lines(self) -> Iterator[dict[str, Any]]:
        whole, _, self._rest = (self._rest + self._written()).rpartition(b"\n")
        return (json.loads(line) for line in whole.splitlines())

    def _written(self) -> bytes:
        text = self._file.read()
        while not same(self._file, self.path):
            # It was rotated: what was still written to the old one is read first.
            text += self._file.read()
            self._file.close()
            self._file = self.path.open("rb")
            text += self._file.read()
        return text


def same(file: BinaryIO, path: Path) -> bool:
    """Whether the path still leads to the open file. For a moment of a rotation it leads nowhere."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return True


def of(requests: Iterable[Request], user: str) -> list[Request]:
    return [request for request in requests if request.user == user]


def effects(requests: Iterable[Request], namespace: str) -> list[Request]:
    """Changes of targets, in the order in which they were acknowledged. Targets are ConfigMaps, which the harness creates and
    only contestants patch."""
    found = [one for one in requests if (one.verb, one.resource, one.namespace) == ("patch", "configmaps", namespace) and one.done]
    return sorted(found, key=lambda one: one.ended)


def openings(requests: Iterable[Request], namespace: str) -> dict[str, Request]:
    """Incident -> the request that created it. Incidents of the harness have names of their own."""
    return {
        one.name: one
        for one in requests
        if (one.verb, one.resource, one.namespace) == ("create", "incidents", namespace) and one.done
    }

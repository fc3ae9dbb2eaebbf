"""The API server's audit log as events, followed across its rotation; what is missing of it is an error, never silence.

https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/ ; which requests are kept, and of which the body:
`tests/cluster/audit.py`. The API server writes a request's line before it ends its answer: who reads the log after an
answer finds the request there.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Self
from urllib.parse import parse_qs, urlsplit

Document = dict[str, Any]
# What the API server says of an event that it has cut to a size.
TRUNCATED = "audit.k8s.io/truncated"


class AuditLogGap(Exception):
    """A part of the log was not to be had: what is not in the rest says nothing."""


@dataclass(frozen=True)
class Event:
    """One request and its answer. `acting`: in whose name, where that is not the user's own; `resource` with its subresource.

    `code` 0: how it ended is not known. `body`: what was asked, None where the log does not keep it.
    """

    user: str
    acting: str
    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    code: int
    received: datetime
    answered: datetime
    dry: bool = False
    body: Any = None

    @property
    def done(self) -> bool:
        return 200 <= self.code < 300 and not self.dry

    @property
    def unclear(self) -> bool:
        """The API server itself does not say whether it was done."""
        return (self.code == 0 or self.code >= 500) and not self.dry

    def __str__(self) -> str:
        who = f"{self.user} as {self.acting}" if self.acting else self.user
        where = f"{self.resource} {self.namespace}/{self.name}"
        return f"{self.verb} {where} by {who} at {self.received:%H:%M:%S.%f}: {self.code}"


def parse(line: bytes) -> Event:
    """Raises `AuditLogGap` for a line that is no whole event."""
    try:
        return event_of(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AuditLogGap(f"a line of the audit log is no event ({error!r}): {line[:200]!r}") from error


def event_of(said: Document) -> Event:
    if said.get("annotations", {}).get(TRUNCATED):
        raise AuditLogGap(f"the API server has cut an event: {said['requestURI']}")
    about = said.get("objectRef", {})
    return Event(
        user=said["user"].get("username", ""),
        acting=said.get("impersonatedUser", {}).get("username", ""),
        verb=said["verb"],
        group=about.get("apiGroup", ""),
        resource="/".join(about[part] for part in ("resource", "subresource") if about.get(part)),
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        code=said.get("responseStatus", {}).get("code", 0) if said["stage"] != "Panic" else 0,
        received=datetime.fromisoformat(said["requestReceivedTimestamp"]),
        answered=datetime.fromisoformat(said["stageTimestamp"]),
        dry="dryRun" in parse_qs(urlsplit(said["requestURI"]).query),
        body=said.get("requestObject"),
    )


@dataclass
class AuditLog:
    """From where the log ends when it is opened, with the line that is being written then. `wanted` looks at a line before it is
    parsed, which most are not worth; `bodies`: whether what was asked is kept, which is most of the log."""

    path: Path
    wanted: Callable[[bytes], bool] = lambda line: True
    bodies: bool = True
    events: list[Event] = field(default_factory=list)
    _file: BinaryIO | None = None
    _begun: bytes = b""

    def __enter__(self) -> Self:
        self._file = self.path.open("rb")
        self._file.seek(last_whole_line(self._file))
        return self

    def __exit__(self, *_: object) -> None:
        assert self._file is not None
        self._file.close()

    def read(self) -> list[Event]:
        """Adds what was written since to `events`, and returns all of them. Raises `AuditLogGap`."""
        found = (parse(line) for line in self._lines() if self.wanted(line))
        self.events += found if self.bodies else (replace(event, body=None) for event in found)
        return self.events

    def _lines(self) -> Iterator[bytes]:
        while True:
            # Asked first: a file that has been moved away is not written to any more, so its end is its end.
            follower = self._follower()
            yield from self._rest()
            if follower is None:
                return
            self._turn(follower)

    def _rest(self) -> Iterator[bytes]:
        assert self._file is not None
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            raise AuditLogGap(f"{self.path} was cut short while it was followed")
        for line in self._file:
            if not line.endswith(b"\n"):
                self._begun += line
                return
            yield self._begun + line
            self._begun = b""

    def _turn(self, follower: Path) -> None:
        assert self._file is not None
        if self._begun:
            raise AuditLogGap(f"the log was rotated in the middle of a line: {self._begun[:200]!r}")
        self._file.close()
        self._file = follower.open("rb")

    def _follower(self) -> Path | None:
        """The file that goes on where ours has ended; None: ours is the one that is written to.

        The API server moves a full log away to a name with the time in it, and begins another under the old name.
        """
        assert self._file is not None
        mine = os.fstat(self._file.fileno())
        # A second look where it was moved during the first.
        files = next((found for found in (self._from(mine), self._from(mine)) if found), None)
        if files is None:
            raise AuditLogGap(f"{self.path}: the file that was followed is gone, and with it what it said last")
        return files[1] if len(files) > 1 and files[1].exists() else None

    def _from(self, mine: os.stat_result) -> list[Path]:
        """The log's files from this one on; empty: it is not among them."""
        files = [*sorted(self.path.parent.glob(f"{self.path.stem}-*{self.path.suffix}")), self.path]
        ours = (place for place, file in enumerate(files) if same(file, mine))
        return files[next(ours, len(files)) :]


def last_whole_line(file: BinaryIO) -> int:
    """Where it ends: others look at the file while the API server writes a line, and see a part of it."""
    if not os.fstat(file.fileno()).st_size:
        return 0
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as seen:
        return seen.rfind(b"\n") + 1


def same(file: Path, mine: os.stat_result) -> bool:
    try:
        return os.path.samestat(file.stat(), mine)
    except FileNotFoundError:
        return False

"""What the engine's parts need from the world, as Protocols. `kube` and `packs` implement them; tests bring their own.

Objects of the cluster are raw JSON (`dict`), as the API server sends them: decoding into models is slow and fails a
whole list for one odd object.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from stanch.domain.access import Rights
from stanch.domain.plan import Pin, Ref
from stanch.domain.timeline import Entry, File, Head
from stanch.engine.errors import Refused

Object = dict[str, Any]
# Bytes that a pipe holds unread (pipe(7)). With more, the end of a command that does not read its input may never be told (so does
# kubectl's own exec: containerd 1.6, 19 of 60 runs at 170,000 bytes, none of 60 at 140,000), and containerd may cut off what is
# longer than 192 KiB: https://github.com/containerd/containerd/pull/13936. Even within it the server now and then ends the
# connection before it has told (1 of 240 runs on a busy machine; 4 of 360 with another client): then the end is unknown, at once.
STDIN_LIMIT = 65536


@dataclass(frozen=True)
class HttpReply:
    """An answer over HTTP; `body` is cut at the reader's limit."""

    status: int
    body: bytes
    seconds: float


@dataclass(frozen=True)
class HttpCall:
    """What is asked. `path` begins with a slash and is percent-encoded; `query` is not. Header values may be secrets:
    they stay out of every message."""

    path: str
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class ExecReply:
    """`exit_code` None: the connection broke, or time was over, after the command may have begun; `broken` says how."""

    exit_code: int | None
    stdout: bytes
    stderr: bytes
    truncated: bool = False
    broken: str = ""


def check_stdin(stdin: bytes) -> None:
    """Raises `Refused` (InputTooLong)."""
    if len(stdin) > STDIN_LIMIT:
        raise Refused(
            "InputTooLong",
            f"standard input is {len(stdin)} bytes, expected at most {STDIN_LIMIT}: whether a command has ended cannot be told"
            " while more than a pipe holds waits for it; mount a longer text into the pod",
        )


class Cluster(Protocol):
    """The cluster as one identity sees it. Every call raises `engine.errors` only."""

    async def get(self, ref: Ref) -> Object:
        """The object; `NotFound` when absent, or when `ref.uid` is set and the object has another UID."""

    def list(
        self, api_version: str, kind: str, namespace: str, *, labels: str = "", fields: str = "", metadata_only: bool = False
    ) -> AsyncIterator[Object]:
        """All objects, page by page (500 a page), each with apiVersion and kind set. `labels`, `fields` are selectors;
        `metadata_only` asks for nothing but their metadata, without `managedFields`."""

    async def patch(
        self,
        ref: Ref,
        patch: Mapping[str, Any],
        *,
        resource_version: str = "",
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        """JSON merge patch. With `resource_version`, compare-and-swap: `Conflict` when the object has moved on. With
        `ref.uid`, never another object of the same name."""

    async def create(self, body: Object, *, dry_run: bool = False) -> Object:
        """Creates; `Conflict` with reason AlreadyExists when the name is taken."""

    async def delete(self, ref: Ref, *, resource_version: str = "", dry_run: bool = False) -> None:
        """Deletes, preconditioned on `ref.uid` and `resource_version` where set. Absent already: `NotFound`."""

    def log(
        self, pod: Ref, container: str, *, previous: bool = False, limit_bytes: int, since: datetime | timedelta | None = None
    ) -> AsyncIterator[bytes]:
        """Streams a container's log with time stamps. `NotFound` when there is none (no previous instance).

        `since`: from that time on, or the last so long by the node's clock; to the second, so a few earlier lines may come.
        """

    async def proxy(self, service: Ref, port: str, call: HttpCall, *, scheme: str = "http", limit_bytes: int = 65536) -> HttpReply:
        """A call through the API server's service proxy. An answer of any status is a reply; no backend: `Retryable`.
        The API server takes the header Authorization for itself: it does not arrive."""

    async def exec(
        self,
        pod: Ref,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float,  # noqa: ASYNC109
        limit_bytes: int = 65536,
    ) -> ExecReply:
        """Runs a command in a container, without a shell. Standard output and error come apart, each cut at `limit_bytes`.

        `stdin` is refused above `STDIN_LIMIT` bytes (`check_stdin`). Raises `Refused` or `Retryable` only where the command did
        certainly not begin; once it may have begun, a broken connection or a time-out is a reply whose `exit_code` is None.
        """

    async def allowed(self, verb: str, group: str, resource: str, namespace: str, name: str = "", *, user: str = "") -> bool:
        """Whether this identity may; `resource` may be `pods/log`. By SelfSubjectAccessReview.

        With `user`, whether that one may, which not everybody may ask: `Refused`. Of users that are no ServiceAccounts, only
        what they have in their own name is found.
        """

    async def rights(self, namespace: str) -> Rights:
        """All that this identity may do in `namespace`. By SelfSubjectRulesReview."""


class Clusters(Protocol):
    """Where identities come from."""

    @property
    def own(self) -> Cluster:
        """The operator's own, which neither reads nor writes workloads."""

    def acting_as(self, namespace: str, service_account: Pin) -> Cluster:
        """As that ServiceAccount, by impersonation. Each write first checks that it still has the pinned UID."""


class Web(Protocol):
    """HTTP to places outside the API server, allow-listed by the ResponsePolicy, never by a playbook."""

    async def send(self, origin: str, call: HttpCall, *, timeout: float, limit_bytes: int = 65536) -> HttpReply:  # noqa: ASYNC109
        """Without following redirects. Not allow-listed: `Refused`. No answer: `Retryable`, which does not say whether the
        call arrived."""


class Clock(Protocol):
    def now(self) -> datetime:
        """The API server's time (UTC)."""


class Writer(Protocol):
    """An open file of a pack."""

    async def write(self, data: bytes) -> None: ...

    @property
    def file(self) -> File:
        """Path, hash and size; valid once the writer was closed."""


@dataclass(frozen=True)
class Past:
    """What a pack tells: the last entry of its chain, and the highest number of a capture that has files in it."""

    last: Entry
    captures: int


class Pack(Protocol):
    """The evidence folder of one incident. Durable on return: fsynced, or acknowledged by the object store.

    Every path is checked: relative, no `..`, no empty part, no NUL. Errors: `Retryable` (store does not answer, disk full),
    `Refused` (bad path; an entry with other content under the same number: reason ChainForked).
    """

    @property
    def uri(self) -> str: ...

    async def append(self, entry: Entry) -> None:
        """Creates the entry's object. The same entry being there already is success."""

    def open(self, path: str) -> AbstractAsyncContextManager[Writer]:
        """Streams a new file. It appears under its path when the block ends, also by an exception (then holding what
        was written before it), never half."""

    async def put(self, path: str, data: bytes) -> File:
        """Writes a whole file."""

    async def past(self) -> Past | None:
        """What it tells already; None: it has no chain. `Refused` (ChainBroken) when the last entry is not one."""

    async def seal(self, head: Head, facts: Mapping[str, Any], at: datetime) -> File:
        """Writes timeline.md and manifest.json over all that is there; returns the manifest's File. Idempotent."""


class Packs(Protocol):
    def of(self, namespace: str, name: str, uid: str) -> Pack: ...

    async def claim(self, namespace: str, name: str, uid: str) -> str:
        """Claims the name for the incident with this UID, for good; returns the UID that has it, this one or an earlier."""


class Vault(Protocol):
    """What must survive beside the operator and is too large or too secret for a status: plans in one, before-images in another."""

    async def put(self, name: str, data: bytes, labels: Mapping[str, str] | None = None) -> str:
        """Creates, immutable; returns `sha256:…` of `data`. The same content being there is success, other content `Conflict`."""

    async def get(self, name: str, expected: str) -> bytes:
        """The content; `NotFound` when it is gone, `Refused` (DigestMismatch) when its hash is not `expected`."""

    async def forget(self, labels: Mapping[str, str]) -> None:
        """Deletes all that bears these labels."""


@dataclass(frozen=True)
class Holder:
    """The incident that holds a target. Namespace and name are what its Lease says, for people."""

    uid: str
    namespace: str
    name: str


class Locks(Protocol):
    """One incident changes a target at a time. A lock does not expire: its incident frees it, or is known to be over."""

    async def lock(self, lease_name: str, incident: Holder) -> Holder | None:
        """None once `incident` holds it (also when it did already), else who does. `Conflict`: freed this moment."""

    async def unlock(self, lease_name: str, incident_uid: str) -> bool:
        """Whether it was held by that incident, and now is free. Another's lock is left alone."""

    async def takeover(self, lease_name: str, held_by: str, incident: Holder) -> None:
        """From the incident with UID `held_by`, which the caller knows to be over. `Conflict`: another holds it now."""

"""What the tests of packs share: a small chain, a sealed pack, and a store that fails on purpose."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stanch.domain.timeline import Entry, File, Head, Line
from stanch.engine.chain import head_of, link
from stanch.engine.ports import Pack
from stanch.packs.objects import Store, Upload
from stanch.packs.store import StoredPack, local_path, open_packs

AT = datetime(2026, 11, 21, 23, 58, tzinfo=UTC)
FACTS = {
    "incident": {"name": "frontend-502", "title": "502 on every page", "startedAt": AT},
    "changes": [{"step": "undo", "change": "revision 3 -> 2"}],
    "approvals": [{"by": "alice", "role": "incident-commander"}],
}


def line(number: int, files: tuple[File, ...] = ()) -> Line:
    return Line(f"step/{number}", "alice", f"Act {number}", "it helps", "it did", "look again", files)


def linked(count: int, head: Head | None = None, files: tuple[File, ...] = ()) -> list[Entry]:
    """`count` entries a minute apart; the first vouches for `files`."""
    entries: list[Entry] = []
    at = head or Head()
    for number in range(count):
        entry = link(at, line(at.seq + 1, files if not number else ()), AT + timedelta(minutes=at.seq))
        entries.append(entry)
        at = head_of(entry)
    return entries


def pack_in(root: Path) -> StoredPack:
    return open_packs(str(root)).of("aureus", "frontend-502", "a1b2c3d4-0000-4000-8000-000000000000")


def folder_of(pack: Pack) -> Path:
    folder = local_path(pack.uri)
    assert folder is not None
    return folder


async def fill(pack: Pack, count: int = 4, head: Head | None = None) -> Head:
    """Two files of evidence, and `count` entries of which the first vouches for one of them. The new head."""
    seq = head.seq if head else 0
    async with pack.open(f"logs/during-{seq}/app.log") as log:
        await log.write(b"GET / 502\n" * 20)
    await pack.put(f"objects/during-{seq}/deployment.yaml", b"kind: Deployment\n")
    entries = linked(count, head, (log.file,))
    for entry in entries:
        await pack.append(entry)
    return head_of(entries[-1])


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below the folder, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Plan:
    """Ends the process at the write with this number (from 1), before or after it took effect. `seen` counts writes."""

    at: int
    after: bool
    seen: int = 0
    dead: bool = field(default=False)

    async def around(self) -> AsyncIterator[None]:
        """Wraps one write: the first step comes before it, the second after it."""
        if self.dead:
            raise Crash
        self.seen += 1
        if self.seen == self.at and not self.after:
            self._die()
        yield
        if self.seen == self.at:
            self._die()

    def _die(self) -> None:
        self.dead = True
        raise Crash


class CrashingStore:
    """A store under `plan`. What a dead process would still like to do is not done."""

    def __init__(self, store: Store, plan: Plan) -> None:
        self._store = store
        self._plan = plan

    async def create(self, key: str, data: bytes) -> bool:
        done = False
        async for _ in self._plan.around():
            done = await self._store.create(key, data)
        return done

    async def read(self, key: str, limit: int) -> bytes:
        return await self._store.read(key, limit)

    def stream(self, key: str) -> AsyncIterator[bytes]:
        return self._store.stream(key)

    def list(self, prefix: str) -> AsyncIterator[tuple[str, int]]:
        return self._store.list(prefix)

    def upload(self, key: str, *, replace: bool = False) -> Upload:
        return CrashingUpload(self._store.upload(key, replace=replace), self._plan)

    def uri(self, prefix: str) -> str:
        return self._store.uri(prefix)


class CrashingUpload:
    def __init__(self, upload: Upload, plan: Plan) -> None:
        self._upload = upload
        self._plan = plan

    async def write(self, chunk: bytes) -> None:
        async for _ in self._plan.around():
            await self._upload.write(chunk)

    async def publish(self) -> str:
        path = ""
        async for _ in self._plan.around():
            path = await self._upload.publish()
        return path

    async def discard(self) -> None:
        if not self._plan.dead:
            await self._upload.discard()

"""The coordinator of a capture: all sources in parallel under one budget, then a listing of what came of it.

When the budget ends, what there is gets sealed and what is owed is named. What the cluster does not give is `missing`;
what the pack does not take raises: evidence that cannot be stored is a failed capture. Design, invariant 1; requirement
E-04.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import rfc8785
from pydantic import ValidationError

from stanch.domain.plan import Ref, Source, Target
from stanch.domain.timeline import File
from stanch.engine.errors import Failure, Refused
from stanch.engine.parts import Ledger, Scope, SourceKind
from stanch.engine.ports import Clock, Cluster, Pack
from stanch.evidence.registry import SOURCES

# So many lines of what is missing, cut or noted go into the listing; the number of all of them is there too.
LINES = 10_000


@dataclass(frozen=True)
class Collect:
    """One source with its parameters (an instance of `kind.params`) and the targets that it looks at."""

    kind: SourceKind
    params: Any
    targets: tuple[Ref, ...]

    def __str__(self) -> str:
        return f"{self.kind.name} of {', '.join(map(str, self.targets)) or 'the namespace'}"


@dataclass(frozen=True)
class Place:
    """Where a capture reads and writes. `folder` is its name part, e.g. `before-1`."""

    cluster: Cluster
    pack: Pack
    clock: Clock
    namespace: str
    folder: str


@dataclass(frozen=True)
class CaptureResult:
    """`files` and `bytes` count what the sources wrote; `listing` is the file that lists it and is not among them."""

    at: datetime
    files: int
    bytes: int
    missing: tuple[str, ...]
    cut: tuple[str, ...]
    listing: File


def planned(sources: Iterable[Source], targets: Iterable[Target]) -> tuple[Collect, ...]:
    """The sources of a plan, ready to collect. Raises `Refused` (UnknownSource, UnknownTarget, InvalidParameters)."""
    refs = {target.name: target.ref for target in targets}
    return tuple(_planned(source, refs) for source in sources)


def _planned(source: Source, refs: dict[str, Ref]) -> Collect:
    kind = SOURCES.get(source.source)
    if kind is None:
        raise Refused("UnknownSource", f"evidence: there is no source {source.source!r}; there are {', '.join(SOURCES)}")
    if source.target and source.target not in refs:
        raise Refused("UnknownTarget", f"evidence {source.source}: no target {source.target!r}; there are {', '.join(refs)}")
    try:
        params = kind.params.model_validate(dict(source.params))
    except ValidationError as error:
        raise Refused("InvalidParameters", f"evidence {source.source}: {error}") from error
    return Collect(kind, params, (refs[source.target],) if source.target else tuple(refs.values()))


async def capture(collects: Sequence[Collect], place: Place, budget: timedelta) -> CaptureResult:
    """Collects everything, for no longer than `budget`, and writes `captures/<folder>.json` as the last file.

    Raises the pack's `Retryable` or `Refused` when something could not be stored.
    """
    began = place.clock.now()
    ledger = Ledger()
    await _collect_all(collects, place, began, ledger, budget)
    # Two sources may well write the same file with the same content; it is one file.
    files = sorted({file.path: file for file in ledger.files}.values(), key=lambda file: file.path)
    heading = {
        "folder": place.folder,
        "namespace": place.namespace,
        "sources": [str(collect) for collect in collects],
        "began": _time(began),
        "ended": _time(place.clock.now()),
        "budgetSeconds": budget.total_seconds(),
    }
    listing = await place.pack.put(f"captures/{place.folder}.json", _listing(heading, files, ledger))
    total = sum(file.bytes for file in files)
    return CaptureResult(began, len(files), total, tuple(ledger.missing), tuple(ledger.cut), listing)


async def _collect_all(collects: Sequence[Collect], place: Place, at: datetime, ledger: Ledger, budget: timedelta) -> None:
    try:
        async with asyncio.timeout(budget.total_seconds()), asyncio.TaskGroup() as tasks:
            for number, collect in enumerate(collects, 1):
                scope = Scope(place.cluster, place.pack, place.namespace, collect.targets, at, place.folder, ledger)
                tasks.create_task(_collect(collect, scope, f"source {number}, {collect}"))
    except TimeoutError:
        ended = f"budget of {budget.total_seconds():g} s ended"
        ledger.missing.extend(f"{ended}: {owed} not captured in full" for owed in sorted(ledger.pending))
    except BaseExceptionGroup as group:
        raise _store_failure(group) from group


async def _collect(collect: Collect, scope: Scope, name: str) -> None:
    scope.ledger.pending.add(name)
    await collect.kind.collect(scope, collect.params)
    scope.ledger.pending.discard(name)


def _store_failure(group: BaseExceptionGroup) -> BaseException:
    """The failure of the pack in it. Anything else in the group is a defect and is raised as it is."""
    leaves = tuple(_leaves(group))
    return leaves[0] if all(isinstance(leaf, Failure) for leaf in leaves) else group


def _leaves(group: BaseExceptionGroup) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _listing(heading: dict[str, Any], files: Sequence[File], ledger: Ledger) -> bytes:
    """Canonical JSON (RFC 8785): the same capture gives the same bytes."""
    document = {**heading, "files": [asdict(file) for file in files]}
    for name in ("missing", "cut", "notes"):
        lines = getattr(ledger, name)
        document |= {name: lines[:LINES], f"{name}Count": len(lines)}
    return rfc8785.dumps(document)


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")

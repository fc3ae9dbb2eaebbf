"""Revisions of the workloads: when each came, with which images and why, and what differs from one to the next.

Deployments keep revisions as ReplicaSets, StatefulSets and DaemonSets as ControllerRevisions. Requirements C-05, E-02.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from difflib import unified_diff
from itertools import pairwise

from pydantic import Field

from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.engine.parts import Scope, SourceKind
from stanch.engine.ports import Object
from stanch.engine.workload import created_at, current_revision, revision_number, template_of
from stanch.evidence.last_deploy import UNKNOWN, last_deploy
from stanch.evidence.managed_fields import writers_table
from stanch.evidence.params import Params
from stanch.evidence.reading import Listing, each
from stanch.evidence.text import clock_time, page, span, table, visible
from stanch.evidence.workload import (
    RESOURCES,
    ROLLED_OUT,
    containers_of,
    ref_of,
    revision_rules,
    revisions,
    target_rules,
    targets,
)
from stanch.evidence.writing import as_yaml, file_of, put

WHO = "Who wrote the workload, as far as Kubernetes knows (managers are tools, persons are not recorded):"
CHANGE_CAUSE = "kubernetes.io/change-cause"
DIFF_LINES = 500
MAX_WORKLOADS = 200


class RolloutHistoryParams(Params):
    limit: int = Field(10, ge=1, le=200, description="Show at most so many revisions, the newest ones.")
    whole_namespace: bool = Field(
        False,
        description="Also show every other Deployment, StatefulSet and DaemonSet of the namespace: what changed there "
        "may be the cause.",
    )


async def collect(scope: Scope, params: RolloutHistoryParams) -> None:
    async def work(workload: Object) -> None:
        found = await revisions(scope, "rolloutHistory", workload)
        if found is not None:
            await put(
                scope,
                file_of(scope, "history", workload, ".txt"),
                page(history(workload, found, scope.at, params.limit)),
            )

    await each(workloads(scope, params.whole_namespace), work)


async def workloads(scope: Scope, whole_namespace: bool) -> AsyncIterator[Object]:
    """The targets that are rolled out, then the others of the namespace where that is asked for."""
    seen: set[str] = set()
    async for target in targets(scope, "rolloutHistory"):
        if target["kind"] in ROLLED_OUT:
            seen.add(target["metadata"]["uid"])
            yield target
        else:
            scope.ledger.notes.append(f"rolloutHistory: a {target['kind']} ({ref_of(target)}) has no revisions")
    for kind in ROLLED_OUT if whole_namespace else ():
        what, needs = f"rolloutHistory: {RESOURCES[kind]} of namespace {scope.namespace}", f"list on {RESOURCES[kind]}"
        listed = Listing(scope, what, needs, lambda kind=kind: scope.cluster.list("apps/v1", kind, scope.namespace), MAX_WORKLOADS)
        async for workload in listed:
            if workload["metadata"]["uid"] not in seen:
                yield workload


def history(workload: Object, found: tuple[Object, ...], now: datetime, limit: int) -> Iterator[str]:
    """The page about one workload, line by line. Pure."""
    place = f"in namespace {workload['metadata'].get('namespace', '')}"
    yield f"History of {ref_of(workload)} {place}, at {clock_time(now)}"
    yield _deploy_line(workload, found, now)
    yield from ("", "Revisions, newest first (* is what the workload asks for):")
    yield from table([("REVISION", "CREATED", "AGE", "OBJECT", "IMAGES", "CHANGE CAUSE"), *_rows(workload, found[:limit], now)])
    if len(found) > limit:
        yield f"({len(found) - limit} older ones are not shown)"
    yield from (
        "",
        WHO,
    )
    yield from writers_table(workload, only="spec.")
    for newer, older in pairwise(found[: limit + 1]):
        yield from ("", *difference(older, newer))


def _deploy_line(workload: Object, found: tuple[Object, ...], now: datetime) -> str:
    fact = last_deploy(workload, found)
    age = f" ({span(now - fact.at)} before)" if fact.at else ""
    by = fact.changed_by if fact.changed_by == UNKNOWN else f"manager {visible(fact.changed_by, 128)}"
    return f"Last deploy: revision {fact.revision} at {clock_time(fact.at)}{age}, changed by {by}; {fact.how}"


def _rows(workload: Object, found: Sequence[Object], now: datetime) -> Iterator[tuple[str, ...]]:
    current = current_revision(workload, tuple(found))
    for revision in found:
        at = created_at(revision)
        cause = (revision["metadata"].get("annotations") or {}).get(CHANGE_CAUSE)
        yield (
            f"{revision_number(revision)}{' *' if revision is current else ''}",
            clock_time(at),
            span(now - at),
            visible(revision["metadata"]["name"], 128),
            ", ".join(images(revision)) or "-",
            visible(cause or UNKNOWN),
        )


def images(revision: Object) -> list[str]:
    """`app=registry/app:v2` for each container."""
    return [
        f"{visible(container['name'], 64)}={visible(container.get('image', UNKNOWN), 256)}"
        for container in containers_of(template_of(revision).get("spec") or {})
    ]


def difference(older: Object, newer: Object) -> Iterator[str]:
    """Unified difference of the pod templates of two revisions, at most DIFF_LINES lines."""
    names = (f"revision {revision_number(item)} ({visible(item['metadata']['name'], 128)})" for item in (older, newer))
    before, after = (as_yaml(template_of(item)).splitlines() for item in (older, newer))
    lines = list(unified_diff(before, after, *names, lineterm=""))
    yield from (visible(line) for line in lines[:DIFF_LINES])
    if len(lines) > DIFF_LINES:
        yield f"(cut: {len(lines) - DIFF_LINES} further lines of difference)"
    if not lines:
        yield f"revisions {revision_number(older)} and {revision_number(newer)}: the pod templates do not differ"


def rules(params: RolloutHistoryParams, namespace: str, refs: tuple[Ref, ...]) -> tuple[Rule, ...]:
    own = (*target_rules(refs), *revision_rules(refs))
    if not params.whole_namespace:
        return own
    why = "every workload of the namespace is shown"
    resources = dict.fromkeys((*(RESOURCES[kind] for kind in ROLLED_OUT), *ROLLED_OUT.values()))
    return (*own, *(Rule(("list",), "apps", resource, why=why) for resource in resources))


SOURCE = SourceKind(
    "rolloutHistory",
    "Revisions of the workloads, with the differences between them",
    RolloutHistoryParams,
    rules,
    collect,
)

"""ConfigMaps that the targets refer to: who changed what and when, and how they differ from what was last applied.

Kubernetes keeps no history of a ConfigMap. What it knows is the last-applied annotation (where `kubectl apply` is used)
and the managers with the time of their latest write; the rest is said to be unknown. Requirement C-05.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from difflib import unified_diff

from pydantic import Field

from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.engine.parts import Scope, SourceKind
from stanch.engine.ports import Object
from stanch.evidence.managed_fields import writers_table
from stanch.evidence.objects import MAX_REFERRED, read_named
from stanch.evidence.params import Params
from stanch.evidence.reading import Listing, each
from stanch.evidence.render import LAST_APPLIED
from stanch.evidence.text import clock_time, page, visible, when
from stanch.evidence.workload import config_maps_of, pod_spec_of, target_rules, targets
from stanch.evidence.writing import file_of, put

KIND = "ConfigMap"
DIFF_LINES = 500
UNKNOWN_BEFORE = "What it held before is unknown: Kubernetes keeps no history of a ConfigMap"


class ConfigChangesParams(Params):
    whole_namespace: bool = Field(
        False, description="Show every ConfigMap of the namespace, not only those that the targets refer to."
    )


async def collect(scope: Scope, params: ConfigChangesParams) -> None:
    async def work(config_map: Object) -> None:
        await put(scope, file_of(scope, "config", config_map, ".txt"), page(changes(config_map, scope.at)))

    await each(config_maps(scope, params.whole_namespace), work)


async def config_maps(scope: Scope, whole_namespace: bool) -> AsyncIterator[Object]:
    names: set[str] = set()
    async for target in targets(scope, "configChanges"):
        names |= config_maps_of(pod_spec_of(target) or {})
        if target["kind"] == KIND:
            names.add(target["metadata"]["name"])
    for name in sorted(names):
        if (found := await read_named(scope, "configChanges", KIND, name)) is not None:
            yield found
    if whole_namespace:
        async for found in in_namespace(scope):
            if found["metadata"]["name"] not in names:
                yield found


def in_namespace(scope: Scope) -> Listing[Object]:
    what = f"configChanges: configmaps of namespace {scope.namespace}"
    return Listing(scope, what, "list on configmaps", lambda: scope.cluster.list("v1", KIND, scope.namespace), MAX_REFERRED)


def changes(config_map: Object, now: datetime) -> Iterator[str]:
    """The page about one ConfigMap, line by line. Pure."""
    metadata = config_map["metadata"]
    place = f"in namespace {metadata.get('namespace', '')}"
    yield f"Changes of configmap/{visible(metadata['name'])} {place}, at {clock_time(now)}"
    yield f"Created: {when(metadata.get('creationTimestamp'), now)}"
    if config_map.get("immutable"):
        yield "Immutable: its content is what it was created with"
    yield from ("", "Who wrote it, as far as Kubernetes knows (managers are tools, persons are not recorded):")
    yield from writers_table(config_map)
    yield from ("", *since_applied(config_map))


def since_applied(config_map: Object) -> Iterator[str]:
    """How the content differs from what `kubectl apply` last wrote."""
    before = applied_data(config_map)
    if before is None:
        yield f"{UNKNOWN_BEFORE}, and there is no (readable) last-applied annotation on it."
        return
    now = config_map.get("data") or {}
    changed = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
    if not changed:
        yield f"Its content is what kubectl apply last wrote. {UNKNOWN_BEFORE}."
        return
    yield f"It was changed after kubectl apply last wrote it; keys that differ: {visible(', '.join(changed))}"
    for key in changed:
        yield from ("", *_difference(key, before.get(key), now.get(key)))


def applied_data(config_map: Object) -> Mapping[str, str] | None:
    text = (config_map["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    try:
        applied = json.loads(text) if text else None
    except ValueError:
        return None
    data = applied.get("data") if isinstance(applied, dict) else None
    return (data or {}) if isinstance(applied, dict) and isinstance(data, dict | None) else None


def _difference(key: str, before: str | None, now: str | None) -> Iterator[str]:
    names = (
        f"{visible(key)} {when_}{' (absent)' if text is None else ''}" for when_, text in (("as applied", before), ("now", now))
    )
    lines = list(unified_diff((str(before or "")).splitlines(), (str(now or "")).splitlines(), *names, lineterm=""))
    yield from (visible(line) for line in lines[:DIFF_LINES])
    if len(lines) > DIFF_LINES:
        yield f"(cut: {len(lines) - DIFF_LINES} further lines of difference)"
    if not lines:
        yield f"{visible(key)}: differs in line ends only, or by being absent"


def rules(params: ConfigChangesParams, namespace: str, refs: tuple[Ref, ...]) -> tuple[Rule, ...]:
    referred = Rule(("get",), "", "configmaps", why="pod templates decide which ones they refer to")
    whole = Rule(("list",), "", "configmaps", why="every ConfigMap of the namespace is shown")
    return (*target_rules(refs), referred, *((whole,) if params.whole_namespace else ()))


SOURCE = SourceKind(
    "configChanges",
    "Who changed the ConfigMaps of the targets, when, and the difference",
    ConfigChangesParams,
    rules,
    collect,
)

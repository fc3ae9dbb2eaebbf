"""Objects as YAML: targets, their revisions and pods, Services that select the pods, ConfigMaps that the pods refer to.

- `managedFields` go into a second file beside the first (`…_managedfields-….yaml`): they tell who wrote what, and when.
- A Secret is kept as its name, type, and the names and sizes of its keys. What is kept is built from those; `data`,
  `stringData` and annotations (where kubectl keeps a copy) are never copied. Secrets that pods refer to are read only
  when `secrets` says so.
- Pods of one target go into one file of many documents, read and written one by one.

Requirement E-04: what a write could destroy is there as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.engine.errors import NotFound
from stanch.engine.parts import Scope, SourceKind
from stanch.engine.paths import safe_name
from stanch.engine.ports import Object
from stanch.evidence.params import PodParams
from stanch.evidence.reading import Listing, each, over, read
from stanch.evidence.workload import (
    config_maps_of,
    pod_rules,
    pod_spec_of,
    pods_once,
    revision_rules,
    revisions,
    secrets_of,
    selected,
    targets,
    without_managed_fields,
)  # fmt: skip
from stanch.evidence.writing import as_yaml, file_of, object_name, opened, put, stamped

MAX_REFERRED = 500
KEPT_OF_SECRET = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "labels",
    "ownerReferences",
)


class ObjectsParams(PodParams):
    secrets: bool = Field(
        False,
        description="Also list the keys of the Secrets that the pods refer to, with their sizes, never their contents. "
        "Needs get on Secrets.",
    )


@dataclass
class Referred:
    """What the pods seen so far refer to: names, and the distinct sets of labels that Services may select."""

    config_maps: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)
    labels: set[frozenset[tuple[str, str]]] = field(default_factory=set)

    def by_spec(self, obj: Object) -> None:
        if spec := pod_spec_of(obj):
            self.config_maps |= config_maps_of(spec)
            self.secrets |= secrets_of(spec)

    def by_pod(self, pod: Object) -> None:
        self.by_spec(pod)
        self.labels.add(frozenset((pod["metadata"].get("labels") or {}).items()))


async def collect(scope: Scope, params: ObjectsParams) -> None:
    referred = Referred()
    seen: set[str] = set()
    async for target in targets(scope, "objects"):
        await put_object(scope, target)
        for revision in await revisions(scope, "objects", target) or ():
            await put_object(scope, revision)
        referred.by_spec(target)
        if target["kind"] != "Pod":
            stem = f"pods_of_{safe_name(target['kind'].lower())}_{object_name(scope, target)}"
            await put_pods(scope, stem, pods_once(scope, "objects", target, seen), referred)
        elif seen.add(target["metadata"]["uid"]) is None:
            referred.by_pod(target)
    await put_pods(scope, "pods_by_selector", selected(scope, "objects", params.selector, seen), referred)
    await put_services(scope, referred)
    await put_named(scope, "ConfigMap", referred.config_maps)
    if params.secrets:
        await put_named(scope, "Secret", referred.secrets)


async def put_object(scope: Scope, obj: Object) -> None:
    """The object, and beside it its managedFields."""
    await put(scope, file_of(scope, "objects", obj, ".yaml"), kept(obj).encode())
    if managed := obj["metadata"].get("managedFields"):
        await put(scope, file_of(scope, "objects", obj, ".yaml", "_managedfields"), as_yaml(managed).encode())


def kept(obj: Object) -> str:
    """What is kept of an object, as YAML."""
    return as_yaml(without_contents(obj) if obj["kind"] == "Secret" else without_managed_fields(obj))


def without_contents(secret: Object) -> Object:
    """A Secret without anything that was in it."""
    metadata = {key: secret["metadata"][key] for key in KEPT_OF_SECRET if key in secret["metadata"]}
    sizes = {key: decoded_size(value) for key, value in (secret.get("data") or {}).items()}
    sizes |= {key: len((value or "").encode()) for key, value in (secret.get("stringData") or {}).items()}
    return {
        "apiVersion": secret["apiVersion"],
        "kind": "Secret",
        "metadata": metadata,
        "type": secret.get("type", "Opaque"),
        "keySizesInBytes": sizes,
    }


def decoded_size(base64: str | None) -> int:
    text = (base64 or "").rstrip("=")
    return len(text) * 3 // 4


async def put_pods(scope: Scope, stem: str, pods: AsyncIterator[Object], referred: Referred) -> None:
    """All of `pods` as two files of many documents; no file where there is no pod."""
    first = await anext(pods, None)
    if first is None:
        return
    main = stamped(scope, "objects", stem, ".yaml")
    beside = stamped(scope, "objects", f"{stem}_managedfields", ".yaml")
    async with opened(scope, main) as objects, opened(scope, beside) as fields:
        pod: Any = first
        while pod is not None:
            referred.by_pod(pod)
            await objects.write(f"---\n{kept(pod)}".encode())
            await fields.write(f"---\n{as_yaml(fields_of(pod))}".encode())
            # A page of pods comes at once and YAML takes milliseconds each: let others run in between.
            await asyncio.sleep(0)
            pod = await anext(pods, None)


def fields_of(pod: Object) -> Object:
    return {"pod": pod["metadata"]["name"], "managedFields": pod["metadata"].get("managedFields") or []}


async def put_services(scope: Scope, referred: Referred) -> None:
    if not referred.labels:
        return
    what = f"objects: services of namespace {scope.namespace}"
    listed = Listing(
        scope, what, "list on services", lambda: scope.cluster.list("v1", "Service", scope.namespace), MAX_REFERRED * 10
    )
    async for service in listed:
        if selects(service, referred.labels):
            await put_object(scope, service)


def selects(service: Object, labels: set[frozenset[tuple[str, str]]]) -> bool:
    """Whether a Service selects a pod with one of these sets of labels; one without a selector selects none."""
    wanted = set(((service.get("spec") or {}).get("selector") or {}).items())
    return bool(wanted) and any(wanted <= has for has in labels)


async def put_named(scope: Scope, kind: str, names: set[str]) -> None:
    """The ConfigMaps or Secrets of these names. One that does not exist is a finding, not missing evidence."""
    for name in sorted(names)[MAX_REFERRED:]:
        scope.ledger.missing.append(f"objects: {kind.lower()}/{name}: more than {MAX_REFERRED} are referred to")

    async def work(name: str) -> None:
        if (found := await read_named(scope, "objects", kind, name)) is not None:
            await put_object(scope, found)

    await each(over(sorted(names)[:MAX_REFERRED]), work)


async def read_named(scope: Scope, source: str, kind: str, name: str) -> Object | None:
    """The ConfigMap or Secret; None when it does not exist (noted), or cannot be read (missing)."""
    ref = Ref("v1", kind, scope.namespace, name)

    async def get() -> Object | None:
        try:
            return await scope.cluster.get(ref)
        except NotFound:
            scope.ledger.notes.append(f"{source}: {ref} does not exist, though pods refer to it")
            return None

    return await read(scope, f"{source}: {ref}", f"get on {kind.lower()}s", get)


def rules(params: ObjectsParams, namespace: str, refs: tuple[Ref, ...]) -> tuple[Rule, ...]:
    referred = ("configmaps", "secrets") if params.secrets else ("configmaps",)
    return (
        *dict.fromkeys((*pod_rules(refs), *revision_rules(refs))),
        Rule(("list",), "", "services", why="Services are found by what they select"),
        *(Rule(("get",), "", resource, why="pods decide which ones they refer to") for resource in referred),
    )


SOURCE = SourceKind("objects", "Targets and what belongs to them as YAML, Secrets without contents", ObjectsParams, rules, collect)

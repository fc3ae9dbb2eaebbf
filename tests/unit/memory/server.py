"""An API server in memory: what it stores, and the rules by which it changes it.

It models: resourceVersion as compare-and-swap, UIDs, JSON merge patch, generation, the status subresource, finalizers
and deletionTimestamp, label and field selectors, dry-run, immutable Secrets and ConfigMaps, permissions of each identity. It
runs no controllers: tests play them (`after_write` hooks, `add`, `set_status`). It validates no schema and sets no defaults.
What else it does not model raises `NotModelled`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from stanch.domain.access import Question, Rights, Rule
from stanch.domain.plan import Ref
from stanch.engine.errors import Conflict, Failure, NotFound, Refused
from stanch.engine.ports import ExecReply, HttpCall, HttpReply, Object
from tests.unit.memory.kinds import KINDS, Kind
from tests.unit.memory.objects import SERVERS, NotModelled, copied, counted, immutable, kept, merged, unmoved, within_the_model
from tests.unit.memory.selectors import fields_match, labels_match
from tests.unit.memory.time import MemoryTime

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_EVERYTHING = Rule(("*",), "*", "*")

Key = tuple[str, str, str, str]


class Crash(BaseException):
    """The process dies here (for hooks). Not an Exception, so that nobody handles it."""


@dataclass(frozen=True)
class Write:
    """One write as it reached the server; `number` counts from 1, dry runs are 0. `user` is empty for the operator."""

    number: int
    user: str
    verb: str
    ref: Ref
    body: Mapping[str, Any]
    subresource: str = ""


Hook = Callable[[Write], None]
Backend = Callable[[HttpCall], HttpReply]
# What a container makes of a command and its standard input; one that it does not have: raises `Refused`.
Command = Callable[[Sequence[str], bytes], ExecReply]


class MemoryServer:
    def __init__(self, kinds: Iterable[Kind] = KINDS) -> None:
        self.time = MemoryTime()
        self.kinds = {(kind.api_version, kind.kind): kind for kind in kinds}
        self.writes: list[Write] = []
        # Asked about every write, dry runs too; refuses by raising `Refused`.
        self.admission: list[Hook] = []
        self.before_write: list[Hook] = []
        self.after_write: list[Hook] = []
        self.before_read: list[Callable[[str, Ref], None]] = []
        self.logs: dict[tuple[str, str, str, bool], Sequence[bytes | Failure]] = {}
        self.backends: dict[tuple[str, str, str], Backend] = {}
        self.commands: dict[tuple[str, str, str], Command] = {}
        self.blurred = False
        self._grants: dict[str, list[tuple[str, Rule]]] = {}
        self.permit_all("")
        self._objects: dict[Key, Object] = {}
        self._version = 1000
        self._uids = 0

    # What tests arrange

    def register(self, kind: Kind) -> None:
        self.kinds[kind.api_version, kind.kind] = kind

    def add(self, body: Object) -> Ref:
        """Puts an object there as it is, status and all, past permissions and hooks; its namespace too."""
        kind = self.kind(body["apiVersion"], body["kind"])
        namespace = body["metadata"].get("namespace", "")
        if namespace and (("", "Namespace", "", namespace) not in self._objects):
            self.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        stored = self._stamped(kind, copied(body))
        self._objects[self._key(kind, namespace, stored["metadata"]["name"])] = stored
        return self.ref(stored)

    def set_status(self, ref: Ref, status: Mapping[str, Any]) -> Object:
        """Replaces the whole status, as a controller does, past permissions and hooks."""
        kind = self.kind(ref.api_version, ref.kind)
        stored = self.read(ref)
        return self._store(kind, {**stored, "status": copied(status)}, stored, dry_run=False)

    def remove(self, ref: Ref) -> None:
        """Takes an object away, whatever its finalizers say."""
        del self._objects[self._key(self.kind(ref.api_version, ref.kind), ref.namespace, ref.name)]

    def grant(self, namespace: str, service_account: str, *rules: Rule, inside: str | None = None) -> None:
        """Permits `rules` to a ServiceAccount of `namespace`, there or `inside` another one (`*`: everywhere)."""
        self.permit_inside(namespace if inside is None else inside, f"system:serviceaccount:{namespace}:{service_account}", *rules)

    def permit_inside(self, namespace: str, user: str, *rules: Rule) -> None:
        """Permits `rules` to whoever has this name; the operator's own is the empty string."""
        self._grants.setdefault(user, []).extend((namespace, rule) for rule in rules)

    def restrict(self, user: str) -> None:
        """Takes every permission from `user`; the operator's own name is the empty string."""
        self._grants[user] = []

    def permit_all(self, user: str) -> None:
        self._grants[user] = [("*", _EVERYTHING)]

    def fail(self, number: int, error: BaseException, *, after: bool = False) -> None:
        """The `number`th write raises `error`: before it takes effect, or after, as when its answer is lost."""

        def hook(write: Write) -> None:
            if write.number == number:
                raise error

        (self.after_write if after else self.before_write).append(hook)

    # What the ports are made of

    def kind(self, api_version: str, kind: str) -> Kind:
        found = self.kinds.get((api_version, kind))
        if found is None:
            raise Refused("UnknownKind", f"the API server serves no {kind} in {api_version}: misspelt, or its CRD is missing")
        return found

    def ref(self, body: Object) -> Ref:
        metadata = body["metadata"]
        where = metadata.get("namespace", "")
        name = metadata.get("name") or metadata["generateName"]
        return Ref(body["apiVersion"], body["kind"], where, name, metadata.get("uid", ""))

    def permitted(self, user: str, verb: str, group: str, resource: str, namespace: str, name: str) -> bool:
        return Rights(self._rules(user, namespace)).allow(Question(verb, group, resource, name))

    def rights(self, user: str, namespace: str) -> Rights:
        """`blurred`: as where a webhook authorizes too, which lists no rules."""
        return Rights(self._rules(user, namespace), not self.blurred)

    def _rules(self, user: str, namespace: str) -> tuple[Rule, ...]:
        return tuple(rule for inside, rule in self._grants.get(user, ()) if inside in {"*", namespace})

    def read(self, ref: Ref) -> Object:
        """A copy; `NotFound` when absent or re-created."""
        kind = self.kind(ref.api_version, ref.kind)
        stored = self._objects.get(self._key(kind, ref.namespace, ref.name))
        if stored is None:
            raise NotFound("NotFound", f'{kind.plural} "{ref.name}" not found')
        if ref.uid and stored["metadata"]["uid"] != ref.uid:
            raise NotFound("Replaced", f"{ref} was re-created: its UID is {stored['metadata']['uid']}, expected {ref.uid}")
        return copied(stored)

    def select(self, api_version: str, kind_name: str, namespace: str, labels: str, fields: str) -> list[Object]:
        kind = self.kind(api_version, kind_name)
        if namespace and not kind.namespaced:
            raise Refused("Invalid", f"{kind_name} is cluster-scoped; namespace {namespace!r} was given, expected none")
        found = [item for key, item in sorted(self._objects.items()) if key[:2] == (kind.group, kind.kind)]
        return [
            copied(item)
            for item in found
            if namespace in {"", item["metadata"].get("namespace", "")}
            and labels_match(labels, item["metadata"].get("labels", {}))
            and fields_match(fields, item, kind.selectable)
        ]

    def create(self, body: Object, *, dry_run: bool) -> Object:
        kind = self.kind(body["apiVersion"], body["kind"])
        body = self._named(body)
        metadata = body["metadata"]
        name, namespace = metadata["name"], metadata.get("namespace", "")
        key = self._key(kind, namespace, name)
        if metadata.get("resourceVersion") or not _NAME.fullmatch(name):
            raise Refused("Invalid", f"{kind.plural} {name!r}: resourceVersion is set, or the name is not a DNS subdomain")
        if namespace and ("", "Namespace", "", namespace) not in self._objects:
            raise NotFound("NotFound", f'namespaces "{namespace}" not found')
        if key in self._objects:
            raise Conflict("AlreadyExists", f'{kind.plural} "{name}" already exists')
        made = {part: value for part, value in copied(body).items() if not (kind.status and part == "status")}
        made["metadata"] = {part: value for part, value in made["metadata"].items() if part not in SERVERS}
        stored = self._stamped(kind, made)
        if not dry_run:
            self._objects[key] = stored
        return copied(stored)

    def patch(self, ref: Ref, patch: Mapping[str, Any], resource_version: str, subresource: str, *, dry_run: bool) -> Object:
        kind = self.kind(ref.api_version, ref.kind)
        within_the_model(kind, patch, subresource)
        stored = self.read(ref)
        if resource_version and resource_version != stored["metadata"]["resourceVersion"]:
            raise Conflict("Conflict", f'{kind.plural} "{ref.name}": the object has been modified')
        wanted = merged(stored, patch)
        unmoved(stored, wanted)
        if subresource:
            wanted = {**stored, "status": wanted.get("status")}
        elif kind.status and "status" in stored:
            wanted = {**wanted, "status": stored["status"]}
        elif kind.status:
            wanted = {part: value for part, value in wanted.items() if part != "status"}
        wanted["metadata"] = kept(stored["metadata"], wanted["metadata"])
        immutable(stored, wanted)
        return self._store(kind, wanted, stored, dry_run=dry_run)

    def delete(self, ref: Ref, resource_version: str, *, dry_run: bool = False) -> None:
        kind = self.kind(ref.api_version, ref.kind)
        stored = self.read(ref)
        metadata = stored["metadata"]
        if resource_version and resource_version != metadata["resourceVersion"]:
            raise Conflict("Conflict", f'{kind.plural} "{ref.name}": the object has been modified')
        if dry_run:
            return
        owned = self._dependents(metadata["uid"])
        if owned and metadata.get("finalizers"):
            raise NotModelled(f"garbage collection: {ref} owns other objects, and has finalizers; remove them first")
        if not metadata.get("finalizers"):
            self.remove(ref)
            for dependent in owned:
                self.delete(self.ref(dependent), "")
        elif "deletionTimestamp" not in metadata:
            marked = {**metadata, "deletionTimestamp": self._timestamp()}
            self._store(kind, {**stored, "metadata": marked}, stored, dry_run=False)

    def begin(self, write: Write) -> Write:
        """Numbers a write and runs the hooks that may keep it from happening."""
        numbered = replace(write, number=len(self.writes) + 1)
        self.writes.append(numbered)
        for hook in list(self.before_write):
            hook(numbered)
        return numbered

    def _store(self, kind: Kind, wanted: Object, stored: Object, *, dry_run: bool) -> Object:
        """A change that changes nothing keeps its resourceVersion; one that takes the last finalizer off may delete."""
        if wanted == stored:
            return copied(stored)
        metadata = dict(wanted["metadata"])
        if kind.generation and counted(kind, wanted) != counted(kind, stored):
            metadata["generation"] = metadata["generation"] + 1
        result = {**wanted, "metadata": metadata}
        if dry_run:
            return copied(result)
        metadata["resourceVersion"] = self._next_version()
        key = self._key(kind, metadata.get("namespace", ""), metadata["name"])
        if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
            del self._objects[key]
        else:
            self._objects[key] = copied(result)
        return copied(result)

    def _named(self, body: Object) -> Object:
        """A real server's five characters are random; these are counted, so that each run is the same."""
        metadata = body["metadata"]
        if metadata.get("name") or "generateName" not in metadata:
            return body
        return {**body, "metadata": {**metadata, "name": f"{metadata['generateName']}{self._uids:05d}"}}

    def _stamped(self, kind: Kind, body: Object) -> Object:
        self._uids += 1
        own = {
            "uid": str(UUID(int=self._uids << 96)),
            "resourceVersion": self._next_version(),
            "creationTimestamp": self._timestamp(),
            **({"generation": 1} if kind.generation else {}),
        }
        return {**body, "metadata": {**own, **body["metadata"]}}

    def _key(self, kind: Kind, namespace: str, name: str) -> Key:
        if not name or bool(namespace) != kind.namespaced:
            scope = "namespaced" if kind.namespaced else "cluster-scoped"
            raise Refused("Invalid", f"{kind.kind} {name!r} in {namespace!r}: it is {scope}, and needs a name")
        return (kind.group, kind.kind, namespace, name)

    def _dependents(self, uid: str) -> list[Object]:
        owners = ((item, item["metadata"].get("ownerReferences", ())) for item in self._objects.values())
        return [item for item, references in owners if any(reference["uid"] == uid for reference in references)]

    def _next_version(self) -> str:
        self._version += 1
        return str(self._version)

    def _timestamp(self) -> str:
        return self.time.now().strftime("%Y-%m-%dT%H:%M:%SZ")

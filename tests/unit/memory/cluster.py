"""The ports of `engine.ports`, on an API server in memory."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import unquote

from stanch.domain.access import Rights
from stanch.domain.plan import Pin, Ref
from stanch.engine.errors import Failure, NotFound, NotSent, Refused
from stanch.engine.ports import ExecReply, HttpCall, HttpReply, Object, check_stdin
from tests.unit.memory.kinds import RBAC
from tests.unit.memory.objects import copied
from tests.unit.memory.server import MemoryServer, Write

# The verb that RBAC asks about for each method. https://kubernetes.io/docs/reference/access-authn-authz/authorization/
PROXY_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_CHUNK = 65536
_REVIEWS = "authorization.k8s.io"
_RESERVED = re.compile(r"(?i)authorization$|proxy-authorization$|host$|x-remote-|impersonate-")
T = TypeVar("T")


class MemoryCluster:
    """The server as one identity sees it: `by`, or the ServiceAccount that it acts as. The operator's own name is empty."""

    def __init__(self, server: MemoryServer, namespace: str = "", pin: Pin | None = None, by: str = "") -> None:
        self._server = server
        self._namespace = namespace
        self._pin = pin
        self._user = f"system:serviceaccount:{namespace}:{pin.name}" if pin else by
        self._by = by

    async def get(self, ref: Ref) -> Object:
        await self._reading("get", ref)
        return self._server.read(ref)

    async def list(
        self, api_version: str, kind: str, namespace: str, *, labels: str = "", fields: str = "", metadata_only: bool = False
    ) -> AsyncIterator[Object]:
        await self._reading("list", Ref(api_version, kind, namespace, ""))
        for item in self._server.select(api_version, kind, namespace, labels, fields):
            yield _partial(item) if metadata_only else item

    async def patch(
        self,
        ref: Ref,
        patch: Mapping[str, Any],
        *,
        resource_version: str = "",
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        write = Write(0, self._user, "patch", ref, copied(patch), subresource)
        server = self._server
        return await self._writing(write, lambda: server.patch(ref, patch, resource_version, subresource, dry_run=dry_run), dry_run)

    async def create(self, body: Object, *, dry_run: bool = False) -> Object:
        write = Write(0, self._user, "create", self._server.ref(body), copied(body))
        return await self._writing(write, lambda: self._server.create(body, dry_run=dry_run), dry_run)

    async def delete(self, ref: Ref, *, resource_version: str = "", dry_run: bool = False) -> None:
        write = Write(0, self._user, "delete", ref, {})
        await self._writing(write, lambda: self._server.delete(ref, resource_version, dry_run=dry_run), dry_run)

    async def log(
        self, pod: Ref, container: str, *, previous: bool = False, limit_bytes: int, since: datetime | timedelta | None = None
    ) -> AsyncIterator[bytes]:
        """With `since`, parts are whole lines."""
        await self._reading("get", pod, "log")
        _has_container(self._server.read(pod), container)
        parts = self._server.logs.get((pod.namespace, pod.name, container, previous))
        if parts is None:
            raise NotFound("NoLog", f"{'previous terminated ' if previous else ''}container {container} of {pod} not found")
        left = limit_bytes
        for part in parts:
            if isinstance(part, Failure):
                raise part
            part = self._lines_since(part, since)
            for start in range(0, len(part), _CHUNK):
                chunk = part[start : start + min(_CHUNK, left)]
                left -= len(chunk)
                if not chunk or left < 0:
                    return
                yield chunk

    async def proxy(self, service: Ref, port: str, call: HttpCall, *, scheme: str = "http", limit_bytes: int = _CHUNK) -> HttpReply:
        path = call.path
        if not path.startswith("/") or {".", ".."} & set(unquote(path.partition("?")[0]).split("/")):
            raise Refused("Invalid", f"{path!r} cannot be a path: it climbs, or does not begin with '/'")
        if taken := [name for name in call.headers if _RESERVED.match(name)]:
            raise Refused("Invalid", f"the header {taken[0]} is the API server's own")
        if PROXY_VERBS[call.method] != "get":
            self._vouched()
        await self._reading(PROXY_VERBS[call.method], service, "proxy")
        self._server.read(service)
        backend = self._server.backends.get((service.namespace, service.name, port))
        if backend is None:
            raise NotSent("ServiceUnavailable", f'no endpoints available for service "{service.name}:{port}"')
        if PROXY_VERBS[call.method] == "get":
            return _cut(backend(call), limit_bytes)
        write = Write(0, self._user, "call", service, {"call": call}, "proxy")
        return _cut(self._performed(write, lambda: backend(call)), limit_bytes)

    async def exec(
        self,
        pod: Ref,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float,  # noqa: ASYNC109
        limit_bytes: int = _CHUNK,
    ) -> ExecReply:
        """`timeout` is the command's to keep: a test says with `broken` that it was over."""
        check_stdin(stdin)
        self._vouched()
        for verb in ("get", "create"):
            await self._reading(verb, pod, "exec")
        _has_container(self._server.read(pod), container)
        command = self._server.commands.get((pod.namespace, pod.name, container))
        if command is None:
            raise NotSent("InternalError", f'unable to upgrade connection: container not found ("{container}")')
        write = Write(0, self._user, "exec", pod, {"container": container, "argv": [*argv], "stdin": stdin}, "exec")
        reply = self._performed(write, lambda: command(argv, stdin))
        cut = reply.truncated or max(len(reply.stdout), len(reply.stderr)) > limit_bytes
        return replace(reply, stdout=reply.stdout[:limit_bytes], stderr=reply.stderr[:limit_bytes], truncated=cut)

    def _lines_since(self, part: bytes, since: datetime | timedelta | None) -> bytes:
        if since is None:
            return part
        begin = (since if isinstance(since, datetime) else self._server.time.now() - since).replace(microsecond=0)
        lines = part.splitlines(keepends=True)
        return b"".join(line for line in lines if datetime.fromisoformat(line.split()[0].decode()) >= begin)

    async def allowed(self, verb: str, group: str, resource: str, namespace: str, name: str = "", *, user: str = "") -> bool:
        await self._reviewing("SubjectAccessReview" if user else "SelfSubjectAccessReview")
        if user and not self._server.permitted(self._user, "create", _REVIEWS, "subjectaccessreviews", "", ""):
            raise Refused("Forbidden", f'User "{self._user}" cannot create resource "subjectaccessreviews"')
        return self._server.permitted(user or self._user, verb, group, resource, namespace, name)

    async def rights(self, namespace: str) -> Rights:
        await self._reviewing("SelfSubjectRulesReview")
        return self._server.rights(self._user, namespace)

    async def _reviewing(self, kind: str) -> None:
        await asyncio.sleep(0)
        self._impersonated()
        for hook in list(self._server.before_read):
            hook("review", Ref(f"{_REVIEWS}/v1", kind, "", self._user))

    def _impersonated(self) -> None:
        if not self._pin or self._server.permitted(self._by, "impersonate", "", "serviceaccounts", self._namespace, self._pin.name):
            return
        raise Refused("Forbidden", f'User "{self._by}" cannot impersonate resource "serviceaccounts" {self._pin.name!r}')

    async def _reading(self, verb: str, ref: Ref, subresource: str = "") -> None:
        await asyncio.sleep(0)
        self._authorize(verb, ref, subresource)
        for hook in list(self._server.before_read):
            hook(verb, ref)

    async def _writing(self, write: Write, effect: Callable[[], T], dry_run: bool) -> T:
        await asyncio.sleep(0)
        self._vouched()
        # RBAC cannot narrow a creation to a name, so it is asked without one.
        self._authorize(write.verb, write.ref, write.subresource)
        self._escalates(write)
        for admit in self._server.admission:
            admit(write)
        return effect() if dry_run else self._performed(write, effect)

    def _escalates(self, write: Write) -> None:
        """Who writes a binding needs `bind` on its role. A real server also lets those who hold all that the role permits."""
        if write.ref.kind != "RoleBinding" or write.verb == "delete":
            return
        stored = {} if write.verb == "create" else self._server.read(write.ref)
        refers = {**stored, **write.body}["roleRef"]
        resource = f"{refers['kind'].lower()}s"
        if not self._server.permitted(self._user, "bind", RBAC, resource, write.ref.namespace, refers["name"]):
            raise Refused("Forbidden", f'user "{self._user}" is attempting to grant RBAC permissions not currently held')

    def _vouched(self) -> None:
        if self._pin:
            _vouch(self._server, self._namespace, self._pin)

    def _performed(self, write: Write, effect: Callable[[], T]) -> T:
        begun = self._server.begin(write)
        result = effect()
        for hook in list(self._server.after_write):
            hook(begun)
        return result

    def _authorize(self, verb: str, ref: Ref, subresource: str) -> None:
        self._impersonated()
        kind = self._server.kind(ref.api_version, ref.kind)
        resource = f"{kind.plural}/{subresource}" if subresource else kind.plural
        name = "" if verb == "create" else ref.name
        if not self._server.permitted(self._user, verb, kind.group, resource, ref.namespace, name):
            denied = f'User "{self._user}" cannot {verb} resource "{resource}" in API group "{kind.group}"'
            hint = "`stanch rbac` prints the Role that is needed"
            raise Refused("Forbidden", f'{denied} in the namespace "{ref.namespace}" ({ref}). {hint}')


class MemoryClusters:
    def __init__(self, server: MemoryServer) -> None:
        self._server = server
        self._own = MemoryCluster(server)

    @property
    def own(self) -> MemoryCluster:
        return self._own

    def acting_as(self, namespace: str, service_account: Pin) -> MemoryCluster:
        return MemoryCluster(self._server, namespace, service_account)


@dataclass
class MemoryWeb:
    """`answers`: URL -> reply or failure. Any other URL is not allow-listed. `calls`: what was sent there, in order."""

    answers: dict[str, HttpReply | Failure] = field(default_factory=dict)
    calls: list[HttpCall] = field(default_factory=list)

    async def send(self, origin: str, call: HttpCall, *, timeout: float, limit_bytes: int = _CHUNK) -> HttpReply:  # noqa: ASYNC109
        await asyncio.sleep(0)
        url = origin + call.path
        answer = self.answers.get(url)
        if answer is None:
            raise Refused("NotAllowed", f"{url} is not among the places that the operator may ask")
        self.calls.append(call)
        if isinstance(answer, Failure):
            raise answer
        return _cut(answer, limit_bytes)


def _cut(reply: HttpReply, limit_bytes: int) -> HttpReply:
    return replace(reply, body=reply.body[:limit_bytes])


def _vouch(server: MemoryServer, namespace: str, pin: Pin) -> None:
    if not pin.uid:
        raise Refused("ServiceAccountNotPinned", f"{namespace}/{pin.name}: no UID")
    try:
        found = server.read(Ref("v1", "ServiceAccount", namespace, pin.name))
    except NotFound as failure:
        raise Refused("ServiceAccountGone", f"{namespace}/{pin.name} was deleted") from failure
    if found["metadata"]["uid"] != pin.uid:
        raise Refused("ServiceAccountReplaced", f"{namespace}/{pin.name} was re-created")


def _has_container(pod: Object, container: str) -> None:
    spec = pod["spec"]
    parts = ("containers", "initContainers", "ephemeralContainers")
    if container not in {one["name"] for part in parts for one in spec.get(part, ())}:
        raise Refused("Invalid", f"container {container} is not valid for pod {pod['metadata']['name']}")


def _partial(item: Object) -> Object:
    metadata = {name: value for name, value in item["metadata"].items() if name != "managedFields"}
    return {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": metadata}

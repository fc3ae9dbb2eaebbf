"""The cluster as one identity sees it: implements `engine.ports.Cluster` on the API server's HTTP interface."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from stanch.domain.access import Question, Rights
from stanch.domain.plan import Ref
from stanch.engine.errors import Conflict, Failure, NotFound, NotSent, Refused, Retryable
from stanch.engine.ports import ExecReply, HttpCall, HttpReply, Object, check_stdin
from stanch.kube import partial, reviews
from stanch.kube.client import MERGE_PATCH, ApiServer, Request, read_at_most
from stanch.kube.discovery import Discovery, Resource, segment
from stanch.kube.errors import Answer, of_answer, of_way, status_object
from stanch.kube.exec import exec_query, run_exec

FIELD_MANAGER = "stanch"
PAGE = 500
RESTARTS = 3
PAGE_WAIT = 1.0
CHUNK = 65536
# A misspelt field must fail the write, not vanish from it and leave a step that did nothing.
_STRICT = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
# Who asks is said by these alone: a call for a backend must not be able to say it.
_RESERVED = re.compile(r"(?i)(proxy-)?authorization$|host$|x-remote-|impersonate-")
_NO_LOG = re.compile(
    r".*(previous terminated container .* not found|is waiting to start|unable to retrieve container logs)", re.DOTALL
)


async def _no_question() -> None:
    """The operator's own identity needs no vouching."""


class ApiCluster:
    """`user` is impersonated unless empty. `vouch` is awaited before each write and raises to forbid it."""

    def __init__(
        self,
        api: ApiServer,
        discovery: Discovery,
        *,
        user: str = "",
        vouch: Callable[[], Awaitable[None]] = _no_question,
        page: int = PAGE,
    ) -> None:
        self._api = api
        self._discovery = discovery
        self._user = user
        self._vouch = vouch
        self._page = page

    async def get(self, ref: Ref) -> Object:
        path = await self._path(ref)
        found = await self._api.json(self._request("GET", path, f"read {_place(ref)}"))
        _same(ref, found)
        return found

    async def list(
        self, api_version: str, kind: str, namespace: str, *, labels: str = "", fields: str = "", metadata_only: bool = False
    ) -> AsyncIterator[Object]:
        """Begins again where the server has forgotten the position (410), a few times, and gives no object twice."""
        resource = await self._discovery.resource(api_version, kind)
        selectors = {name: value for name, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}
        seen: set[object] = set()
        for _ in range(1 + RESTARTS):
            try:
                async for item in self._pages(resource, namespace, selectors, metadata_only):
                    identity = _identity(item)
                    if identity not in seen:
                        seen.add(identity)
                        yield {**item, "apiVersion": api_version, "kind": kind}
                return
            except Retryable as failure:
                if failure.reason != "Expired":
                    raise
        raise Retryable("Expired", f"list {kind}: the server forgot the position {1 + RESTARTS} times")

    async def patch(
        self,
        ref: Ref,
        patch: Mapping[str, Any],
        *,
        resource_version: str = "",
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        await self._vouch()
        if ref.uid and subresource and not resource_version:
            # A custom resource's /status ignores metadata.uid (seen on 1.34); a resourceVersion it does honour.
            resource_version = (await self.get(ref))["metadata"]["resourceVersion"]
        path = await self._path(ref, *([subresource] if subresource else []))
        body = {**patch, "metadata": {**patch.get("metadata", {}), **_preconditions(ref, resource_version)}}
        doing = f"patch {_place(ref)}{'/' + subresource if subresource else ''}"
        query = {**_STRICT, **_dry(dry_run)}
        request = self._request("PATCH", path, doing, query=query, body=body, content_type=MERGE_PATCH)
        return await self._on_same(ref, request)

    async def create(self, body: Object, *, dry_run: bool = False) -> Object:
        await self._vouch()
        metadata = body["metadata"]
        resource = await self._discovery.resource(body["apiVersion"], body["kind"])
        namespace = metadata.get("namespace", "")
        if resource.namespaced and not namespace:
            raise Refused(
                "Invalid",
                f"create {body['kind']} {metadata.get('name', '')!r}: it is namespaced, no namespace was given",
            )
        doing = f"create {body['kind'].lower()}/{metadata.get('name', '')} in {namespace or 'the cluster'}"
        query = {**_STRICT, **_dry(dry_run)}
        return await self._api.json(self._request("POST", resource.collection(namespace), doing, query=query, body=body))

    async def delete(self, ref: Ref, *, resource_version: str = "", dry_run: bool = False) -> None:
        await self._vouch()
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": _preconditions(ref, resource_version),
            # Said in the body: where there is one, the server does not look at the query.
            **({"dryRun": ["All"]} if dry_run else {}),
        }
        await self._on_same(ref, self._request("DELETE", await self._path(ref), f"delete {_place(ref)}", body=options))

    async def log(
        self, pod: Ref, container: str, *, previous: bool = False, limit_bytes: int, since: datetime | timedelta | None = None
    ) -> AsyncIterator[bytes]:
        if pod.uid:
            await self.get(pod)
        which = {"container": container, "previous": str(previous).lower()}
        query = {**which, "timestamps": "true", "limitBytes": str(limit_bytes), **_since(since)}
        doing = f"read the {'previous ' if previous else ''}log of {container} in {_place(pod)}"
        request = self._request("GET", await self._path(pod, "log"), doing, query=query, streamed=True)
        left = limit_bytes
        try:
            async with self._api.stream(request) as content:
                while left > 0 and (chunk := await content.read(min(left, CHUNK))):
                    # The kubelet words this failure into the body of a 200; a genuine line begins with its time.
                    if left == limit_bytes and _NO_LOG.match(chunk[:100].decode(errors="replace")):
                        raise NotFound("NoLog", f"{doing}: {chunk[:200].decode(errors='replace')}")
                    left -= len(chunk)
                    yield chunk
        except Refused as failure:
            raise _no_log(failure) from failure

    async def proxy(self, service: Ref, port: str, call: HttpCall, *, scheme: str = "http", limit_bytes: int = CHUNK) -> HttpReply:
        doing = f"{call.method} {call.path} through {_place(service)}:{port}"
        below = _backend_path(call.path)
        if call.method not in ("GET", "HEAD"):
            await self._vouch_or_not_sent()
        if taken := [name for name in call.headers if _RESERVED.match(name)]:
            raise Refused("Invalid", f"{doing}: the header {taken[0]} is the API server's own and would not reach the service")
        # ':' parts the triple: quoted inside a name or port it stays one character of that name.
        triple = ":".join(segment(part) for part in (scheme, service.name, port))
        root = f"/api/v1/namespaces/{segment(service.namespace)}/services/{triple}/proxy"
        started = time.monotonic()
        said = {"query": call.query, "headers": call.headers, "raw": call.body}
        async with self._api.open(self._request(call.method, root + below, doing, foreign=True, **said)) as response:
            # The API server's own refusal is recognised by its whole body, however little of a reply was asked for.
            body = await read_at_most(response.content, max(limit_bytes, CHUNK))
            answer = Answer(response.status, response.headers, body)
        if _from_api_server(answer):
            raise of_way(of_answer(doing, answer))
        return HttpReply(answer.status, body[:limit_bytes], time.monotonic() - started)

    async def _vouch_or_not_sent(self) -> None:
        """That it cannot be asked whether the ServiceAccount is the same is not that nobody knows whether the call arrived."""
        try:
            await self._vouch()
        except Retryable as failure:
            raise NotSent(failure.reason, failure.message, failure.after) from failure

    async def exec(
        self,
        pod: Ref,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float,  # noqa: ASYNC109
        limit_bytes: int = CHUNK,
    ) -> ExecReply:
        check_stdin(stdin)
        await self._vouch()
        if pod.uid:
            await self.get(pod)
        doing = f"run {argv[0]} in {container} of {_place(pod)}"
        request = self._request("GET", await self._path(pod, "exec"), doing, query=exec_query(container, argv, stdin))
        return await run_exec(self._api, request, stdin, timeout, limit_bytes)

    async def allowed(self, verb: str, group: str, resource: str, namespace: str, name: str = "", *, user: str = "") -> bool:
        who = f"{user} may {verb} {resource}" if user else f"{verb} {resource} is allowed"
        review = reviews.access_review(Question(verb, group, resource, name), namespace, user)
        return bool((await self._review(review, f"ask whether {who} in {namespace or 'the cluster'}"))["status"]["allowed"])

    async def rights(self, namespace: str) -> Rights:
        return reviews.rights_of(await self._review(reviews.rules_review(namespace), f"ask what is allowed in {namespace}"))

    async def _review(self, review: Object, doing: str) -> Object:
        return await self._api.json(self._request("POST", reviews.path(review), doing, body=review))

    def _request(self, method: str, path: str, doing: str, **more: Any) -> Request:
        as_whom = f" as {self._user}" if self._user else ""
        return Request(method, path, doing + as_whom, user=self._user, **more)

    async def _path(self, ref: Ref, *below: str) -> str:
        return (await self._discovery.resource(ref.api_version, ref.kind)).object(ref.namespace, ref.name, *below)

    async def _pages(
        self, resource: Resource, namespace: str, selectors: Mapping[str, str], metadata_only: bool
    ) -> AsyncIterator[Object]:
        path = resource.collection(namespace)
        doing = f"list {resource.plural} in {namespace or 'all namespaces'}"
        headers, parsed = ({"Accept": partial.ACCEPT}, partial.metadata_page) if metadata_only else ({}, json.loads)
        position = ""
        while True:
            query = {**selectors, "limit": str(self._page), **({"continue": position} if position else {})}
            request = self._request("GET", path, doing, query=query, headers=headers)
            page = await self._page_of(request, parsed, further=bool(position))
            for item in page.get("items") or ():
                yield item
            position = page.get("metadata", {}).get("continue", "")
            if not position:
                return

    async def _page_of(self, request: Request, parsed: Callable[[bytes], Any], *, further: bool) -> Object:
        """A further page that fails is asked for again: whoever reads the list has had the ones before and cannot begin anew."""
        for _ in range(RESTARTS if further else 0):
            try:
                return await self._api.json(request, parsed)
            except Retryable as failure:
                if failure.reason == "Expired":
                    raise
                await asyncio.sleep(min(failure.after, PAGE_WAIT))
        return await self._api.json(request, parsed)

    async def _on_same(self, ref: Ref, request: Request) -> Object:
        """Sends a write. One that failed because another object bears the name now is `NotFound`.

        The API server says that in three ways (409 with two texts, 422 on metadata.uid), so the object itself is asked.
        """
        try:
            return await self._api.json(request)
        except (Conflict, Refused) as failure:
            if ref.uid and (isinstance(failure, Conflict) or failure.reason == "Invalid"):
                await self._still_there(ref)
            raise

    async def _still_there(self, ref: Ref) -> None:
        try:
            await self.get(ref)
        except NotFound:
            raise
        except Failure:
            return  # could not be told; the write's own failure stands


def _place(ref: Ref) -> str:
    return f"{ref} in {ref.namespace}" if ref.namespace else str(ref)


def _identity(item: Object) -> object:
    """The UID; objects that are computed when read (PodMetrics) have none."""
    metadata = item["metadata"]
    return metadata.get("uid") or (metadata.get("namespace"), metadata["name"])


def _same(ref: Ref, found: Object) -> None:
    uid = found["metadata"]["uid"]
    if ref.uid and uid != ref.uid:
        raise NotFound("Replaced", f"{_place(ref)} was re-created: its UID is {uid}, expected {ref.uid}")


def _preconditions(ref: Ref, resource_version: str) -> dict[str, str]:
    wanted = {"uid": ref.uid, "resourceVersion": resource_version}
    return {name: value for name, value in wanted.items() if value}


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def _since(since: datetime | timedelta | None) -> dict[str, str]:
    """The API takes seconds, and at least one."""
    if isinstance(since, timedelta):
        return {"sinceSeconds": str(max(1, math.ceil(since.total_seconds())))}
    return {"sinceTime": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")} if since else {}


def _no_log(failure: Refused) -> Refused:
    """A container without a log is absence; any other refusal stays what it is."""
    return NotFound("NoLog", failure.message) if _NO_LOG.match(failure.message) else failure


def _backend_path(path: str) -> str:
    """Percent-encoded path and query. `..` would leave the proxy for the rest of the API, as this identity: refused."""
    parts = urlsplit(path)
    if not path.startswith("/") or path.startswith("//") or {".", ".."} & set(re.split(r"[/\\]", unquote(parts.path))):
        raise Refused("Invalid", f"{path!r} cannot be a path: expected it to begin with one '/' and to have no '.' or '..' part")
    query = f"?{quote(parts.query, safe='=&%+,;:@/?-._~!$()*')}" if parts.query else ""
    return quote(parts.path, safe="/%+,;:=@-._~!$&()*'") + query


def _from_api_server(answer: Answer) -> bool:
    """Whether the API server says that it did not get through, rather than the backend answering 502 itself.

    Its own errors are a JSON Status that repeats the HTTP code. A backend that words its errors so, another API server
    say, is mistaken for it: its 503 then is `Retryable` instead of a reply, never the other way round.
    """
    status = status_object(answer.body) if answer.headers.get("Content-Type", "").startswith("application/json") else {}
    return status.get("status") == "Failure" and status.get("code") == answer.status

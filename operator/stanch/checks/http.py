"""`http`: a GET answers as expected, through the API server's service proxy or at an allow-listed place outside.

No answer is not data: it is inconclusive, with one exception. A service that provably has no ready endpoint cannot
serve anybody, so that is a denial. The answer's body stays out of every message: it may hold what must not be shown.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from stanch.checks.reading import confirmed, denied, unknown, unread
from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.domain.record import SHORT, camel
from stanch.engine.durations import Duration
from stanch.engine.errors import Failure, Retryable
from stanch.engine.parts import CheckKind, CheckScope, Reading
from stanch.engine.ports import HttpReply, Object

BODY_LIMIT = 65536
LONGEST = timedelta(minutes=1)

# Segments of characters that stand for themselves: no empty one, none of `.` or `..`, no escapes that could hide one.
# Within a segment no two dots meet. https://www.rfc-editor.org/rfc/rfc3986#section-3.3
_CHAR = r"[A-Za-z0-9_~!$&'()*+,;=:@-]"
PATH_PATTERN = rf"^(/(\.?{_CHAR})+\.?)*/?$"
# Scheme, host and port only: no user, no path.
URL_PATTERN = r"^https?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?$"
PORT_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

ONE_PLACE = "an http check has either service and port, or url"


class Scheme(StrEnum):
    http = "http"
    https = "https"


def _at_most_longest(value: timedelta) -> timedelta:
    if not timedelta() < value <= LONGEST:
        raise ValueError("expected a duration above 0s and up to 1m")
    return value


def _rule(cel: str, message: str) -> dict[str, list[dict[str, str]]]:
    return {"x-kubernetes-validations": [{"rule": cel, "message": message}]}


Port = Annotated[int, Field(ge=1, le=65535)] | Annotated[str, Field(max_length=63, pattern=PORT_PATTERN)]
Status = Annotated[int, Field(ge=100, le=599)]


class HttpParams(BaseModel):
    """A GET answers as expected."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=camel,
        validate_by_name=True,
        json_schema_extra=_rule("has(self.service) == has(self.port) && has(self.service) != has(self.url)", ONE_PLACE),
    )

    service: str | None = Field(
        default=None, max_length=63, pattern=PORT_PATTERN, description="Service, asked through the API server's proxy."
    )
    port: Port | None = Field(default=None, description="Port of the service, by number or name.")
    scheme: Scheme = Field(default=Scheme.http, description="How the service speaks.")
    url: str | None = Field(
        default=None,
        max_length=SHORT,
        pattern=URL_PATTERN,
        description="Scheme, host and port of a place outside, e.g. https://shop.example.com; the operator's "
        "configuration must allow it.",
    )
    path: str = Field(
        min_length=1,
        max_length=SHORT,
        pattern=PATH_PATTERN,
        description="Path to ask for, without escapes, query, empty or dotted segments; / is the root.",
    )
    status: Status = Field(default=200, description="Status that the answer must have.")
    or_status: list[Status] = Field(default=[], max_length=16, description="Further statuses that are as good.")
    body_contains: str = Field(
        default="", max_length=SHORT, description=f"Text that the first {BODY_LIMIT} bytes of the answer must contain."
    )
    timeout: Annotated[
        Duration,
        AfterValidator(_at_most_longest),
        Field(json_schema_extra=_rule("duration(self) > duration('0s') && duration(self) <= duration('1m')", "up to 1m")),
    ] = Field(default=timedelta(seconds=5), description="Longest wait for one answer, up to 1m.")

    @model_validator(mode="after")
    def _one_place(self) -> HttpParams:
        if (self.service is None) == (self.url is None) or (self.service is None) != (self.port is None):
            raise ValueError(ONE_PLACE)
        return self

    @property
    def place(self) -> str:
        """As a person would write it."""
        base = self.url or f"{self.scheme}://{self.service}:{self.port}"
        return base + self.path


async def read(scope: CheckScope, params: HttpParams) -> Reading:
    try:
        async with asyncio.timeout(params.timeout.total_seconds()):
            reply = await _ask(scope, params)
    except TimeoutError:
        return unknown(f"GET {params.place}: no answer in {params.timeout.total_seconds():g} s")
    except Retryable as failure:
        return await _no_answer(scope, params, failure)
    except Failure as failure:
        return unread(failure)
    return judge(params, reply)


async def _ask(scope: CheckScope, params: HttpParams) -> HttpReply:
    if params.url:
        wait = params.timeout.total_seconds()
        return await scope.web.get(params.place, timeout=wait, limit_bytes=BODY_LIMIT)
    service = Ref("v1", "Service", scope.namespace, params.service)
    return await scope.cluster.proxy(service, str(params.port), params.path, scheme=params.scheme.value, limit_bytes=BODY_LIMIT)


def judge(params: HttpParams, reply: HttpReply) -> Reading:
    wanted = (params.status, *params.or_status)
    answer = f"GET {params.place} answered {reply.status} in {reply.seconds:.2f} s"
    if reply.status not in wanted:
        return denied(f"{answer}, wanted {' or '.join(str(status) for status in wanted)}")
    if params.body_contains and params.body_contains.encode() not in reply.body:
        return denied(f"{answer}, without {params.body_contains!r} in its first {len(reply.body)} bytes")
    return confirmed(answer)


async def _no_answer(scope: CheckScope, params: HttpParams, failure: Retryable) -> Reading:
    silent = unknown(f"GET {params.place}: no answer, {failure.message}")
    if not params.service:
        return silent
    try:
        if await _serves(scope, params.service):
            return silent
    except Failure:
        return silent
    return denied(f"GET {params.place}: service {params.service} has no ready endpoint")


async def _serves(scope: CheckScope, service: str) -> bool:
    """Whether the service has a ready endpoint, or one that may be. Raises what `cluster.list` raises, and NotFound."""
    await scope.cluster.get(Ref("v1", "Service", scope.namespace, service))
    slices = scope.cluster.list(
        "discovery.k8s.io/v1", "EndpointSlice", scope.namespace, labels=f"kubernetes.io/service-name={service}"
    )
    async for item in slices:
        if any(_may_serve(endpoint) for endpoint in item.get("endpoints") or ()):
            return True
    return False


def _may_serve(endpoint: Object) -> bool:
    """An absent `ready` means unknown, to be taken for ready (discovery/v1 EndpointConditions)."""
    return (endpoint.get("conditions") or {}).get("ready", True)


def rules(params: HttpParams, namespace: str, target: Ref | None) -> tuple[Rule, ...]:
    if not params.service:
        return ()
    # The API server authorizes the whole last part of the URL as the resource's name: scheme, service and port.
    proxied = f"{params.scheme}:{params.service}:{params.port}"
    wide = "whether the service has ready endpoints; a list cannot be narrowed to names"
    return (
        Rule(("get",), "", "services/proxy", (proxied,)),
        Rule(("get",), "", "services", (params.service,)),
        Rule(("list",), "discovery.k8s.io", "endpointslices", why=wide),
    )


HTTP = CheckKind(
    name="http",
    summary="A GET answers as expected, through a Service or at an allow-listed URL",
    params=HttpParams,
    needs_target=False,
    rules=rules,
    read=read,
)

"""`http`: a GET answers as expected, through the API server's service proxy or at an allow-listed place outside.

No answer is not data: it is inconclusive, with one exception. A service that provably has no ready endpoint cannot
serve anybody, so that is a denial. The answer's body stays out of every message: it may hold what must not be shown.
"""

from __future__ import annotations

import asyncio

from pydantic import Field

from stanch.checks.reading import confirmed, denied, unknown, unread
from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.domain.record import SHORT
from stanch.engine.errors import Failure, Retryable
from stanch.engine.parts import CheckKind, CheckScope, Reading
from stanch.engine.places import BODY_LIMIT, Place, Status, place_rules, send, serves
from stanch.engine.ports import HttpCall, HttpReply


class HttpParams(Place):
    """A GET answers as expected."""

    status: Status = Field(default=200, description="Status that the answer must have.")
    or_status: list[Status] = Field(default=[], max_length=16, description="Further statuses that are as good.")
    body_contains: str = Field(
        default="", max_length=SHORT, description=f"Text that the first {BODY_LIMIT} bytes of the answer must contain."
    )


async def read(scope: CheckScope, params: HttpParams) -> Reading:
    try:
        async with asyncio.timeout(params.timeout.total_seconds()):
            reply = await send(scope.cluster, scope.web, scope.namespace, params, HttpCall(params.path))
    except TimeoutError:
        return unknown(f"GET {params.place}: no answer in {params.timeout.total_seconds():g} s")
    except Retryable as failure:
        return await _no_answer(scope, params, failure)
    except Failure as failure:
        return unread(failure)
    return judge(params, reply)


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
        if await serves(scope.cluster, scope.namespace, params.service):
            return silent
    except Failure:
        return silent
    return denied(f"GET {params.place}: service {params.service} has no ready endpoint")


def rules(params: HttpParams, namespace: str, target: Ref | None) -> tuple[Rule, ...]:
    if not params.service:
        return ()
    wide = "whether the service has ready endpoints; a list cannot be narrowed to names"
    return (
        *place_rules(params, "get"),
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

"""`prometheus`: a query's one sample is as expected, fresh, and from after the change.

No sample, several, one that is no number, an old one, one from before the change, a partial answer, no answer: all are
inconclusive. Two questions are asked, the second at the very time of the first: how old the samples are that the query reads
(an instant query tells of its value only when it was evaluated, and looks five minutes back), then what it gives.
https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from stanch.checks.measuring import CONDITION, SHOWN, Expression, fitting, judged, shown, up_to
from stanch.checks.reading import unknown, unread
from stanch.domain.access import Rule
from stanch.domain.duration import spell
from stanch.domain.plan import FactType, Ref
from stanch.domain.record import SHORT, TEXT, camel
from stanch.engine.errors import Failure
from stanch.engine.judging import Code
from stanch.engine.parts import CheckKind, CheckScope, Reading
from stanch.engine.places import BODY_LIMIT, PATH_PATTERN, Place, place_rules, send
from stanch.engine.ports import HttpCall, HttpReply

# A plain selector: only of such a one does Prometheus tell when its samples were taken.
SELECTOR = r"^[a-zA-Z_:][a-zA-Z0-9_:]*([{][^{}]*[}])?$"
NEEDS_FRESHNESS = "a query that is more than a selector needs freshness, the selector of what it reads"
NAME = r"^[a-z][a-zA-Z0-9]*$"
_TOKEN = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)|\$([a-z][a-zA-Z0-9]*)|(["'`#])""", re.DOTALL)


def _rules() -> list[dict[str, str]]:
    own = {"rule": f"self.query.matches('{SELECTOR}') || has(self.freshness)", "message": NEEDS_FRESHNESS}
    return [*Place.model_config["json_schema_extra"]["x-kubernetes-validations"], own]  # type: ignore[index]


class PrometheusParams(Place):
    """A query's one sample is as expected."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-validations": _rules()}, alias_generator=camel)

    path: str = Field(
        default="/api/v1/query",
        min_length=1,
        max_length=SHORT,
        pattern=PATH_PATTERN,
        description="Path of the instant query, where it is not Prometheus' own.",
    )
    query: Annotated[str, Code()] = Field(
        min_length=1,
        max_length=TEXT,
        description="PromQL that gives exactly one sample, e.g. sum(rate(requests_total{app=$app,code=~'5..'}[1m])). $NAME is one "
        "of variables, as a text. None at all means not known; where it means zero, say so: … or vector(0).",
    )
    variables: dict[Annotated[str, Field(max_length=63, pattern=NAME)], Annotated[str, Field(max_length=SHORT)]] = Field(
        default={}, max_length=16, description="Texts for the query and freshness, e.g. app: ${incident.component}. Bound as data."
    )
    freshness: Annotated[str | None, Code()] = Field(
        default=None,
        max_length=TEXT,
        pattern=SELECTOR,
        description="Selector of the metric that the query reads, e.g. requests_total{app=$app}: its oldest sample must not be "
        "older than maxAge. Left out: the query, which then is a selector itself.",
    )
    max_age: up_to("1s", "1h") = Field(default=timedelta(minutes=2), description="A sample that is older is stale: not known.")
    expect: Annotated[Expression | None, Code()] = Field(
        default=None,
        description=f"{CONDITION}, both numbers with fractions, e.g. value < 50 && value < baseline * 1.2. Left out: it is enough "
        "that there is a sample.",
    )

    @model_validator(mode="after")
    def _can_be_asked(self) -> PrometheusParams:
        if self.freshness is None and not re.fullmatch(SELECTOR.strip("^$"), self.query):
            raise ValueError(NEEDS_FRESHNESS)
        for text in (self.query, self.freshness or ""):
            bound(text, self.variables)
        fitting(self.expect, FactType.Number)
        return self


@dataclass(frozen=True)
class Sample:
    """Both times in seconds since 1970, by Prometheus' clock: when the query was evaluated; its value."""

    at: float
    value: float


def bound(query: str, variables: Mapping[str, str]) -> str:
    """The query with each `$NAME` outside of quotes as a quoted text. Raises ValueError for an unknown name, and for a quote
    that is not closed or a comment: nobody could tell then what is a text and what is code."""

    def filled(token: re.Match[str]) -> str:
        text, name, stray = token.groups()
        if stray:
            raise ValueError(f"{stray} at {token.start() + 1}: expected closed quotes and no comments")
        if name and name not in variables:
            raise ValueError(f"${name} is not among variables ({', '.join(variables) or 'there are none'})")
        return text or _quoted(variables[name])

    return _TOKEN.sub(filled, query)


def _quoted(value: str) -> str:
    """As a PromQL text, which is written as in Go. https://prometheus.io/docs/prometheus/latest/querying/basics/#string-literals"""
    return json.dumps(value, ensure_ascii=False)


async def read(scope: CheckScope, params: PrometheusParams) -> Reading:
    wait = params.timeout.total_seconds()
    try:
        async with asyncio.timeout(wait):
            return await _measure(scope, params)
    except TimeoutError:
        return unknown(f"{params.place}: no answer in {wait:g} s")
    except Failure as failure:
        return unread(failure)


async def _measure(scope: CheckScope, params: PrometheusParams) -> Reading:
    selector = bound(params.freshness or params.query, params.variables)
    oldest = sample(f"samples of {selector[:SHOWN]}", await _ask(scope, params, {"query": f"min(timestamp({selector}))"}))
    if isinstance(oldest, Reading):
        return oldest
    if why := outdated(oldest, scope, params):
        return unknown(f"{selector[:SHOWN]} {why}")
    query = bound(params.query, params.variables)
    now = sample(query[:SHOWN], await _ask(scope, params, {"query": query, "time": f"{oldest.at:.3f}"}))
    if isinstance(now, Reading):
        return now
    return judged(params.expect, now.value, scope.baseline, f"{query[:SHOWN]} is {shown(now.value)}")


async def _ask(scope: CheckScope, params: PrometheusParams, query: Mapping[str, str]) -> HttpReply:
    return await send(scope.cluster, scope.web, scope.namespace, params, HttpCall(params.path, query=query))


def outdated(oldest: Sample, scope: CheckScope, params: PrometheusParams) -> str:
    """Why samples of which the oldest was taken at `oldest.value` say nothing about now; empty: they do."""
    age = oldest.at - oldest.value
    if age > params.max_age.total_seconds():
        return f"is stale: its oldest sample is {age:.0f} s old, expected at most {spell(params.max_age)}"
    if scope.since and oldest.value < scope.since.timestamp():
        return "was last measured before the change"
    return ""


def sample(what: str, reply: HttpReply) -> Sample | Reading:
    """The one sample of an answer, or why there is none. What a server that is no Prometheus answers is not shown."""
    answer = _json(reply)
    if reply.status == 400:
        return unknown(f"{what}: the query is refused: {str(answer.get('error', ''))[:SHOWN]}", final=True)
    if reply.status != 200 or answer.get("status") != "success":
        return unknown(f"{what}: Prometheus answered {reply.status} {str(answer.get('errorType', ''))[:SHOWN]}".rstrip())
    if answer.get("warnings"):
        return unknown(f"{what}: the answer is partial: {str(answer['warnings'])[:SHOWN]}")
    try:
        return _one(what, answer["data"])
    except (KeyError, TypeError, ValueError, IndexError):
        return unknown(f"{what}: the answer is not one of Prometheus")


def _json(reply: HttpReply) -> dict[str, Any]:
    """{} for what is no JSON object, or was cut."""
    try:
        answer = json.loads(reply.body) if len(reply.body) < BODY_LIMIT else {}
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _one(what: str, data: Mapping[str, Any]) -> Sample | Reading:
    kind, result = data["resultType"], data["result"]
    if kind not in ("vector", "scalar"):
        return unknown(f"{what}: gives a {str(kind)[:SHOWN]}, expected one sample", final=True)
    if kind == "vector" and len(result) != 1:
        return unknown(f"{what}: {f'{len(result)} samples, expected one: sum or narrow them' if result else 'no data'}")
    at, text = result if kind == "scalar" else result[0]["value"]
    value = float(text)
    return Sample(float(at), value) if math.isfinite(value) else unknown(f"{what}: gives {value}, which is no number")


def rules(params: PrometheusParams, namespace: str, target: Ref | None) -> tuple[Rule, ...]:
    return place_rules(params, "get")


PROMETHEUS = CheckKind(
    name="prometheus",
    summary="A Prometheus query's one sample is as expected; no data and stale data are inconclusive",
    params=PrometheusParams,
    needs_target=False,
    rules=rules,
    read=read,
    gives=lambda _: FactType.Number,
)

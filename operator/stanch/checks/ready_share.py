"""`readyShare`: enough of the pods that should be there are ready, old and new ones together."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from stanch.checks.reading import confirmed, denied, unknown, unread
from stanch.checks.workloads import PLURALS, observed, read_rule, ready, replicas
from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.domain.record import camel
from stanch.engine.errors import Failure
from stanch.engine.parts import CheckKind, CheckScope, Reading
from stanch.engine.ports import Object


class ReadyShareParams(BaseModel):
    """At least this share of the desired pods is ready."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=camel, validate_by_name=True)

    at_least: int = Field(ge=0, le=100, description="Percent of the desired pods that must be ready.")


async def read(scope: CheckScope, params: ReadyShareParams) -> Reading:
    if scope.target is None or scope.target.kind not in PLURALS:
        return unknown(f"a readyShare check needs a {', '.join(PLURALS)} as its target", final=True)
    try:
        return judge(await scope.cluster.get(scope.target), params)
    except Failure as failure:
        return unread(failure)


def judge(workload: Object, params: ReadyShareParams) -> Reading:
    if not observed(workload):
        return unknown("its controller has not seen the latest spec yet")
    wanted, there = replicas(workload), ready(workload)
    if wanted == 0:
        return unknown("no pods are wanted, so no share of them is ready")
    message = f"{there} of {wanted} pods are ready ({there * 100 // wanted} %), wanted at least {params.at_least} %"
    return confirmed(message) if there * 100 >= params.at_least * wanted else denied(message)


def rules(_: ReadyShareParams, namespace: str, target: Ref | None) -> tuple[Rule, ...]:
    return (read_rule(target),) if target else ()


READY_SHARE = CheckKind(
    name="readyShare",
    summary="At least a given share of the desired pods is ready",
    params=ReadyShareParams,
    needs_target=True,
    rules=rules,
    read=read,
)

"""`exec`: what a command in a pod of the target prints is as expected.

The command must only read, and may be run any number of times: it is run at every poll. It gets no standard input, no
secrets and no shell. What it prints to standard error stays out of every message: it may hold what must not be shown.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stanch.checks.measuring import CONDITION, Expression, fitting, judged, shown, up_to
from stanch.checks.reading import unknown, unread
from stanch.checks.workloads import PLURALS, pod_rules
from stanch.domain.access import Rule
from stanch.domain.plan import FactType, Ref
from stanch.domain.record import SHORT, camel
from stanch.engine.errors import Failure
from stanch.engine.judging import Code
from stanch.engine.parts import CheckKind, CheckScope, Reading
from stanch.engine.ports import ExecReply
from stanch.engine.values import EXPECTED, value_of
from stanch.engine.workload import default_container, ready_pod

NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
OUTPUT_LIMIT = 4096

Argument = Annotated[str, Field(max_length=4096)]


class ExecParams(BaseModel):
    """A command in a pod prints what is expected. It must only read: it is run again and again."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=camel, validate_by_name=True)

    container: str | None = Field(
        default=None, max_length=63, pattern=NAME, description="Container; left out: the one that kubectl takes, else the first."
    )
    command: list[Argument] = Field(
        min_length=1,
        max_length=64,
        description="Program and arguments, without a shell. It must only read and be harmless however often it is run.",
    )
    type: FactType = Field(
        default=FactType.String, description="What is printed, stripped of white space: it is read as this and is then value."
    )
    expect: Annotated[Expression | None, Code()] = Field(
        default=None, description=f"{CONDITION}, e.g. value < 50. Left out: it is enough that there is a value."
    )
    timeout: up_to("1s", "1m") = Field(default=timedelta(seconds=5), description="Longest time that the command may take.")

    @model_validator(mode="after")
    def _expectation_fits(self) -> ExecParams:
        if not self.command[0]:
            raise ValueError("command: expected a program's name or path first")
        fitting(self.expect, self.type)
        return self


async def read(scope: CheckScope, params: ExecParams) -> Reading:
    if scope.target is None or scope.target.kind not in PLURALS:
        return unknown(f"an exec check needs a {', '.join(PLURALS)} as its target", final=True)
    wait = params.timeout.total_seconds()
    try:
        async with asyncio.timeout(wait):
            where, reply = await _run(scope, scope.target, params)
    except TimeoutError:
        return unknown(f"{params.command[0]}: no answer in {wait:g} s")
    except Failure as failure:
        return unread(failure)
    return judge(params, f"{params.command[0]} in {where}", reply, scope)


async def _run(scope: CheckScope, target: Ref, params: ExecParams) -> tuple[str, ExecReply]:
    pod = await ready_pod(scope.cluster, await scope.cluster.get(target))
    name, container = pod["metadata"]["name"], params.container or default_container(pod)
    ref, wait = Ref("v1", "Pod", scope.namespace, name), params.timeout.total_seconds()
    reply = await scope.cluster.exec(ref, container, params.command, timeout=wait, limit_bytes=OUTPUT_LIMIT)
    return f"pod {name}, container {container}", reply


def judge(params: ExecParams, what: str, reply: ExecReply, scope: CheckScope) -> Reading:
    """A command that failed has measured nothing."""
    if reply.exit_code is None:
        return unknown(f"{what}: {reply.broken}")
    if reply.exit_code != 0:
        return unknown(f"{what} ended with exit code {reply.exit_code}, expected 0")
    if reply.truncated:
        return unknown(f"{what} printed more than {OUTPUT_LIMIT} bytes")
    try:
        text = reply.stdout.decode().strip()
    except UnicodeDecodeError:
        return unknown(f"{what} printed what is not UTF-8")
    value = value_of(text, params.type) if text and len(text) <= SHORT else None
    if value is None:
        expected = EXPECTED[params.type]
        return unknown(f"{what} printed {len(text)} characters that are not {expected}, or nothing, or more than {SHORT}")
    return judged(params.expect, value, scope.baseline, f"{what} printed {shown(value)}")


def rules(params: ExecParams, namespace: str, target: Ref | None) -> tuple[Rule, ...]:
    if target is None:
        return ()
    why = "a check runs its command in whichever pod of the target is ready; RBAC cannot express owners"
    # `get` for the WebSocket's request, `create` from Kubernetes 1.35 on, which asks for both.
    return (*pod_rules(target), Rule(("create", "get"), "", "pods/exec", why=why))


EXEC = CheckKind(
    name="exec",
    summary="What a command in a pod of the target prints is as expected; it must only read",
    params=ExecParams,
    needs_target=True,
    rules=rules,
    read=read,
    gives=lambda params: params.type,
    reach="all that may be changed from inside the pod, though its command should only read",
)

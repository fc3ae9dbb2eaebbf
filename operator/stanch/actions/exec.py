"""`exec`: a command in a pod of a workload, once (E-32: the decision is written where the application keeps its own evidence).

Nobody can take a command back, and nobody can tell whether it ran once its connection is lost: a person is asked then. Kubernetes
does not end a command whose connection has ended. Nor does it hand a command an environment of its own, and arguments are seen by
whoever sees processes or audit logs: a secret comes through standard input (or through the environment of a `runJob`).
"""

from __future__ import annotations

import shlex
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stanch.actions.counting import POD_REVISION
from stanch.actions.effects import labels_of, ref_of, title_of
from stanch.actions.output import OUTPUT_LIMIT, Output, Unreadable, keep, masked, value_in
from stanch.actions.rollouts import KINDS, PLURALS
from stanch.actions.secrets import SecretRef, not_begun, secret_rules, value_of
from stanch.domain.access import Rule
from stanch.domain.plan import Ref, Risk
from stanch.domain.record import camel
from stanch.engine.durations import between
from stanch.engine.errors import Conflict, NotFound, Refused
from stanch.engine.parts import Action, Before, Change, EffectClass, Effected, Stage
from stanch.engine.ports import Cluster, ExecReply, Object
from stanch.engine.workload import choose_ready, controller_uid, current_revision, default_container, pods_of, revisions_of

NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
SHOWN = 160
ONE_INPUT = "stdin has exactly one of text, secretRef"

Argument = Annotated[str, Field(max_length=4096)]


class Stdin(BaseModel):
    """What the command reads from standard input."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=camel,
        validate_by_name=True,
        json_schema_extra={"x-kubernetes-validations": [{"rule": "has(self.text) != has(self.secretRef)", "message": ONE_INPUT}]},
    )

    text: str | None = Field(
        default=None, max_length=16384, description="This text. Never a secret: everybody can read a playbook."
    )
    secret_ref: SecretRef | None = Field(default=None, description="The value of a key of a Secret: at most 64 KiB.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Stdin:
        if (self.text is None) == (self.secret_ref is None):
            raise ValueError(ONE_INPUT)
        return self


class ExecParams(BaseModel):
    """Runs a command in one ready pod of the target."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=camel, validate_by_name=True)

    container: str | None = Field(
        default=None, max_length=63, pattern=NAME, description="Container; left out: the one that kubectl takes, else the first."
    )
    argv: list[Argument] = Field(
        min_length=1, max_length=64, description="Program and arguments, each one word: no shell reads them. Never a secret."
    )
    stdin: Stdin | None = Field(default=None, description="Standard input; left out: none.")
    timeout: between("1s", "10m") = Field(
        default=timedelta(seconds=30),
        description="Longest wait for its end. After it nobody can tell what it did, and a person is asked; it may go on.",
    )
    output: Output | None = Field(default=None, description="The fact that its standard output becomes; left out: none.")

    @model_validator(mode="after")
    def _names_a_program(self) -> ExecParams:
        if not self.argv[0]:
            raise ValueError("argv: expected a program's name or path first")
        return self


async def read(stage: Stage, ref: Ref, _: ExecParams) -> Before:
    """The workload, and the pod that is chosen, if there is a ready one."""
    target = await stage.cluster.get(ref)
    pod = await choose(stage.cluster, target)
    return Before(target, (pod,) if pod else ())


async def choose(cluster: Cluster, target: Object) -> Object | None:
    """A ready pod of the release that the workload asks for now; where none is ready, one of an earlier release."""
    pods = [pod async for pod in pods_of(cluster, target)]
    newest = current_revision(target, await revisions_of(cluster, target))
    return choose_ready(pod for pod in pods if newest and is_of(pod, newest)) or choose_ready(pods)


def is_of(pod: Object, revision: Object) -> bool:
    """Deployment: its ReplicaSet owns the pod. StatefulSet and DaemonSet: a label on the pod holds the revision's name or hash."""
    if revision["kind"] == "ReplicaSet":
        return controller_uid(pod) == revision["metadata"]["uid"]
    marks = {revision["metadata"]["name"], labels_of(revision).get(POD_REVISION, "-")}
    return labels_of(pod).get(POD_REVISION) in marks


def plan(before: Before, params: ExecParams, token: str) -> Change:
    """What is to be run where, without secrets. Raises `Refused` (NoReadyPod, NoContainer)."""
    name = title_of(before.target)
    if not before.related:
        raise Refused("NoReadyPod", f"{name} has no pod that is Running and Ready, so there is nowhere to run {params.argv[0]}")
    pod = before.related[0]
    container = params.container or default_container(pod)
    known = [one["name"] for one in pod["spec"]["containers"]]
    if container not in known:
        raise Refused("NoContainer", f"pods of {name} have no container {container}; they have {', '.join(known)}")
    said = params.model_dump(mode="json", by_alias=True, exclude_none=True)
    command = shlex.join(params.argv)
    shown = command if len(command) <= SHOWN else f"{command[: SHOWN - 1]}…"
    ref = ref_of(pod)
    return Change(ref, {**said, "container": container}, f"run {shown} in {ref}, container {container}", why(params))


def why(params: ExecParams) -> str:
    if params.stdin is None:
        return ""
    secret = params.stdin.secret_ref
    return f"standard input is Secret {secret}" if secret else f"standard input is {len(params.stdin.text.encode())} bytes of text"


async def apply(stage: Stage, change: Change, _: str) -> Effected:
    """Runs it, at once and once. Raises `Conflict` and `Refused` only where it did certainly not begin."""
    params = ExecParams.model_validate(change.patch)
    with not_begun():
        secrets = await secrets_of(stage, params)
        stdin = secrets[0] if secrets else text_of(params)
        reply = await run(stage, change.ref, params, stdin)
    stdout, stderr = masked(reply.stdout, secrets), masked(reply.stderr, secrets)
    files, lost = await keep(stage, {"stdout.txt": stdout, "stderr.txt": stderr})
    return judge(params, f"{params.argv[0]} in {change.ref}", reply, stdout, {"files": files}, lost)


async def secrets_of(stage: Stage, params: ExecParams) -> list[bytes]:
    ref = params.stdin.secret_ref if params.stdin else None
    return [await value_of(stage, ref)] if ref else []


def text_of(params: ExecParams) -> bytes:
    return ((params.stdin.text if params.stdin else None) or "").encode()


async def run(stage: Stage, pod: Ref, params: ExecParams, stdin: bytes) -> ExecReply:
    wait = params.timeout.total_seconds()
    try:
        return await stage.cluster.exec(pod, params.container, params.argv, stdin=stdin, timeout=wait, limit_bytes=OUTPUT_LIMIT)
    except NotFound as failure:
        raise Conflict("PodGone", f"{pod} is gone since it was chosen: {failure.message}") from failure


def judge(params: ExecParams, what: str, reply: ExecReply, stdout: bytes, kept: dict[str, Any], lost: str) -> Effected:
    if reply.exit_code is None:
        return Effected(f"{what}: {reply.broken}", unknown=f"{what}: {reply.broken}", **kept)
    cut = f", more than the {OUTPUT_LIMIT} bytes that are kept" if reply.truncated else ""
    summary = f"{what} ended with exit code {reply.exit_code} and printed {len(stdout)} bytes{cut}{lost}"
    if reply.exit_code != 0:
        return Effected(summary, failed=f"{summary}; expected 0, see what it printed in the pack", **kept)
    if params.output is None:
        return Effected(summary, **kept)
    if reply.truncated:
        return Effected(summary, failed=f"{summary}: a value may be cut off", **kept)
    value = value_in(params.output, stdout)
    if isinstance(value, Unreadable):
        return Effected(summary, failed=f"{summary}; {value.message}", **kept)
    return Effected(summary, output=value, **kept)


def rules(params: ExecParams, namespace: str, ref: Ref) -> tuple[Rule, ...]:
    revisions = "replicasets" if ref.kind == "Deployment" else "controllerrevisions"
    wide = "pods are found by owner, which RBAC cannot express"
    secret = params.stdin.secret_ref if params.stdin else None
    # `get` is the verb of a WebSocket's request; from 1.35 on the API server asks for `create` as well.
    both = "a command runs in whichever pod is ready; get is for Kubernetes before 1.35, which takes create as well"
    return (
        Rule(("get",), "apps", PLURALS[ref.kind], (ref.name,)),
        Rule(("list",), "apps", revisions, why=f"which pods are of the current release; {wide}"),
        Rule(("get", "list"), "", "pods", why=wide),
        Rule(("create", "get"), "", "pods/exec", why=both),
        *secret_rules([secret] if secret else []),
    )


EXEC = Action(
    name="exec",
    summary="Run a command in one pod of a workload, without a shell, at most once",
    params=ExecParams,
    kinds=KINDS,
    effect_class=EffectClass.at_most_once,
    risk=Risk.Medium,
    irreversible="a command that has run cannot be taken back",
    rules=rules,
    read=read,
    plan=plan,
    apply=apply,
    reach="all that may be changed from inside the pod in which the command runs",
)

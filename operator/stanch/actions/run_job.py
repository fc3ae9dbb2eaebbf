"""`runJob`: a Job of one pod, created once, whose end is awaited and whose log is kept.

Its name follows from the step's token, so that created twice is created once. It runs as the playbook's own ServiceAccount and as
no other, under the Pod Security Standard `restricted` (https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted).
Kubernetes itself may, rarely, start the pod of a Job twice: https://kubernetes.io/docs/concepts/workloads/controllers/job/#handling-pod-and-container-failures
"""

from __future__ import annotations

import hashlib
import re
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stanch.actions.effects import TOKEN, observe, ref_of
from stanch.actions.output import OUTPUT_LIMIT, Output, Unreadable, keep, value_in
from stanch.actions.secrets import SecretRef
from stanch.domain.access import Rule
from stanch.domain.duration import spell
from stanch.domain.plan import Ref, Risk
from stanch.domain.record import SHORT, camel
from stanch.engine.durations import between
from stanch.engine.errors import NotFound, Refused
from stanch.engine.parts import Action, Before, Change, EffectClass, Effected, Stage, Underway
from stanch.engine.ports import Object
from stanch.engine.workload import controller_uid, created_at

CONTAINER = "job"
# Pods of a Job that fails once: one, and what a drained node left of it.
MOST_PODS = 5
NOBODY = 65534
ONE_VALUE = "a variable has exactly one of value, secretRef"
OUTPUT_FACT = "stanch.dev/output"

Argument = Annotated[str, Field(max_length=4096)]


class Variable(BaseModel):
    """One environment variable."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=camel,
        validate_by_name=True,
        json_schema_extra={"x-kubernetes-validations": [{"rule": "has(self.value) != has(self.secretRef)", "message": ONE_VALUE}]},
    )

    name: Annotated[str, Field(min_length=1, max_length=SHORT, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = Field(
        description="Name of the variable."
    )
    value: str | None = Field(default=None, max_length=4096, description="This text. Never a secret.")
    secret_ref: SecretRef | None = Field(default=None, description="A key of a Secret: the kubelet reads it, stanch does not.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Variable:
        if (self.value is None) == (self.secret_ref is None):
            raise ValueError(ONE_VALUE)
        return self

    def body(self) -> Object:
        if self.secret_ref is None:
            return {"name": self.name, "value": literal(self.value or "")}
        return {"name": self.name, "valueFrom": {"secretKeyRef": {"name": self.secret_ref.name, "key": self.secret_ref.key}}}


def literal(text: str) -> str:
    """The kubelet fills in `$(NAME)` and reads `$$` as `$`: every `$` is doubled, or of `$$(NAME)` a reference would be left."""
    return text.replace("$", "$$")


class JobParams(BaseModel):
    """Runs a Job of one pod and waits for its end."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=camel, validate_by_name=True)

    image: Annotated[str, Field(min_length=1, max_length=SHORT, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$")] = Field(
        description="Image of the pod's one container."
    )
    argv: list[Argument] = Field(
        default=[],
        max_length=64,
        description="Program and arguments, each one word: no shell reads them. Left out: what the image starts. Never a secret.",
    )
    env: list[Variable] = Field(default=[], max_length=32, description="Environment variables.")
    api_access: bool = Field(
        default=False, description="Whether the pod gets the token of the playbook's ServiceAccount, to use the Kubernetes API."
    )
    run_as_user: int = Field(default=NOBODY, ge=1, le=2**31 - 1, description="User ID of the process; never root.")
    deadline: between("1s", "24h") = Field(
        default=timedelta(minutes=5),
        description="Longest time that the Job may take; Kubernetes ends it then. The step's own timeout should not be shorter.",
    )
    keep_for: between("1m", "168h") = Field(
        default=timedelta(hours=24), description="How long the ended Job stays in the cluster; its log stays in the pack."
    )
    output: Output | None = Field(default=None, description="The fact that its log becomes, when it completes; left out: none.")


async def read(stage: Stage, _: Ref | None, params: JobParams) -> Before:
    """Nothing is changed that is there. Where, and as whom, is all that a plan needs to know."""
    return Before({}, ({"kind": "ServiceAccount", "metadata": {"name": stage.account, "namespace": stage.namespace}},))


def plan(before: Before, params: JobParams, token: str) -> Change:
    """The whole Job."""
    account = before.related[0]["metadata"]
    metadata = {"name": name_of(token), "namespace": account["namespace"], "labels": dict(LABELS), "annotations": {TOKEN: token}}
    if params.output:
        metadata["annotations"][OUTPUT_FACT] = params.output.model_dump_json(exclude_none=True)
    spec: Object = {
        "backoffLimit": 0,
        "completions": 1,
        "parallelism": 1,
        "activeDeadlineSeconds": seconds(params.deadline),
        "ttlSecondsAfterFinished": seconds(params.keep_for),
        "template": {"metadata": {"labels": dict(LABELS)}, "spec": pod_spec(params, account["name"])},
    }
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
    ref = Ref("batch/v1", "Job", account["namespace"], metadata["name"])
    given = [f"{one.name} from Secret {one.secret_ref}" for one in params.env if one.secret_ref]
    return Change(ref, job, f"run {params.image} as {ref}, for {spell(params.deadline)} at most", ", ".join(given))


LABELS = {"app.kubernetes.io/managed-by": "stanch"}


def name_of(token: str) -> str:
    """Readable, and another one for each token; pods get it as a label, which has at most 63 characters."""
    step = re.sub(r"[^a-z0-9]+", "-", token.rpartition("/")[2].lower()).strip("-")[:40]
    return f"stanch-{step}-{hashlib.sha256(token.encode()).hexdigest()[:12]}"


def seconds(length: timedelta) -> int:
    return max(1, int(length.total_seconds()))


def pod_spec(params: JobParams, account: str) -> Object:
    container = {
        "name": CONTAINER,
        "image": params.image,
        "imagePullPolicy": "IfNotPresent",
        "env": [variable.body() for variable in params.env],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    if params.argv:
        container["command"] = [literal(word) for word in params.argv]
    return {
        "serviceAccountName": account,
        "automountServiceAccountToken": params.api_access,
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "runAsUser": params.run_as_user, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }


async def apply(stage: Stage, change: Change, _: str) -> Effected:
    """Raises `Conflict` (AlreadyExists) where it is there, and what `cluster.create` raises."""
    await stage.cluster.create(dict(change.patch))
    return Effected(f"created {change.ref}")


async def settle(stage: Stage, change: Change) -> Underway:
    """How far it has come. Over: its pods' logs are in the pack."""
    try:
        job = await stage.cluster.get(change.ref)
    except NotFound:
        gone = f"{change.ref} is gone before its end was seen: how it ended is not known"
        return Underway(gone, Effected(gone, failed=gone))
    if not observe(job, change.patch["metadata"]["annotations"][TOKEN]):
        raise Refused("NameTaken", f"{change.ref} is there and is not this step's")
    true = {item["type"]: item for item in (job.get("status") or {}).get("conditions") or () if item["status"] == "True"}
    if "Complete" not in true and "Failed" not in true:
        return Underway(f"{change.ref} is not over: {counts(job)}")
    log, kept, missing = await keep_logs(stage, job)
    done = Effected(f"{change.ref} is complete{missing}", files=kept)
    if failed := true.get("Failed"):
        why = f"{change.ref} failed: {failed.get('reason') or 'no reason given'}: {failed.get('message') or ''}{missing}"
        return Underway(why, replace(done, summary=why, failed=f"{why}; see its log in the pack"))
    return Underway(done.summary, with_output(done, change.patch["metadata"]["annotations"].get(OUTPUT_FACT), log))


def counts(job: Object) -> str:
    status = job.get("status") or {}
    return ", ".join(f"{status.get(what, 0)} {what}" for what in ("active", "ready", "succeeded", "failed"))


def with_output(done: Effected, said: str | None, log: bytes | None) -> Effected:
    if said is None:
        return done
    if log is None:
        return replace(done, failed=f"{done.summary}; without its whole log there is no value")
    value = value_in(Output.model_validate_json(said), log)
    if isinstance(value, Unreadable):
        return replace(done, failed=f"{done.summary}; {value.message}")
    return replace(done, output=value)


async def keep_logs(stage: Stage, job: Object) -> tuple[bytes | None, tuple[Any, ...], str]:
    """The newest pod's log without time stamps (None: there is none, or more than is kept), the files, and what is missing.

    Raises `Retryable` where it can be read later.
    """
    found = stage.cluster.list("v1", "Pod", stage.namespace, labels=f"job-name={job['metadata']['name']}")
    mine = [pod async for pod in found if controller_uid(pod) == job["metadata"]["uid"]]
    pods = sorted(mine, key=lambda pod: (created_at(pod), pod["metadata"]["name"]))[-MOST_PODS:]
    logs = {pod["metadata"]["name"]: await log_of(stage, pod) for pod in pods}
    read = {f"{name}.log": log[:OUTPUT_LIMIT] for name, log in logs.items() if log is not None}
    files, lost = await keep(stage, read)
    newest = logs.get(pods[-1]["metadata"]["name"]) if pods else None
    missing = [f"no log of pod {name}" for name, log in logs.items() if log is None] or ([] if pods else ["its pods are gone"])
    whole = newest is not None and len(newest) <= OUTPUT_LIMIT
    return without_times(newest) if whole else None, files, "".join(f"; {text}" for text in missing) + lost


async def log_of(stage: Stage, pod: Object) -> bytes | None:
    """With time stamps, one byte more than is kept tells that it was cut. None: there is none."""
    parts: list[bytes] = []
    try:
        async with aclosing(stage.cluster.log(ref_of(pod), CONTAINER, limit_bytes=OUTPUT_LIMIT + 1)) as stream:
            async for part in stream:
                parts.append(part)
    except Refused:
        return None
    return b"".join(parts)


def without_times(log: bytes) -> bytes:
    """The kubelet begins each line with its time and a space."""
    return b"\n".join(line.partition(b" ")[2] for line in log.splitlines())


def stays(params: JobParams) -> timedelta:
    """Kubernetes deletes it that long after its end, and stanch never; a person may."""
    return params.keep_for


def rules(params: JobParams, namespace: str, ref: Ref | None) -> tuple[Rule, ...]:
    derived = "the Job's name follows from incident and step, which nobody knows beforehand"
    return (
        Rule(("create",), "batch", "jobs", why="RBAC cannot narrow a create to names"),
        Rule(("get",), "batch", "jobs", why=derived),
        Rule(("get", "list"), "", "pods", why="the Job's pods are found by its label; their names are not known beforehand"),
        Rule(("get",), "", "pods/log", why="names of pods are not known beforehand"),
    )


RUN_JOB = Action(
    name="runJob",
    summary="Run a Job of one pod, wait for its end, keep its log",
    params=JobParams,
    kinds=frozenset(),
    effect_class=EffectClass.named_create,
    risk=Risk.Medium,
    irreversible="what a Job has done cannot be taken back",
    rules=rules,
    read=read,
    plan=plan,
    observe=observe,
    apply=apply,
    settle=settle,
    stays=stays,
    reach="all that may be changed from inside its pod",
)

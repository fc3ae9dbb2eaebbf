"""`job`: a Job has completed. https://kubernetes.io/docs/concepts/workloads/controllers/job/#job-termination-and-cleanup"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stanch.checks.measuring import with_value
from stanch.checks.reading import confirmed, denied, unknown, unread
from stanch.domain.access import Rule
from stanch.domain.plan import FactType, Ref
from stanch.domain.record import SHORT, camel
from stanch.engine.errors import Failure
from stanch.engine.parts import CheckKind, CheckScope, Reading
from stanch.engine.ports import Cluster, Object
from stanch.engine.workload import created_at

SUBDOMAIN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
# As the API server takes them, so that no key or value can become another selector.
KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
LABEL = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
ONE_WAY = "a job check has either objectName or matchLabels"
MOST = 500

LabelKey = Annotated[str, Field(min_length=1, max_length=317, pattern=KEY)]
LabelValue = Annotated[str, Field(max_length=63, pattern=LABEL)]


class JobParams(BaseModel):
    """A Job has completed."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=camel,
        validate_by_name=True,
        json_schema_extra={
            "x-kubernetes-validations": [{"rule": "has(self.objectName) != has(self.matchLabels)", "message": ONE_WAY}]
        },
    )

    object_name: str | None = Field(
        default=None, min_length=1, max_length=SHORT, pattern=SUBDOMAIN, description="Name of the Job, in the playbook's namespace."
    )
    match_labels: dict[LabelKey, LabelValue] | None = Field(
        default=None, min_length=1, max_length=8, description="Labels of the Job; of several that have them, the newest."
    )

    @model_validator(mode="after")
    def _one_way(self) -> JobParams:
        if (self.object_name is None) == (self.match_labels is None):
            raise ValueError(ONE_WAY)
        return self


async def read(scope: CheckScope, params: JobParams) -> Reading:
    try:
        if params.object_name:
            return judge(await scope.cluster.get(Ref("batch/v1", "Job", scope.namespace, params.object_name)))
        jobs = await _labelled(scope.cluster, scope.namespace, params.match_labels or {})
    except Failure as failure:
        return unread(failure)
    if len(jobs) > MOST:
        return unknown(f"more than {MOST} Jobs have these labels; expected fewer", final=True)
    newest = max(jobs, key=lambda job: (created_at(job), job["metadata"]["name"]), default=None)
    return judge(newest) if newest else unknown(f"there is no Job with labels {params.match_labels}")


async def _labelled(cluster: Cluster, namespace: str, labels: dict[str, str]) -> list[Object]:
    found: list[Object] = []
    async for job in cluster.list("batch/v1", "Job", namespace, labels=",".join(f"{key}={value}" for key, value in labels.items())):
        found.append(job)
        if len(found) > MOST:
            break
    return found


def judge(job: Object) -> Reading:
    """Its value is `Complete`, `Failed` or `Running`. A Job that failed does not run again."""
    status = job.get("status") or {}
    true = {item["type"]: item for item in status.get("conditions") or () if item["status"] == "True"}
    name = f"job/{job['metadata']['name']}"
    if "Complete" in true:
        return with_value(confirmed(f"{name} is complete"), "Complete")
    if failed := true.get("Failed"):
        return with_value(denied(f"{name} failed: {failed.get('reason') or 'no reason given'}", final=True), "Failed")
    counts = ", ".join(f"{status.get(what, 0)} {what}" for what in ("active", "succeeded", "failed"))
    state = "is suspended" if "Suspended" in true else "is not complete yet"
    return with_value(denied(f"{name} {state} ({counts})"), "Running")


def rules(params: JobParams, namespace: str, target: Ref | None) -> tuple[Rule, ...]:
    if params.object_name:
        return (Rule(("get",), "batch", "jobs", (params.object_name,)),)
    return (Rule(("list",), "batch", "jobs", why="the Job is found by its labels; a list cannot be narrowed to names"),)


JOB = CheckKind(
    name="job",
    summary="A Job has completed",
    params=JobParams,
    needs_target=False,
    rules=rules,
    read=read,
    gives=lambda _: FactType.String,
)

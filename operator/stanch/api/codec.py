"""JSON of the API server <-> the engine's values; plans <-> canonical bytes and their digest.

A status that is written is one that the API server takes: sentences for people are cut to their bound (the pack has them
whole); what else is too long is refused here, by name, instead of there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from functools import cache
from operator import is_
from typing import Any, TypeVar

import rfc8785
from pydantic import BaseModel, TypeAdapter, ValidationError

from stanch.api.decision import Decision as DecisionSpec
from stanch.api.incident import Incident as IncidentSpec
from stanch.api.upgrade import upgraded
from stanch.domain.decision import Decision
from stanch.domain.incident import FORMAT_VERSION, ChangeRecord, Facts, Status, StepState
from stanch.domain.objects import DecisionStatus, DeclaredStatus
from stanch.domain.plan import Plan
from stanch.domain.record import TEXT, Record, camel
from stanch.domain.severity import Assessment
from stanch.engine.changes import fewer
from stanch.engine.errors import Refused
from stanch.engine.ports import Object

_PLAN = TypeAdapter(Plan)
_STATUS = TypeAdapter(Status)
_CHANGES = TypeAdapter(tuple[ChangeRecord, ...])
_DECLARED_STATUS = TypeAdapter(DeclaredStatus)
_DECISION_STATUS = TypeAdapter(DecisionStatus)
_TIME = TypeAdapter(datetime)

# Fields of a status that a person reads and nothing compares.
_SENTENCES = frozenset({"message", "missing", "at", "waits_for"})
# What a status is made of many of; their sentences give way first when it grows. In bytes, as JSON; in characters of each.
RECORDS = ("options", "steps", "reverts", "checks")
LARGEST_STATUS = 96_000
SHORTER = (512, 192, 96, 48, 16, 0)
FEWEST_CHANGES = 2
OVER = frozenset(StepState) - {StepState.Intended, StepState.Waiting, StepState.Indeterminate}

M = TypeVar("M", bound=BaseModel)


def spec_of(model: type[M], obj: Object) -> M:
    """The object's spec as `model`. Raises `Refused` (Invalid) that names the first bad field and what was expected."""
    try:
        return model.model_validate(obj.get("spec", {}))
    except ValidationError as error:
        raise Refused("Invalid", f"{_title(obj)}: {describe(error, 'spec')}") from error


def facts_of(obj: Object) -> Facts:
    """What an Incident opened with. Raises `Refused` (Invalid)."""
    spec, metadata = spec_of(IncidentSpec, obj), obj["metadata"]
    return Facts(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        created_at=_TIME.validate_python(metadata["creationTimestamp"]),
        opened_by=spec.opened_by,
        title=spec.title,
        type=spec.type,
        severity=classified_as(obj) or spec.severity,
        component=spec.component or "",
        mode=spec.mode,
        labels=metadata.get("labels") or {},
        deleted="deletionTimestamp" in metadata,
        assessment=Assessment(**spec.assessment.model_dump()) if spec.assessment else Assessment(),
        started_at=spec.started_at,
    )


def classified_as(obj: Object) -> str:
    """What a person said that it is; empty: nobody did."""
    said = (obj.get("status") or {}).get("classified") or {}
    return str(said.get("severity") or "")


def status_of(obj: Object) -> Status:
    """An Incident's status, whichever version of stanch wrote it; the initial one where there is none yet.

    Raises `Refused`: `NewerFormat` when a later version of stanch wrote it, `Invalid` when it cannot be read.
    """
    body = obj.get("status") or {}
    if body.get("formatVersion", FORMAT_VERSION) > FORMAT_VERSION:
        written, known = body["formatVersion"], FORMAT_VERSION
        message = f"{_title(obj)}: status has formatVersion {written}, this stanch reads up to {known}; run the later version"
        raise Refused("NewerFormat", message)
    try:
        return _STATUS.validate_python(upgraded(body))
    except ValidationError as error:
        raise Refused("Invalid", f"{_title(obj)}: {describe(error, 'status')}") from error


def status_to_json(status: Status) -> Object:
    """The status as JSON: what is at its default is left out, but for what people and kstatus look for."""
    fitted = fit(status, "status")
    body = _STATUS.dump_python(fitted, mode="json", by_alias=True, exclude_defaults=True)
    for condition in body.get("conditions", []):
        condition.setdefault("message", "")
    return shortened(body) | {
        "formatVersion": status.format_version,
        "observedGeneration": status.observed_generation,
        "phase": status.phase.value,
    }


def shortened(body: Object) -> Object:
    """Below 100 KB whatever there are of steps and targets: a status is read by every watch and each `kubectl get`."""
    if not _small(body):
        for record in body.get("messages", []):
            record.pop("text", None)  # the pack has it
        for change in body.get("changes", [])[:-1]:
            change.pop("token", None)  # one that is under way and not the latest counts twice then
    for limit in SHORTER:
        if _small(body):
            return body
        for record in (record for kind in RECORDS for record in body.get(kind, [])):
            if message := _cut(record.pop("message", ""), limit):
                record["message"] = message
    if not _small(body):
        body = without_spent(body)
    return body if _small(body) else with_fewer_changes(body)


def without_spent(body: Object) -> Object:
    """Without what steps that are over hold and nobody needs: what they were prepared on, the digest that their revert has too."""
    kept = {(debt["token"], debt["digest"]) for debt in body.get("reverts", [])}
    for step in (step for step in body.get("steps", []) if step["state"] in OVER):
        step.pop("resourceVersion", None)
        if (step.get("token"), step.get("before")) in kept:
            del step["before"]
    return body


def with_fewer_changes(body: Object) -> Object:
    """For guards it is then as if those had been made of any object."""
    if "changes" in body:
        changes = fewer(_CHANGES.validate_python(body["changes"]), FEWEST_CHANGES)
        body["changes"] = _CHANGES.dump_python(changes, mode="json", by_alias=True, exclude_defaults=True)
    return body


def _small(body: Object) -> bool:
    return len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()) <= LARGEST_STATUS


def decision_of(obj: Object) -> Decision:
    """Raises `Refused` (Invalid)."""
    spec, metadata = spec_of(DecisionSpec, obj), obj["metadata"]
    return Decision(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        incident=spec.incident_ref.name,
        incident_uid=spec.incident_ref.uid,
        verb=spec.verb,
        role=spec.role or "",
        by=spec.by,
        reason=spec.reason or "",
        option=spec.option or "",
        plan_digest=spec.plan_digest or "",
        created_at=_TIME.validate_python(metadata["creationTimestamp"]),
        step=spec.step or "",
        extend_by=spec.extend_by,
        ticket=spec.ticket or "",
        postmortem=spec.postmortem or "",
        assignee=spec.assignee or "",
        severity=spec.severity or "",
        message=spec.message or "",
        message_digest=spec.message_digest or "",
        recorded="recordedAt" in (obj.get("status") or {}),
    )


def decision_status_to_json(status: DecisionStatus) -> Object:
    return _DECISION_STATUS.dump_python(fit(status, "status"), mode="json", by_alias=True, exclude_none=True)


def declared_status_to_json(status: DeclaredStatus) -> Object:
    return _DECLARED_STATUS.dump_python(fit(status, "status"), mode="json", by_alias=True, exclude_none=True)


def declared_status_of(obj: Object) -> DeclaredStatus:
    """Nothing where there is none yet, or one that this version cannot read: it is said anew."""
    try:
        return _DECLARED_STATUS.validate_python(obj.get("status") or {})
    except ValidationError:
        return DeclaredStatus()


def plan_to_bytes(plan: Plan) -> bytes:
    """RFC 8785 JSON with every field, defaults too: a later version's defaults must not change what was approved.

    Raises `Refused` (Invalid) for what JSON cannot carry exactly (integers of 2^53 and more).
    """
    try:
        return rfc8785.dumps(_PLAN.dump_python(plan, mode="json", by_alias=True))
    except rfc8785.CanonicalizationError as error:
        raise Refused("Invalid", f"plan of playbook {plan.playbook.name}: {error}") from error


def plan_of(data: bytes) -> Plan:
    """Raises `Refused` (Invalid) when `data` is not a plan."""
    try:
        return _PLAN.validate_json(data)
    except ValidationError as error:
        raise Refused("Invalid", f"stored plan: {describe(error, 'plan')}") from error


def digest(data: bytes) -> str:
    """`sha256:` and 64 hex digits."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


R = TypeVar("R", bound=Record)


def fit(record: R, path: str) -> R:
    """`record` within the bounds that its fields say: sentences cut, `Refused` (TooLong) for all else that is too long."""
    changed = {}
    for name, spelled, bound in _bounds(type(record)):
        value = getattr(record, name)
        fitted = _fit(value, bound, f"{path}.{spelled}", name in _SENTENCES)
        if fitted is not value:
            changed[name] = fitted
    return replace(record, **changed) if changed else record  # type: ignore[type-var]


@cache
def _bounds(kind: type[Record]) -> tuple[tuple[str, str, int], ...]:
    """Name, spelling and longest value of each field: asked at every write of a status."""
    return tuple((field.name, camel(field.name), field.metadata.get("max_length", TEXT)) for field in fields(kind))  # type: ignore[arg-type]


def _fit(value: Any, bound: int, path: str, sentence: bool) -> Any:
    if isinstance(value, Record):
        return fit(value, path)
    if sentence and isinstance(value, str):
        return _cut(value, bound)
    if isinstance(value, str | tuple | Mapping) and len(value) > bound:
        raise Refused("TooLong", f"{path}: length {len(value)}, at most {bound} is taken")
    if isinstance(value, tuple):
        items = tuple(_fit(item, TEXT, f"{path}[{place}]", sentence) for place, item in enumerate(value))
        return value if all(map(is_, items, value)) else items
    return value


def _cut(text: str, bound: int) -> str:
    return text if len(text) <= bound else f"{text[: bound - 1]}…" if bound else ""


def describe(error: ValidationError, root: str) -> str:
    """The first field that is wrong, and why; how many more there are."""
    first, *more = error.errors(include_url=False)
    others = f" (and {len(more)} more)" if more else ""
    return f"{path_of(first['loc'], root)}: {first['msg']}{others}"


def path_of(location: tuple[int | str, ...], root: str) -> str:
    """`("options", 0, "name")` -> `spec.options[0].name`."""
    return root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)


def _title(obj: Object) -> str:
    metadata = obj.get("metadata", {})
    name = "/".join(part for part in (metadata.get("namespace"), metadata.get("name")) if part)
    return f"{obj.get('kind', 'object')} {name}"

"""`object`: a condition, or a value, in CEL over any one object. What such an expression may cost: `engine.cel_cost`.

A Secret is not read: what it holds would end up in the status. A list shorter, or a field gone, is an error of the expression
and therefore inconclusive; `has(…)` asks whether it is there.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from stanch.checks.measuring import Expression, alike, shown, verdict_of, with_value
from stanch.checks.reading import confirmed, unknown, unread
from stanch.domain.access import Rule
from stanch.domain.plan import FactType, Ref
from stanch.domain.record import SHORT, camel
from stanch.engine.errors import Failure
from stanch.engine.expressions import Failed
from stanch.engine.judging import Code, fault_on_object, holds_of, look
from stanch.engine.parts import CheckKind, CheckScope, Reading, Value
from stanch.engine.ports import Object
from stanch.engine.values import EXPECTED, text_of, value_of

ONE_OBJECT = "an object check has either target, or apiVersion, kind and objectName"
SOMETHING = "an object check has expect, value, or both"


def _condition(text: str) -> str:
    if fault := fault_on_object(text, condition=True):
        raise ValueError(fault)
    return text


def _gives(text: str) -> str:
    if fault := fault_on_object(text, condition=False):
        raise ValueError(fault)
    return text


def _no_secret(kind: str) -> str:
    if kind == "Secret":
        raise ValueError("a Secret is not read: what it holds would be seen in the Incident")
    return kind


class ObjectParams(BaseModel):
    """A condition, or a value, of one object."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=camel,
        validate_by_name=True,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.apiVersion) == has(self.kind) && has(self.kind) == has(self.objectName) "
                    "&& has(self.target) != has(self.kind)",
                    "message": ONE_OBJECT,
                },
                {"rule": "has(self.expect) || has(self.value)", "message": SOMETHING},
                {"rule": "!has(self.kind) || self.kind != 'Secret'", "message": "a Secret is not read"},
            ]
        },
    )

    api_version: str | None = Field(
        default=None, max_length=SHORT, pattern=r"^([a-z0-9.-]+/)?v[a-z0-9]+$", description="API version, e.g. batch/v1."
    )
    kind: Annotated[str, AfterValidator(_no_secret)] | None = Field(
        default=None, max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$", description="Kind, e.g. Job; not Secret."
    )
    object_name: str | None = Field(
        default=None,
        max_length=SHORT,
        pattern=r"^[a-z0-9]([-a-z0-9.:]*[a-z0-9])?$",
        description="Name of the object, in the playbook's namespace.",
    )
    expect: Annotated[Annotated[Expression, AfterValidator(_condition)] | None, Code()] = Field(
        default=None,
        description="Condition in CEL over object, as the API server shows it, e.g. object.status.phase == 'Bound'; over value and "
        "baseline too, where value is given. Loops: exists, all, each over its own variable only.",
    )
    value: Annotated[Annotated[Expression, AfterValidator(_gives)] | None, Code()] = Field(
        default=None,
        description="What is measured, in CEL over object: text, a number, true or false, e.g. object.status.readyReplicas. "
        "It is seen in the Incident.",
    )
    type: FactType | None = Field(
        default=None,
        description="As which type value is read; what is none is not known. Left out: as it is, and in a diagnosis a text.",
    )

    @model_validator(mode="after")
    def _one_object(self) -> ObjectParams:
        named = {part is None for part in (self.api_version, self.kind, self.object_name)}
        if len(named) == 2:
            raise ValueError(ONE_OBJECT)
        if self.expect is None and self.value is None:
            raise ValueError(SOMETHING)
        return self


async def read(scope: CheckScope, params: ObjectParams) -> Reading:
    ref = about(params, scope.namespace, scope.target)
    if ref is None:
        return unknown(ONE_OBJECT, final=True)
    try:
        obj = await scope.cluster.get(ref)
    except Failure as failure:
        return unread(failure)
    return judge(params, str(ref), obj, scope.baseline)


def about(params: ObjectParams, namespace: str, target: Ref | None) -> Ref | None:
    if params.kind is None:
        return target
    return Ref(params.api_version, params.kind, namespace, params.object_name)


def judge(params: ObjectParams, what: str, obj: Object, baseline: Value | None) -> Reading:
    value = look(params.value, obj) if params.value else None
    if isinstance(value, Failed):
        return unknown(f"{what}: its value cannot be told: {value.message}")
    if value is not None and params.type:
        value = value_of(text_of(value), params.type)
        if value is None:
            return unknown(f"{what}: its value is not {EXPECTED[params.type]}")
    told = what if value is None else f"{what}: value is {shown(value)}"
    if params.expect is None:
        return with_value(confirmed(told), value)
    met = holds_of(params.expect, obj, value, alike(baseline, value))
    return with_value(verdict_of(met, params.expect, told), value)


def gives(params: ObjectParams) -> FactType:
    """CEL does not tell of which type a part of an object is: the playbook does. Without a value the verdict counts."""
    return (params.type or FactType.String) if params.value else FactType.Boolean


def rules(params: ObjectParams, namespace: str, target: Ref | None) -> tuple[Rule, ...]:
    ref = about(params, namespace, target)
    if ref is None:
        return ()
    group = ref.api_version.rpartition("/")[0]
    return (Rule(("get",), group, plural(ref.kind), (ref.name,)),)


def plural(kind: str) -> str:
    """The resource's name as Kubernetes itself guesses it from the kind (apimachinery, meta.UnsafeGuessKindToResource)."""
    name = kind.lower()
    if name.endswith("endpoints"):
        return name
    if name.endswith("s"):
        return f"{name}es"
    return f"{name[:-1]}ies" if name.endswith("y") and name[-2:-1] not in "aeiou" else f"{name}s"


OBJECT = CheckKind(
    name="object",
    summary="A condition in CEL is true of one object, or a value is read from it",
    params=ObjectParams,
    needs_target=False,
    rules=rules,
    read=read,
    may_target=True,
    gives=gives,
)

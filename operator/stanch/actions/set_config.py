"""`setConfig`: keys of a ConfigMap, set or taken away: read-only switches, feature flags (A-06, A-07).

Who mounts it sees the new files by himself; who takes variables from it, only after a restart.
https://kubernetes.io/docs/concepts/configuration/configmap/#mounted-configmaps-are-updated-automatically
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stanch.actions import takeback
from stanch.actions.effects import TOKEN, apply, observe, ref_of, refuse_deleted, title_of
from stanch.actions.owners import guard_owner, read_owner
from stanch.actions.rollouts import sentences
from stanch.actions.telling import some
from stanch.domain.access import Rule
from stanch.domain.plan import Ref, Risk
from stanch.engine.errors import Refused
from stanch.engine.mergepatch import merged
from stanch.engine.parts import Action, Before, Change, EffectClass, Stage
from stanch.engine.ports import Object

Key = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
TargetName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
# The API server's own limit for one ConfigMap.
LARGEST = 1024 * 1024
SOMETHING = "setConfig has at least one key in data or remove"
NOT_BOTH = "a key is in data or in remove, not in both"
WHEN_SEEN = "mounted files follow within about a minute; variables taken from it, and subPath mounts, only after a restart"


class ConfigParams(BaseModel):
    """Sets or removes keys of a ConfigMap."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "(has(self.data) && size(self.data) > 0) || (has(self.remove) && size(self.remove) > 0)",
                    "message": SOMETHING,
                },
                {"rule": "!has(self.data) || !has(self.remove) || self.remove.all(key, !(key in self.data))", "message": NOT_BOTH},
            ]
        },
    )

    data: dict[Key, Annotated[str, Field(max_length=8192)]] = Field(
        default={}, max_length=16, description="Key -> its value. Never a secret: a ConfigMap is no place for one."
    )
    remove: list[Key] = Field(default=[], max_length=16, description="Keys to take away.")
    restart: list[TargetName] = Field(
        default=[],
        max_length=8,
        description="Targets of the playbook that are restarted afterwards (rolloutRestart), because they read the ConfigMap "
        "only when they start. When the keys are taken back they are restarted again.",
    )

    @model_validator(mode="after")
    def _says_something_once(self) -> ConfigParams:
        if not self.data and not self.remove:
            raise ValueError(SOMETHING)
        if self.data.keys() & set(self.remove):
            raise ValueError(NOT_BOTH)
        return self

    @property
    def changes(self) -> dict[str, str | None]:
        return {**self.data, **dict.fromkeys(self.remove)}


async def read(stage: Stage, ref: Ref, _: ConfigParams) -> Before:
    target = await stage.cluster.get(ref)
    return Before(target, await read_owner(stage.cluster, target))


def plan(before: Before, params: ConfigParams, token: str) -> Change:
    """Raises `Refused` where the ConfigMap does not take it, somebody would take it back, or nothing would change."""
    target = before.target
    refuse_deleted(target, "change")
    guard_text(target, params)
    owner = guard_owner(before)
    was = data_of(target)
    ours = {key: value for key, value in params.changes.items() if was.get(key) != value}
    if not ours:
        raise Refused("NothingToChange", f"{title_of(target)} has these keys already as they should be")
    guard_size(target, ours)
    told = [takeback.difference(field) for field in fields_of(was, ours, {})]
    patch = {"metadata": {"annotations": {TOKEN: token}}, "data": ours}
    return Change(ref_of(target), patch, some(told), sentences("" if params.restart else WHEN_SEEN, owner))


def data_of(target: Object) -> dict[str, str]:
    return target.get("data") or {}


def guard_text(target: Object, params: ConfigParams) -> None:
    """Raises `Refused`: Immutable, or NotText for a key with bytes in it."""
    if target.get("immutable"):
        raise Refused("Immutable", f"{title_of(target)} is immutable; create another one and let its consumers use that")
    if binary := sorted(params.changes.keys() & (target.get("binaryData") or {}).keys()):
        raise Refused(
            "NotText", f"{', '.join(binary)} of {title_of(target)} holds bytes (binaryData), which setConfig does not change"
        )


def guard_size(target: Object, changes: dict[str, str | None]) -> None:
    data = merged(data_of(target), changes)
    text = sum(len(key.encode()) + len(value.encode()) for key, value in data.items())
    size = text + sum(len(key) + len(value) * 3 // 4 for key, value in (target.get("binaryData") or {}).items())
    if size > LARGEST:
        raise Refused("TooLarge", f"{title_of(target)} would come to {size} bytes; the API server takes {LARGEST} at most")


def fields_of(was: dict[str, str], ours: dict[str, str | None], seen: dict[str, str]) -> list[takeback.Field]:
    return [takeback.Field(key, was.get(key), value, seen.get(key)) for key, value in sorted(ours.items())]


def inverse(before: Before, change: Change, seen: Object, token: str) -> Change | None:
    """Each key back to what it was. Raises `RevertConflict` where somebody changed one of them."""
    owed = takeback.owed(change, fields_of(data_of(before.target), change.patch["data"], data_of(seen)))
    return takeback.back(change, token, {"data": {field.name: field.was for field in owed}}) if owed else None


def rules(_: ConfigParams, namespace: str, ref: Ref) -> tuple[Rule, ...]:
    return (Rule(("get", "patch"), "", "configmaps", (ref.name,)),)


SET_CONFIG = Action(
    name="setConfig",
    summary="Set or remove keys of a ConfigMap, and restart who reads it only at its start",
    params=ConfigParams,
    kinds=frozenset({"ConfigMap"}),
    effect_class=EffectClass.cas,
    risk=Risk.Medium,
    irreversible="",
    rules=rules,
    read=read,
    plan=plan,
    observe=observe,
    apply=apply,
    inverse=inverse,
    consumers="restart",
)

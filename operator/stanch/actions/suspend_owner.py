"""Suspends who keeps a step's target as Git says, for as long as stanch changes it (design, invariant 7).

No verb of a playbook: it goes before each step that says `onOwnerConflict: SuspendOwner`, and is taken back after all else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from stanch.actions import takeback
from stanch.actions.effects import TOKEN, annotations_of, apply, labels_of, observe, ref_of, refuse_deleted
from stanch.actions.owners import FLUX, guard_owner, holds, read_owner
from stanch.actions.reconcilers import BY_KIND, Reconciler, title_of
from stanch.domain.access import Rule
from stanch.domain.plan import Ref, Risk
from stanch.engine.errors import Refused
from stanch.engine.parts import Action, Before, Change, EffectClass, Effected, Stage, Underway
from stanch.engine.ports import Object

SUSPENDED_BY, SUSPENDED_FOR = "stanch.dev/suspended-by", "stanch.dev/suspended-for"
PEOPLE = "kubectl"


class SuspendParams(BaseModel):
    """What people find written on the owner."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: str = Field(description="The Incident, as namespace/name.")
    until: str = Field(description="How long it stays suspended, for people.")


async def read(stage: Stage, ref: Ref, _: SuspendParams) -> Before:
    """The owner, and who owns that."""
    owner = await stage.cluster.get(ref)
    return Before(owner, await read_owner(stage.cluster, owner))


def plan(before: Before, params: SuspendParams, token: str) -> Change:
    """Raises `Refused` where it would not stay suspended. One that is suspended already is left as it is, and not given back."""
    owner, kind = before.target, kind_of(before.target)
    refuse_deleted(owner, "suspend")
    ref = ref_of(owner)
    if not kind.active(owner):
        by = annotations_of(owner).get(SUSPENDED_BY, "somebody else")
        why = f"by {by}; it stays as it is"
        return Change(ref, {"metadata": {"annotations": {TOKEN: token}}}, f"{title_of(ref)} is suspended already", why)
    guard_keeper(before, kind)
    marks = {TOKEN: token, SUSPENDED_BY: params.by, SUSPENDED_FOR: params.until}
    patch: dict[str, Any] = {"metadata": {"annotations": marks}}
    kind.put(patch, kind.suspended)
    return Change(ref, patch, f"suspend {title_of(ref)}", params.until)


def kind_of(owner: Object) -> Reconciler:
    return BY_KIND[owner["kind"]]


def guard_keeper(before: Before, kind: Reconciler) -> None:
    """Raises `Refused` (OwnedByReconciler) where somebody keeps the field, and would resume the owner under us."""
    owner = before.target
    guard_owner(Before(without_flux(owner), before.related))
    if manager := next((entry["manager"] for entry in owner["metadata"].get("managedFields") or () if applies(entry, kind)), ""):
        raise Refused(
            "OwnedByReconciler",
            f"{title_of(ref_of(owner))} cannot be suspended: {manager} applies its {kind.field}, and would set it back; suspend it "
            "where that comes from, or leave the field out there",
        )


def without_flux(owner: Object) -> Object:
    """Flux keeps no more of an object than the fields that it applies: `guard_keeper` looks at these."""
    labels = {key: value for key, value in labels_of(owner).items() if key.partition("/")[0] not in FLUX}
    return {**owner, "metadata": {**owner["metadata"], "labels": labels}}


def applies(entry: Mapping[str, Any], kind: Reconciler) -> bool:
    """Whether somebody who applies again and again owns the field. https://kubernetes.io/docs/reference/using-api/server-side-apply/"""
    if entry.get("operation") != "Apply" or entry.get("manager", "").startswith(PEOPLE):
        return False
    return holds(entry, kind.path)


def inverse(before: Before, change: Change, seen: Object, token: str) -> Change | None:
    """Gives it back. Where somebody else did meanwhile, only our marks go. Raises `RevertConflict`."""
    kind, ours = kind_of(seen), change.patch["metadata"]["annotations"].get(SUSPENDED_BY)
    if ours is None:
        return None
    unmarked = {SUSPENDED_BY: None, SUSPENDED_FOR: None} if annotations_of(seen).get(SUSPENDED_BY) == ours else {}
    was = kind.value(before.target)
    owed = takeback.owed(change, [takeback.Field(kind.field, was, kind.suspended, kind.value(seen))])
    if not owed and not unmarked:
        return None
    patch: dict[str, Any] = {"metadata": {"annotations": {TOKEN: token, **unmarked}}}
    if owed:
        kind.put(patch, was)
    title = title_of(change.ref)
    told = f"give {title} back: it applies what Git says again" if owed else f"{title} was resumed by somebody else already"
    return replace(change, patch=patch, summary=told, why="")


async def settle(stage: Stage, change: Change) -> Underway:
    """What it had begun before it was suspended could still take a write back: it is waited for."""
    owner = await stage.cluster.get(change.ref)
    if busy := kind_of(owner).busy(owner):
        return Underway(f"{title_of(change.ref)} has {busy}")
    return Underway("", Effected(f"{title_of(change.ref)} is suspended, and has nothing under way"))


def rules(_: Any, namespace: str, ref: Ref) -> tuple[Rule, ...]:
    kind = BY_KIND[ref.kind]
    return (Rule(("get", "patch"), kind.group, kind.plural, (ref.name,), namespace=ref.namespace),)


SUSPEND_OWNER = Action(
    name="suspendOwner",
    summary="Suspend who keeps the target of a step as Git says",
    params=SuspendParams,
    kinds=frozenset(BY_KIND),
    effect_class=EffectClass.cas,
    risk=Risk.Medium,
    irreversible="",
    rules=rules,
    read=read,
    plan=plan,
    observe=observe,
    apply=apply,
    inverse=inverse,
    settle=settle,
)

"""`revokeAccess`: a RoleBinding taken away during a security incident, and given back as people wrote it (A-12).

Who gives a binding back must be allowed to `bind` its role, or the API server takes it for an escalation:
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#restrictions-on-role-binding-creation-or-update
That is asked before anything is taken away. A deleted object bears no token: a person who deletes the binding while our own
request is under way is not told from us.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from stanch.actions.effects import TOKEN, ref_of, refuse_deleted, title_of
from stanch.actions.owners import guard_owner, read_owner
from stanch.domain.access import Question, Rule, covers
from stanch.domain.plan import Ref, Risk
from stanch.domain.record import SHORT
from stanch.engine.errors import NotFound, Refused
from stanch.engine.parts import EPOCH, Action, Before, Change, EffectClass, Effected, RevertConflict, Stage
from stanch.engine.ports import Object

RBAC = "rbac.authorization.k8s.io"
OURS = frozenset({TOKEN, EPOCH})
# What people write in a RoleBinding's metadata; the rest the server owns, or finds out anew.
PEOPLES = ("name", "namespace", "labels", "annotations", "ownerReferences")


class RoleName(BaseModel):
    """The role that a binding refers to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["Role", "ClusterRole"] = Field(description="Kind of the role.")
    name: Annotated[str, Field(min_length=1, max_length=SHORT, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9.:_]*[A-Za-z0-9])?$")] = Field(
        description="Name of the role."
    )

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class AccessParams(BaseModel):
    """Takes a RoleBinding away."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: RoleName = Field(
        description="The role that the binding refers to; a binding of another role is refused. The playbook's ServiceAccount "
        "needs `bind` on it, to give the access back."
    )


async def read(stage: Stage, ref: Ref, params: AccessParams) -> Before:
    """The binding, who would take its deletion back, as whom this acts, and what a Role allows. No Role of a namespace can
    permit to read a ClusterRole: that one is judged by its subjects alone."""
    target = await stage.cluster.get(ref)
    account = {"kind": "ServiceAccount", "metadata": {"name": stage.account, "namespace": stage.namespace}}
    return Before(target, (account, *await read_role(stage, params), *await read_owner(stage.cluster, target)))


async def read_role(stage: Stage, params: AccessParams) -> tuple[Object, ...]:
    """() where it is no Role, or there is none: then its bindings permit nothing."""
    if params.role.kind != "Role":
        return ()
    try:
        return (await stage.cluster.get(Ref(f"{RBAC}/v1", "Role", stage.namespace, params.role.name)),)
    except NotFound:
        return ()


def plan(before: Before, params: AccessParams, _: str) -> Change:
    """Deletes it; `patch` is what is given back. Raises `Refused` where that could not be done, or somebody would do it first."""
    target = before.target
    refuse_deleted(target, "revoke")
    guard_role(target, params)
    guard_finalizers(target)
    guard_own_branch(before)
    owner = guard_owner(before)
    return Change(ref_of(target), written(target), f"take {params.role} from {told(target)}", owner)


def guard_role(target: Object, params: AccessParams) -> None:
    refers = target["roleRef"]
    if (refers["kind"], refers["name"]) != (params.role.kind, params.role.name):
        raise Refused("OtherRole", f"{title_of(target)} refers to {refers['kind']} {refers['name']}, expected {params.role}")


def guard_finalizers(target: Object) -> None:
    """It would stay, and permit what it permits, until somebody has taken them off."""
    if held := target["metadata"].get("finalizers"):
        raise Refused("HasFinalizers", f"{title_of(target)} has finalizers ({', '.join(held)}): deleted, it would still permit")


def guard_own_branch(before: Before) -> None:
    """Raises `Refused` (OwnAccess) for a binding by which stanch itself acts: without it nothing could be given back."""
    target, account = before.target, before.related[0]["metadata"]
    who = f"ServiceAccount {account['namespace']}/{account['name']}"
    asked = Question("impersonate", "", "serviceaccounts", account["name"])
    if any(is_account(subject, account) for subject in subjects_of(target)):
        raise own_access(target, f"is what permits {who} to run this playbook")
    rules = (rule for role in before.related if role["kind"] == "Role" for rule in role.get("rules") or ())
    if any(map(is_program, subjects_of(target))) and any(permits(rule, asked) for rule in rules):
        raise own_access(target, f"lets a ServiceAccount act as {who}, as stanch does to run this playbook")


def own_access(target: Object, why: str) -> Refused:
    return Refused("OwnAccess", f"{title_of(target)} {why}: once it is gone it could not be given back; take it away by hand")


def is_account(subject: Object, account: Object) -> bool:
    """Whether a subject is the account: by name, as a user, or by a group that it is in."""
    name, namespace = account["name"], account["namespace"]
    match subject["kind"]:
        case "ServiceAccount":
            return (subject["name"], subject.get("namespace")) == (name, namespace)
        case "User":
            return subject["name"] == f"system:serviceaccount:{namespace}:{name}"
    return subject["name"] in {"system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{namespace}"}


def is_program(subject: Object) -> bool:
    """Whether a subject may be the operator, whose name is not known here: a ServiceAccount, or a group of them."""
    groups = subject["name"] == "system:authenticated" or subject["name"].startswith("system:serviceaccount")
    return subject["kind"] == "ServiceAccount" or groups


def permits(said: Object, asked: Question) -> bool:
    """Whether one rule of a Role permits what is asked."""
    names, verbs = tuple(said.get("resourceNames") or ()), tuple(said.get("verbs") or ())
    pairs = ((group, resource) for group in said.get("apiGroups") or () for resource in said.get("resources") or ())
    return (not names or asked.name in names) and any(covers(Rule(verbs, *pair, names), asked) for pair in pairs)


def subjects_of(binding: Object) -> list[Object]:
    return binding.get("subjects") or []


def told(target: Object) -> str:
    """Who loses it, without names: a user's may be a person's."""
    kinds = Counter(subject["kind"] for subject in subjects_of(target))
    return " and ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(kinds.items())) or "nobody"


def written(obj: Object) -> Object:
    """What people wrote of it: all but what the server owns (UID, version, times, managedFields) and our own marks. Equal as
    canonical JSON: given back byte for byte."""
    metadata = {key: obj["metadata"][key] for key in PEOPLES if obj["metadata"].get(key)}
    annotations = {key: value for key, value in (metadata.pop("annotations", None) or {}).items() if key not in OURS}
    metadata |= {"annotations": annotations} if annotations else {}
    content = {key: obj[key] for key in ("roleRef", "subjects") if obj.get(key)}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata, **content}


async def apply(stage: Stage, change: Change, resource_version: str) -> Effected:
    """Raises `Conflict` when it has moved on, `NotFound` when it is gone, and what `cluster.delete` raises."""
    await stage.cluster.delete(change.ref, resource_version=resource_version)
    return Effected(change.summary)


def inverse(_: Before, change: Change, seen: Object, __: str) -> Change | None:
    """Creates it again where there is none (`seen` empty). Raises `RevertConflict` where somebody made another one since."""
    if not seen:
        return Change(change.ref, change.patch, f"give back: {change.summary}")
    if differing := [part for part in ("roleRef", "subjects", "metadata") if written(seen).get(part) != change.patch.get(part)]:
        raise RevertConflict(f"{change.ref} was made anew by somebody since, and differs in {', '.join(differing)}")
    return None


def rules(params: AccessParams, namespace: str, ref: Ref) -> tuple[Rule, ...]:
    """`patch` is for the mark by which a new leader of stanch keeps a deletion of the old one out."""
    roles = f"{params.role.kind.lower()}s"
    reading: tuple[Any, ...] = (Rule(("get",), RBAC, roles, (params.role.name,)),) if params.role.kind == "Role" else ()
    return (
        Rule(("get", "patch", "delete"), RBAC, "rolebindings", (ref.name,)),
        Rule(("create",), RBAC, "rolebindings", why="RBAC cannot narrow a create to names; of roles that it may bind only"),
        Rule(("bind",), RBAC, roles, (params.role.name,)),
        *reading,
    )


REVOKE_ACCESS = Action(
    name="revokeAccess",
    summary="Take a RoleBinding away, to be given back as it was",
    params=AccessParams,
    kinds=frozenset({"RoleBinding"}),
    effect_class=EffectClass.uid_precondition,
    risk=Risk.High,
    irreversible="",
    rules=rules,
    read=read,
    plan=plan,
    apply=apply,
    inverse=inverse,
)

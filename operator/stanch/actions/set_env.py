"""`setEnv`: literal environment variables of a workload's containers, set or taken away; its pods are replaced (A-07).

The list of containers goes into the patch as a whole: a merge patch cannot name one of them, and the version is held.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stanch.actions import takeback
from stanch.actions.effects import TOKEN, apply, observe, ref_of, title_of
from stanch.actions.owners import guard_owner, read_owner
from stanch.actions.rollouts import KINDS, guard_rollout, limits, sentences, write_rules
from stanch.actions.telling import some
from stanch.actions.variables import rewritten, values
from stanch.domain.access import Rule
from stanch.domain.plan import Ref, Risk
from stanch.engine.errors import Refused
from stanch.engine.parts import Action, Before, Change, EffectClass, RevertConflict, Stage
from stanch.engine.ports import Object

VariableName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")]
ContainerName = Annotated[str, Field(min_length=1, max_length=63)]
SOMETHING = "setEnv has at least one variable in set or remove"
NOT_BOTH = "a variable is in set or in remove, not in both"


class EnvParams(BaseModel):
    """Sets or removes environment variables of the target's containers."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "(has(self.set) && size(self.set) > 0) || (has(self.remove) && size(self.remove) > 0)",
                    "message": SOMETHING,
                },
                {"rule": "!has(self.set) || !has(self.remove) || self.remove.all(name, !(name in self.set))", "message": NOT_BOTH},
            ]
        },
    )

    set: dict[VariableName, Annotated[str, Field(max_length=1024)]] = Field(
        default={},
        max_length=16,
        description="Variable -> its value, taken literally: $(OTHER) is not expanded. Never a secret: what stands here "
        "can be read in the playbook, the pack and the workload.",
    )
    remove: list[VariableName] = Field(default=[], max_length=16, description="Variables to take away.")
    containers: list[ContainerName] = Field(
        default=[], max_length=8, description="Containers that it is about; left out: all but init and ephemeral ones."
    )

    @model_validator(mode="after")
    def _says_something_once(self) -> EnvParams:
        if not self.set and not self.remove:
            raise ValueError(SOMETHING)
        if self.set.keys() & set(self.remove):
            raise ValueError(NOT_BOTH)
        return self

    @property
    def changes(self) -> dict[str, str | None]:
        """`$$` is how a pod says `$`: a value is data, and must not reach for another variable's."""
        return {name: value.replace("$", "$$") for name, value in self.set.items()} | dict.fromkeys(self.remove)


async def read(stage: Stage, ref: Ref, _: EnvParams) -> Before:
    target = await stage.cluster.get(ref)
    return Before(target, await read_owner(stage.cluster, target))


def plan(before: Before, params: EnvParams, token: str) -> Change:
    """Raises `Refused` where it would not act or not last, would overwrite a reference, or nothing would change."""
    target = before.target
    guard_rollout(target, "set variables of")
    owner = guard_owner(before)
    chosen = {container["name"] for container in chosen_containers(target, params)}
    was = containers_of(target)
    ours = [rewritten(item, params.changes) if item["name"] in chosen else item for item in was]
    told = [takeback.difference(field) for field in fields_of(was, ours, {})]
    if not told:
        raise Refused("NothingToChange", f"{title_of(target)} has these variables already as they should be")
    patch = {"metadata": {"annotations": {TOKEN: token}}, **template_patch(ours)}
    return Change(ref_of(target), patch, some(told), sentences(limits(target), _from_elsewhere(was, chosen, params), owner))


def containers_of(workload: Object) -> list[Object]:
    return workload["spec"]["template"]["spec"]["containers"]


def template_patch(containers: list[Object]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": containers}}}}


def chosen_containers(target: Object, params: EnvParams) -> list[Object]:
    """Raises `Refused`: NoSuchContainer; NotLiteral or Ambiguous where a variable is not ours to change."""
    known = {container["name"]: container for container in containers_of(target)}
    for name in params.containers:
        if name not in known:
            raise Refused("NoSuchContainer", f"{title_of(target)} has no container {name}; it has {', '.join(known)}")
    chosen = [known[name] for name in params.containers or known]
    for container in chosen:
        guard_literal(target, container, params)
    return chosen


def guard_literal(target: Object, container: Object, params: EnvParams) -> None:
    names = [item["name"] for item in container.get("env") or ()]
    for name, value in values(container).items():
        where = f"variable {name} of container {container['name']} in {title_of(target)}"
        if name in params.changes and isinstance(value, dict):
            raise Refused("NotLiteral", f"{where} comes from a {next(iter(value))}; change what it refers to instead")
        if name in params.changes and names.count(name) > 1:
            raise Refused("Ambiguous", f"{where} is said {names.count(name)} times; leave one of them")


def _from_elsewhere(containers: list[Object], chosen: set[str], params: EnvParams) -> str:
    """What envFrom brings is not in the list of variables."""
    found = [item["name"] for item in containers if item["name"] in chosen and item.get("envFrom")]
    if not found or not params.remove:
        return ""
    return f"{', '.join(found)} also has variables from envFrom, which are not removed"


def fields_of(was: list[Object], ours: list[Object], seen: Mapping[str, Object]) -> Iterator[takeback.Field]:
    """Each variable in which the containers differ, named `container/VARIABLE`; `seen`: container -> it, as it is now."""
    for old, new in zip(was, ours, strict=True):
        before, after, now = values(old), values(new), values(seen.get(old["name"], {}))
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                yield takeback.Field(f"{old['name']}/{name}", before.get(name), after.get(name), now.get(name))


def inverse(before: Before, change: Change, seen: Object, token: str) -> Change | None:
    """Each variable back to what it was and where it stood. Raises `RevertConflict` where somebody changed one of them."""
    was, now = containers_of(before.target), containers_of(seen)
    found = {container["name"]: container for container in now}
    owed = takeback.owed(change, fields_of(was, containers_of(change.patch), found))
    changes: dict[str, dict[str, str | None]] = defaultdict(dict)
    for field in owed:
        container, _, name = field.name.partition("/")
        changes[container][name] = field.was
    if gone := changes.keys() - found.keys():
        raise RevertConflict(f"{change.ref} has no container {', '.join(sorted(gone))} any more")
    order = {container["name"]: list(values(container)) for container in was}
    containers = [rewritten(item, changes.get(item["name"], {}), order.get(item["name"], ())) for item in now]
    return takeback.back(change, token, template_patch(containers)) if owed else None


def rules(_: EnvParams, namespace: str, ref: Ref) -> tuple[Rule, ...]:
    return write_rules(ref)


SET_ENV = Action(
    name="setEnv",
    summary="Set or remove environment variables of a workload; its pods are replaced",
    params=EnvParams,
    kinds=KINDS,
    effect_class=EffectClass.cas,
    risk=Risk.Medium,
    irreversible="",
    rules=rules,
    read=read,
    plan=plan,
    observe=observe,
    apply=apply,
    inverse=inverse,
    takes_pods=True,
)

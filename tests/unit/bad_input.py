"""What hostile or mistaken people, alerts and files hand to stanch: attack classes, each with cases and a neighbour that is taken.

A case spoils one good pair of Playbook and Incident. It is refused by the API server (`api`), or admitted and then refused when
the Incident is planned (`reason`), before anything is read or written for it. `where` is the field that is named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
VICTIM, SWITCH, ACCOUNT = "victim", "switch", "keeper"
PARAMETERS: list[Object] = [
    {"name": "mode", "default": "normal", "pattern": "[a-z]+(-[a-z]+)*"},
    {"name": "note", "default": "none"},
    {"name": "few", "type": "Integer", "default": "3", "minimum": 0, "maximum": 9},
]


@dataclass(frozen=True)
class Pair:
    """A Playbook, and an Incident that names it. What they would change is the ConfigMap `victim`."""

    playbook: Object
    incident: Object

    @property
    def spec(self) -> Object:
        return self.playbook["spec"]

    @property
    def option(self) -> Object:
        return self.spec["options"][0]

    @property
    def step(self) -> Object:
        return self.option["steps"][0]

    @property
    def target(self) -> Object:
        return self.spec["targets"][0]

    def opens(self, **spec: Any) -> None:
        """What the Incident says; None leaves a field out."""
        self.incident["spec"] = {key: value for key, value in (self.incident["spec"] | spec).items() if value is not None}

    def gives(self, **values: Any) -> None:
        self.opens(parameters=values)


Spoil = Callable[[Pair], object]


@dataclass(frozen=True)
class Bad:
    """`api`: what the API server says; `reason`, `says`: what the status of an admitted Incident says. One of both is empty.
    `server_only`: it is about the object's metadata, or the whole request, which only the API server judges."""

    attack: str
    what: str
    spoil: Spoil
    where: str = ""
    api: str = ""
    reason: str = ""
    says: str = ""
    server_only: bool = False

    def __str__(self) -> str:
        return f"{self.attack}: {self.what}"

    def pair(self, name: str = "probe", by: str = "alice") -> Pair:
        made = good(name, by)
        self.spoil(made)
        return made


def good(name: str = "probe", by: str = "alice", aim: str = VICTIM) -> Pair:
    step = {
        "name": "set",
        "expect": "the switch is set",
        "setConfig": {"target": "flags", "data": {"mode": "${params.mode}", "note": "${params.note}"}},
    }
    spec = {
        "summary": "A switch stands wrong",
        "serviceAccountName": ACCOUNT,
        "parameters": [dict(parameter) for parameter in PARAMETERS],
        "targets": [{"name": "flags", "kind": "ConfigMap", "objectName": aim}],
        "evidence": {"collect": [{"objects": {}}]},
        "options": [
            {
                "name": "switch",
                "steps": [step],
                "verify": [{"object": {"target": "flags", "expect": "has(object.data.mode)"}, "within": "10s"}],
            }
        ],
    }
    opened = {"title": "switch", "type": "switch", "severity": "P0", "openedBy": by, "playbookRef": {"name": name}}
    head = {"apiVersion": "stanch.dev/v1alpha1", "metadata": {"name": name}}
    return Pair(
        {**head, "kind": "Playbook", "metadata": {"name": name}, "spec": spec},
        {**head, "kind": "Incident", "metadata": {"name": name}, "spec": opened},
    )


def objects() -> list[Object]:
    """What stands in the namespace: two ConfigMaps with the same labels, one with its own, and the ServiceAccount."""
    labels = {VICTIM: {"app": "shop"}, "bystander": {"app": "shop"}, SWITCH: {"app": "switch"}}
    maps = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": label}, "data": {"mode": "initial"}}
        for name, label in labels.items()
    ]
    return [*maps, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}]

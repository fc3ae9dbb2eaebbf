"""Targets of a playbook: what its steps may change, and who may be suspended for that."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from stanch.api.base import LabelKey, LabelValue, Name, ObjectName, Spec, rule, rules

ONE_WAY = "a target has exactly one of objectName, nameFrom, selector"
ONE_OBJECT = "maxCount above 1 needs a selector"
WRONG_GROUP = "apiVersion is apps/v1, for a ConfigMap v1, for a RoleBinding rbac.authorization.k8s.io/v1"

# `${…}` with plain text around it. It is filled in as data, and the whole must then be the name of an object.
NAME_TEMPLATE = r"^([-a-z0-9.]|\$\{[^{}$]{1,200}\})+$"
RBAC = "rbac.authorization.k8s.io/v1"
GROUPS = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1", "ConfigMap": "v1", "RoleBinding": RBAC}
OF_KIND = f"self.kind == 'ConfigMap' ? 'v1' : self.kind == 'RoleBinding' ? '{RBAC}' : 'apps/v1'"


class Selector(Spec):
    """Chooses objects by their labels."""

    match_labels: dict[LabelKey, LabelValue] = Field(
        min_length=1, max_length=8, description="Labels that the object must have, all of them."
    )


class Owner(Spec):
    """Who keeps the target as Git says, where a step may suspend it."""

    kind: Literal["Application", "Kustomization", "HelmRelease"] = Field(description="Kind of the owner: Argo CD's, or Flux'.")
    namespace: Name | None = Field(
        default=None,
        description="Its namespace; left out: argocd, for Flux flux-system. Another than the playbook's must stand in the policy.",
    )
    name: ObjectName | None = Field(default=None, description="Its name; left out: whichever bears the target's marks.")


class Target(Spec):
    """One named thing that the playbook may look at and change. Nothing else is touched."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "[has(self.objectName), has(self.nameFrom), has(self.selector)].filter(x, x).size() == 1",
                ONE_WAY,
            ),
            rule("has(self.selector) || self.maxCount == 1", ONE_OBJECT),
            rule(f"!has(self.apiVersion) || self.apiVersion == ({OF_KIND})", WRONG_GROUP),
        )
    )

    name: Name = Field(description="Name of the target in this playbook.")
    api_version: Literal["apps/v1", "v1", "rbac.authorization.k8s.io/v1"] | None = Field(
        default=None, description="API version of the object; left out: that of its kind."
    )
    kind: Literal["Deployment", "StatefulSet", "DaemonSet", "ConfigMap", "RoleBinding"] = Field(description="Kind of the object.")
    object_name: ObjectName | None = Field(default=None, description="Name of the object in the cluster.")
    name_from: Annotated[str, Field(min_length=1, max_length=253, pattern=NAME_TEMPLATE)] | None = Field(
        default=None,
        description="Name of the object with ${…} filled in: CEL over incident and params, e.g. ${incident.component}.",
    )
    selector: Selector | None = Field(default=None, description="Labels of the object.")
    owner: Owner | None = Field(
        default=None, description="Who may be suspended for steps that say onOwnerConflict: SuspendOwner; left out: nobody."
    )
    max_count: int = Field(default=1, ge=1, le=20, description="Most objects that the selector may find; more are refused.")

    @model_validator(mode="after")
    def _one_way_to_find_it(self) -> Self:
        if [self.object_name, self.name_from, self.selector].count(None) != 2:
            raise ValueError(ONE_WAY)
        if self.selector is None and self.max_count > 1:
            raise ValueError(ONE_OBJECT)
        if self.api_version not in (None, GROUPS[self.kind]):
            raise ValueError(WRONG_GROUP)
        return self

    @property
    def group_version(self) -> str:
        return GROUPS[self.kind]

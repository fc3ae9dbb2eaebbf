"""Where the chart differs from the kustomizations: its values, and the few places at which objects ask for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stanch.packs.bucket import SCHEMES
from tests.chart import own_store, replicas
from tests.chart.namespaces import ENV, watched
from tests.chart.source import Object, at, files, identity
from tests.chart.template import Inline, Lines

# Everywhere, also inside texts: where the operator is installed.
NAMESPACE = "stanch-system"
RELEASE = "$.Release.Namespace"
# What `helm uninstall` leaves: every Incident and Decision would go with its type, and the evidence with its claim.
KEPT = ("CustomResourceDefinition", "PersistentVolumeClaim")
# Helm does not make the namespace that it installs into.
LEFT_OUT = ("Namespace/stanch-system",)

OPERATOR, CLAIM = "Deployment/stanch", "PersistentVolumeClaim/stanch-packs"
LEAVING = "Job/stanch-uninstall"
SCRAPE, ALERTS = "ServiceMonitor/stanch", "PrometheusRule/stanch"
EGRESS = "NetworkPolicy/stanch-egress"
# What Helm makes only when it uninstalls, and takes away again: the account and its rights, then the Job that needs them. The Job
# that failed stays, with what it says.
HOOKED = "stanch-uninstall"
HOOK_KINDS = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Job")
POD = "spec.template.spec"
CONTAINER = f"{POD}.containers.0"

# Objects of a kind, or one object, that are there only where a value says so.
SWITCHES: Mapping[str, str] = {
    "CustomResourceDefinition": "crds.install",
    "PriorityClass": "priorityClass.create",
    "PodDisruptionBudget": "podDisruptionBudget.create",
    "NetworkPolicy": "networkPolicy.create",
    EGRESS: own_store.PORTS,
    "ServiceMonitor": "serviceMonitor.create",
    "PrometheusRule": "prometheusRule.create",
    **{identity(role): "roles.create" for file in files("manifests/roles") for role in file.documents},
    **{f"{kind}/{HOOKED}": "uninstall.takeBack" for kind in HOOK_KINDS},
}

TEXT = {"type": "string"}
BUCKET = {"type": "string", "pattern": f"^$|^({'|'.join(SCHEMES)})://[^/]+"}
GIVEN = {"type": "string", "minLength": 1}
YES_OR_NO = {"type": "boolean"}
NAME = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63}
MODES = {"enum": ["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"]}
QUANTITIES = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
LABELS = {"type": "object", "additionalProperties": TEXT}
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}


def closed(properties: Mapping[str, Any]) -> Object:
    return {"type": "object", "additionalProperties": False, "properties": dict(properties)}


def listed(item: Object) -> Object:
    return {"type": "array", "items": item, "uniqueItems": True}


@dataclass(frozen=True)
class Value:
    """One value of the chart: its path, what it is where nobody says, its JSON schema, and what it is for."""

    path: str
    default: Any
    schema: Object
    comment: str


def values(objects: Mapping[str, Object]) -> tuple[Value, ...]:
    """In the order of values.yaml. What stands in an object is the default."""
    operator, claim = objects[OPERATOR], objects[CLAIM]
    repository, _, tag = at(operator, f"{CONTAINER}.image").rpartition(":")
    policy = at(operator, f"{CONTAINER}.imagePullPolicy")
    return (
        Value("image.repository", repository, GIVEN, "Where you pushed what `make image` made: no registry serves this name."),
        Value("image.tag", tag, GIVEN, "A tag, or a digest (sha256:…)."),
        Value("image.pullPolicy", policy, {"enum": ["Always", "IfNotPresent", "Never"]}, ""),
        Value("image.pullSecrets", [], listed(closed({"name": GIVEN})), "For a registry that asks who you are: [{name: …}]."),
        Value("watch.namespaces", [], listed(NAME), "Whose Incidents it works on; they must be there. Empty: all."),
        Value(
            "replicas", at(operator, "spec.replicas"), {"enum": [1, 2, 3]}, "One leads. Several need packs.url, or ReadWriteMany."
        ),
        Value("packs.url", "", BUCKET, "s3://bucket/prefix: the evidence in a bucket, and no volume."),
        Value("packs.region", "", TEXT, "Of the bucket."),
        Value(
            "packs.endpoint",
            "",
            TEXT,
            "https://host:port of an S3 server of your own. Its port, if not 443: networkPolicy.egressPorts.",
        ),
        Value(
            "packs.ca",
            {"configMap": "", "secret": "", "key": own_store.key()},
            closed({"configMap": TEXT, "secret": TEXT, "key": GIVEN}),
            "Of that server: a ConfigMap or a Secret of yours, and the key in it. Empty: the system's CAs vouch for it.",
        ),
        Value(
            "packs.secret", "", TEXT, "With AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Empty: stanch-packs, where it is there."
        ),
        Value("packs.accessMode", at(claim, "spec.accessModes.0"), MODES, "Of the volume."),
        Value("packs.size", at(claim, "spec.resources.requests.storage"), GIVEN, "Of the volume with the evidence."),
        Value("packs.storageClass", "", TEXT, "Empty: the cluster's default. Let its volumes be retained."),
        Value("resources", at(operator, f"{CONTAINER}.resources"), closed({"requests": QUANTITIES, "limits": QUANTITIES}), ""),
        Value("uninstall.takeBack", True, YES_OR_NO, "`helm uninstall` begins with `stanch uninstall`, and may fail."),
        Value("uninstall.timeout", at(objects[LEAVING], f"{CONTAINER}.args.3"), GIVEN, "For that: less than Helm's own --timeout."),
        Value("crds.install", True, YES_OR_NO, "The four kinds; they stay when the release is uninstalled."),
        Value("roles.create", True, YES_OR_NO, "What people are given, by bindings of yours: stanch-commander, stanch-on-call, …"),
        Value("priorityClass.create", True, YES_OR_NO, "If not: priorityClass.name names one that is there, or none."),
        Value("priorityClass.name", at(operator, f"{POD}.priorityClassName"), TEXT, "Of the operator's pod, created or not."),
        Value("podDisruptionBudget.create", True, YES_OR_NO, ""),
        Value("networkPolicy.create", True, YES_OR_NO, "Holds where the cluster's network enforces such."),
        Value(own_store.PORTS, [], listed(PORT), "Let out beside 443 and 6443: of that server, of origins in ResponsePolicies."),
        Value("serviceMonitor.create", False, YES_OR_NO, "For the Prometheus Operator, whose kind it is."),
        Value("serviceMonitor.labels", {}, LABELS, "What your Prometheus selects by."),
        Value("prometheusRule.create", False, YES_OR_NO, "Alerts: no leader, overdue revert, silent watch, missed deadline."),
        Value("prometheusRule.labels", {}, LABELS, ""),
    )


def changes(objects: Mapping[str, Object]) -> dict[str, dict[str, Inline | Lines]]:
    """By object and path, what stands there instead."""
    operator = objects[OPERATOR]
    reference = 'printf "%s%s%s" .repository (ternary "@" ":" (hasPrefix "sha256:" .tag)) .tag | quote'
    image = {
        f"{CONTAINER}.image": Inline(f"{{{{ with $.Values.image }}}}{{{{ {reference} }}}}{{{{ end }}}}"),
        f"{CONTAINER}.imagePullPolicy": value("image.pullPolicy"),
    }
    return {
        "PriorityClass/stanch": {"metadata.name": value("priorityClass.name")},
        OPERATOR: {
            f"{POD}.priorityClassName": value("priorityClass.name"),
            **image,
            f"{CONTAINER}.resources": value("resources"),
            "spec.replicas": value("replicas"),
            "spec.strategy": replicas.strategy(at(operator, "spec.strategy")),
            f"{CONTAINER}.env.2.value": replicas.url(at(operator, f"{CONTAINER}.env.2.value")),
            f"{CONTAINER}.volumeMounts.0": replicas.on_a_volume(at(operator, f"{CONTAINER}.volumeMounts.0")),
            f"{POD}.volumes.0": replicas.on_a_volume(at(operator, f"{POD}.volumes.0")),
        },
        CLAIM: {
            "spec.accessModes.0": value("packs.accessMode"),
            "spec.resources.requests.storage": value("packs.size"),
        },
        LEAVING: {**image, f"{CONTAINER}.args.3": value("uninstall.timeout")},
        EGRESS: {"spec.egress.0.ports.0": own_store.ports(at(objects[EGRESS], "spec.egress.0.ports.0"))},
        SCRAPE: {"metadata.labels": labels(objects[SCRAPE], "serviceMonitor.labels")},
        ALERTS: {"metadata.labels": labels(objects[ALERTS], "prometheusRule.labels")},
    }


def additions() -> dict[str, dict[str, Lines]]:
    """By object and path of a map, what is added to it where a value is given."""
    return {
        OPERATOR: {
            "spec": replicas.ready_seconds(),
            POD: Lines(f"{given('image.pullSecrets', 'imagePullSecrets').text}\n{replicas.spread()}"),
            CONTAINER: replicas.credentials(),
        },
        LEAVING: {POD: given("image.pullSecrets", "imagePullSecrets")},
        CLAIM: {"spec": given("packs.storageClass", "storageClassName")},
    }


def items() -> dict[str, dict[str, tuple[Lines, ...]]]:
    """By object and path of a list, what stands before its items where a value is given."""
    told = watched().variables
    return {
        OPERATOR: {
            ENV: (*told, *replicas.variables(), own_store.variable()),
            f"{CONTAINER}.volumeMounts": (own_store.mount(),),
            f"{POD}.volumes": (own_store.volume(),),
        },
        LEAVING: {ENV: told},
    }


def annotations(document: Object) -> dict[str, str]:
    """What tells Helm how to treat an object. Hooks of a lower weight come first."""
    kind = document["kind"]
    if kind in KEPT:
        return {"helm.sh/resource-policy": "keep"}
    if document["metadata"]["name"] != HOOKED:
        return {}
    hook = {"helm.sh/hook": "pre-delete", "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded"}
    if kind != "Job":
        return hook
    return hook | {"helm.sh/hook-weight": "1", "helm.sh/hook-output-log-policy": "hook-succeeded,hook-failed"}


def value(path: str) -> Inline:
    return Inline(f"{{{{ toJson $.Values.{path} }}}}")


def given(path: str, key: str) -> Lines:
    return Lines(f"{{{{- with $.Values.{path} }}}}\n{key}: {{{{ toJson . }}}}\n{{{{- end }}}}")


def labels(document: Object, path: str) -> Inline:
    """Its own, which nobody can take away, and those given."""
    own = " ".join(json.dumps(word) for pair in at(document, "metadata.labels").items() for word in pair)
    return Inline(f"{{{{ merge (dict {own}) $.Values.{path} | toJson }}}}")

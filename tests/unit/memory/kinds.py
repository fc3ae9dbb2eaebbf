"""The kinds that the in-memory API server knows, and what sets them apart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """`status`: has a status subresource. `generation`: the server counts changes outside metadata and status."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True
    status: bool = False
    generation: bool = False
    annotated: bool = False  # generation counts changes of annotations too
    fields: frozenset[str] = frozenset()

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def selectable(self) -> frozenset[str]:
        return self.fields | {"metadata.name", "metadata.namespace"}


def custom(kind: str, plural: str, api_version: str = "stanch.dev/v1alpha1", *, namespaced: bool = True, fields: str = "") -> Kind:
    """A custom resource with a status subresource."""
    return Kind(api_version, kind, plural, namespaced, status=True, generation=True, fields=frozenset(fields.split()))


_POD_FIELDS = frozenset({"spec.nodeName", "status.phase", "spec.serviceAccountName", "status.podIP"})
_EVENT_FIELDS = frozenset({"reason", "type"}) | {
    f"involvedObject.{name}" for name in ("kind", "namespace", "name", "uid", "apiVersion", "fieldPath")
}
_ADMISSION = "admissionregistration.k8s.io/v1"
RBAC = "rbac.authorization.k8s.io"

KINDS = (
    Kind("v1", "Namespace", "namespaces", namespaced=False, status=True),
    Kind("v1", "Node", "nodes", namespaced=False, status=True),
    Kind("v1", "ConfigMap", "configmaps"),
    Kind("v1", "Secret", "secrets"),
    Kind("v1", "Service", "services", status=True),
    Kind("v1", "ServiceAccount", "serviceaccounts"),
    Kind("v1", "Pod", "pods", status=True, fields=_POD_FIELDS),
    Kind("v1", "Event", "events", fields=_EVENT_FIELDS),
    Kind("apps/v1", "Deployment", "deployments", status=True, generation=True, annotated=True),
    Kind("apps/v1", "StatefulSet", "statefulsets", status=True, generation=True),
    Kind("apps/v1", "DaemonSet", "daemonsets", status=True, generation=True),
    Kind("apps/v1", "ReplicaSet", "replicasets", status=True, generation=True),
    Kind("apps/v1", "ControllerRevision", "controllerrevisions"),
    Kind("batch/v1", "Job", "jobs", status=True, generation=True),
    Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", status=True),
    Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", status=True, generation=True),
    Kind(f"{RBAC}/v1", "Role", "roles"),
    Kind(f"{RBAC}/v1", "ClusterRole", "clusterroles", namespaced=False),
    Kind(f"{RBAC}/v1", "RoleBinding", "rolebindings"),
    Kind("coordination.k8s.io/v1", "Lease", "leases"),
    custom("Incident", "incidents", fields="status.phase status.rests spec.severity"),
    custom("Playbook", "playbooks"),
    custom("Decision", "decisions", fields="spec.incidentRef.name status.recordedAt"),
    custom("ResponsePolicy", "responsepolicies", namespaced=False),
    Kind(_ADMISSION, "ValidatingAdmissionPolicy", "validatingadmissionpolicies", namespaced=False, generation=True),
    Kind(_ADMISSION, "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", namespaced=False, generation=True),
)

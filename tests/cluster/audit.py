"""What API servers write into their audit logs: who did what, also in whose name; and of what stanch changes, what was written."""

from __future__ import annotations

# Reads of people and tests are kept, those of the machinery are not; nor how it empties a namespace, kind by kind.
QUIET_USERS = ("system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy", "system:apiserver")
QUIET_GROUPS = ("system:nodes", "system:serviceaccounts:kube-system")
READS = ("get", "list", "watch")
WRITES = ("create", "update", "patch")

# Whose body is kept (level Request: what was asked, not what was answered). Never Secrets.
WRITTEN = (
    {"group": "stanch.dev", "resources": ["incidents/status"]},
    {"group": "apps", "resources": ["deployments", "statefulsets", "daemonsets"]},
    {"group": "batch", "resources": ["jobs"]},
    {"group": "", "resources": ["configmaps"]},
)

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [
        {
            "level": "None",
            "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}],
            "namespaces": ["kube-node-lease", "kube-system"],
        },
        {"level": "None", "verbs": [*READS, "deletecollection"], "userGroups": [*QUIET_GROUPS]},
        {"level": "None", "verbs": [*READS], "users": [*QUIET_USERS]},
        {"level": "None", "nonResourceURLs": ["*"], "verbs": ["get"]},
        {"level": "None", "verbs": ["watch"]},
        {"level": "Metadata", "userGroups": [*QUIET_GROUPS]},
        {"level": "Request", "verbs": [*WRITES], "resources": [*WRITTEN]},
        {"level": "Metadata"},
    ],
}

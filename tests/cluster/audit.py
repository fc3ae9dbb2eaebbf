"""What API servers write into their audit logs: who did what, also in whose name."""

from __future__ import annotations

# Reads of people and tests are kept, those of the machinery are not.
QUIET_USERS = ("system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy", "system:apiserver")
QUIET_GROUPS = ("system:nodes", "system:serviceaccounts:kube-system")
READS = ("get", "list", "watch")

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {
            "level": "None",
            "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}],
            "namespaces": ["kube-node-lease", "kube-system"],
        },
        {"level": "None", "verbs": [*READS], "userGroups": [*QUIET_GROUPS]},
        {"level": "None", "verbs": [*READS], "users": [*QUIET_USERS]},
        {"level": "None", "nonResourceURLs": ["*"], "verbs": ["get"]},
        {"level": "None", "verbs": ["watch"]},
        {"level": "Metadata"},
    ],
}

"""Who may speak to the API server, and with what: tokens for the node's parts, kubeconfigs.

The parts get the users that a real cluster gives them, so that an audit log or an
admission policy can tell a controller from a person.
"""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path

from ..model import ClusterError
from ..paths import write

CONTROLLER_MANAGER = "system:kube-controller-manager"
SCHEDULER = "system:kube-scheduler"
PROXY = "system:kube-proxy"
ADMIN = "kubernetes-admin"  # the person; kwok uses the certificate of "kwok-admin"


def node_user(node: str) -> str:
    """The user that the Node authorizer knows a kubelet by."""
    return f"system:node:{node}"


def token_file(state: Path, node: str) -> Path:
    """The API server's file of tokens, made once."""
    path = state / "tokens.csv"
    if not path.exists():
        groups = {CONTROLLER_MANAGER: "", SCHEDULER: "", PROXY: "", ADMIN: "system:masters", node_user(node): "system:nodes"}
        write(path, "".join(_row(user, group) for user, group in groups.items()))
    return path


def kubeconfig_path(state: Path, user: str) -> Path:
    """Where the kubeconfig file of one of the cluster's own parts is, or will be."""
    return state / "kubeconfigs" / f"{user.replace(':', '-')}.yaml"


def component_kubeconfig(state: Path, user: str, server: str, authority: Path) -> Path:
    """Write that file; the authority's certificate need not be there yet."""
    path = kubeconfig_path(state, user)
    cluster = {"server": server, "certificate-authority": str(authority)}
    return write(path, kubeconfig("local", cluster, {"token": _token(state, user)}))


def admin_kubeconfig(state: Path, context: str, server: str, authority: Path) -> str:
    """The text of a kubeconfig that needs no other file."""
    cluster = {"server": server, "certificate-authority-data": encoded(authority)}
    return kubeconfig(context, cluster, {"token": _token(state, ADMIN)})


def kubeconfig(context: str, cluster: dict[str, str], user: dict[str, str]) -> str:
    """A kubeconfig of one cluster, one user, one context, as JSON (which is YAML)."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": context,
            "clusters": [{"name": context, "cluster": cluster}],
            "users": [{"name": context, "user": user}],
            "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        },
        indent=1,
    )


def _row(user: str, group: str) -> str:
    return f'{secrets.token_hex(24)},{user},{user},"{group}"\n'


def _token(state: Path, user: str) -> str:
    for line in (state / "tokens.csv").read_text().splitlines():
        token, name, *_ = line.split(",")
        if name == user:
            return token
    raise ClusterError(f"{state / 'tokens.csv'}: no token for {user}; run `down`, then `up`")


def encoded(path: Path) -> str:
    """The file in base64, as kubeconfigs want it."""
    return base64.b64encode(path.read_bytes()).decode()

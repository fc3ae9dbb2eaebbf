"""Which cluster and namespace is meant, by kubectl's rules: --kubeconfig, else $KUBECONFIG, else ~/.kube/config, else in-cluster.

https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stanch.cli.ending import Code, Ending

_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_FLATTEN = "make one file of them: kubectl config view --flatten > FILE, then --kubeconfig FILE"


@dataclass(frozen=True)
class Asked:
    """What the command line says; empty: not given."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""


@dataclass(frozen=True)
class Where:
    """One context of one file, and the namespace. `kubeconfig` empty: the cluster that this process runs in.

    `user`: whom the file says to impersonate; empty: nobody.
    """

    kubeconfig: str
    context: str
    namespace: str
    user: str = ""

    def __str__(self) -> str:
        return f"context {self.context} of {self.kubeconfig}" if self.kubeconfig else "in-cluster configuration"


def locate(asked: Asked, env: Mapping[str, str]) -> Where:
    """Raises `Ending` (Unusable) when nothing, or nothing usable, is configured."""
    files = _files(asked, env)
    if not files and "KUBERNETES_SERVICE_HOST" in env and not asked.context:
        return Where("", "", asked.namespace or _own_namespace())
    if not files:
        raise Ending(
            "no kubeconfig: neither --kubeconfig nor $KUBECONFIG nor ~/.kube/config names a file that is there", Code.Unusable
        )
    configs = {file: _load(file) for file in files}
    context = asked.context or next((str(c["current-context"]) for c in configs.values() if c.get("current-context")), "")
    if not context:
        raise Ending(f"{', '.join(files)}: no current context; name one with --context", Code.Unusable)
    return _found(configs, context, asked.namespace)


def _files(asked: Asked, env: Mapping[str, str]) -> list[str]:
    """An explicitly named file must be there; of the others those count that are."""
    if asked.kubeconfig:
        return [asked.kubeconfig]
    home = str(Path(env.get("HOME", "/")) / ".kube" / "config")
    named = [part for part in env.get("KUBECONFIG", "").split(os.pathsep) if part]
    return [file for file in named or [home] if Path(file).is_file()]


def _load(file: str) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Ending(f"kubeconfig {file} cannot be read: {str(error).splitlines()[0]}", Code.Unusable) from error
    if not isinstance(found, dict):
        raise Ending(f"kubeconfig {file} is not one: expected `kind: Config` with contexts, clusters and users", Code.Unusable)
    return found


def _found(configs: Mapping[str, dict[str, Any]], context: str, namespace: str) -> Where:
    for file, config in configs.items():
        entry = _entry(config, "contexts", context)
        if entry is None:
            continue
        inner = entry.get("context") or {}
        for section, name in (("clusters", inner.get("cluster")), ("users", inner.get("user"))):
            if name and _entry(config, section, name) is None:
                message = f"context {context} of {file} names {name}, which is not among that file's {section}; {_FLATTEN}"
                raise Ending(message, Code.Unusable)
        user = _entry(config, "users", inner.get("user", "")) or {}
        return Where(file, context, namespace or inner.get("namespace") or "default", _impersonated(file, user.get("user") or {}))
    known = sorted(str(entry.get("name")) for config in configs.values() for entry in config.get("contexts") or ())
    said = ", ".join(known[:10]) or "none"
    raise Ending(f"there is no context {context!r} in {', '.join(configs)}; there are: {said}", Code.Unusable)


def _impersonated(file: str, user: Mapping[str, Any]) -> str:
    """Whom kubectl would act as. What cannot be followed here is refused: acting as somebody else than was asked is worse."""
    others = sorted(key for key in user if key.startswith("as-"))
    if others:
        raise Ending(f"{file}: its user impersonates with {', '.join(others)}; stanch follows `as` alone", Code.Unusable)
    return str(user.get("as") or "")


def _entry(config: Mapping[str, Any], section: str, name: str) -> dict[str, Any] | None:
    return next((entry for entry in config.get(section) or () if entry.get("name") == name), None)


def _own_namespace() -> str:
    return _ACCOUNT_NAMESPACE.read_text().strip() if _ACCOUNT_NAMESPACE.is_file() else "default"

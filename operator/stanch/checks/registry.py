"""All kinds of checks, by name. A new one is one module and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from stanch.checks.exec import EXEC
from stanch.checks.http import HTTP
from stanch.checks.job import JOB
from stanch.checks.logs import LOGS
from stanch.checks.object import OBJECT
from stanch.checks.prometheus import PROMETHEUS
from stanch.checks.ready_share import READY_SHARE
from stanch.checks.rollout import ROLLOUT
from stanch.engine.parts import CheckKind


def by_name(*kinds: CheckKind) -> Mapping[str, CheckKind]:
    """Raises ValueError for a name that is taken: the process must not start with one check hiding another."""
    found: dict[str, CheckKind] = {}
    for kind in kinds:
        if found.setdefault(kind.name, kind) is not kind:
            raise ValueError(f"two checks are named {kind.name}")
    return MappingProxyType(found)


CHECKS = by_name(ROLLOUT, READY_SHARE, HTTP, OBJECT, EXEC, LOGS, JOB, PROMETHEUS)

"""What `stanch run` was told: the whole configuration of the operator, in one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from stanch.packs.reach import Reach

# The Lease in the operator's namespace whose holder leads.
LEADER = "stanch-leader"


class LogFormat(StrEnum):
    json = "json"
    console = "console"


@dataclass(frozen=True)
class Settings:
    """`namespaces` empty: all. `packs` is a URL (`s3://bucket/prefix`, `file:///packs`) or a folder, `reach` how it is reached.

    `kubeconfig` empty: the cluster that the process runs in; `context` empty: that file's current one. `operator_namespace`
    is where leases, plans and before-images lie. `workers` incidents are worked on at the same time.
    """

    operator_namespace: str = "stanch-system"
    packs: str = "/var/lib/stanch/packs"
    reach: Reach = field(default_factory=Reach)
    namespaces: tuple[str, ...] = ()
    kubeconfig: str = ""
    context: str = ""
    http_port: int = 8080
    workers: int = 16
    # Borne by one process at a time, for example a pod's UID; empty: made from host name and process id.
    identity: str = ""
    log_format: LogFormat = LogFormat.json

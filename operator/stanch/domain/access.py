"""What a part of stanch needs from RBAC, said by the part itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """One RBAC rule. `names` empty means that RBAC cannot narrow it to names (lists, creates), and `why` says so."""

    verbs: tuple[str, ...]
    group: str
    resource: str
    names: tuple[str, ...] = ()
    why: str = ""

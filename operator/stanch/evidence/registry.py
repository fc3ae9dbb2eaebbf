"""All sources of evidence by name. Adding one: a module with one constant `SOURCE`, and its name in the tuple below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from stanch.engine.parts import SourceKind
from stanch.evidence import config_changes, describe, events, logs, objects, rollout_history


def by_name(kinds: Iterable[SourceKind]) -> Mapping[str, SourceKind]:
    """Raises ValueError when two sources bear the same name."""
    found: dict[str, SourceKind] = {}
    for kind in kinds:
        if kind.name in found:
            raise ValueError(f"two sources of evidence are named {kind.name}: rename one of them")
        found[kind.name] = kind
    return MappingProxyType(found)


SOURCES: Mapping[str, SourceKind] = by_name(
    module.SOURCE for module in (logs, events, describe, objects, rollout_history, config_changes)
)

"""The Decisions that are not recorded yet, by incident. Filled by the watch; primed by one list before the first tick."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from stanch.domain.decision import Decision
from stanch.runtime.queue import Key


@dataclass
class DecisionIndex:
    """By namespace and name of the incident, never by its UID alone: at admission a role was proven in the Decision's own
    namespace, and there it ends. Whether the UID is this incident's is judged, and told, by `engine.decisions`."""

    _open: dict[Key, dict[str, Decision]] = field(default_factory=dict)

    def put(self, decision: Decision) -> None:
        """Takes in a Decision as it is now; a recorded one is forgotten."""
        if decision.recorded:
            self.drop(decision)
        else:
            self._open.setdefault(about(decision), {})[decision.uid] = decision

    def drop(self, decision: Decision) -> None:
        waiting = self._open.get(about(decision), {})
        waiting.pop(decision.uid, None)
        if not waiting:
            self._open.pop(about(decision), None)

    def of(self, incident: Key, *, without: Iterable[str] = ()) -> tuple[Decision, ...]:
        """Unrecorded Decisions that name this incident, except those named by Decision name in `without`."""
        left_out = set(without)
        return tuple(d for d in self._open.get(incident, {}).values() if d.name not in left_out)


def about(decision: Decision) -> Key:
    return decision.namespace, decision.incident

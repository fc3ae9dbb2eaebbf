"""The Decisions that are not recorded yet, by incident. Filled by the watch; primed by one list before the first tick."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from stanch.api import codec
from stanch.domain.decision import Decision
from stanch.engine.errors import Refused
from stanch.engine.ports import Object
from stanch.runtime.queue import Key

log = structlog.get_logger()

# UIDs of those recorded last that are remembered: more than a list or a watch is ever behind.
RECORDED = 4096


@dataclass
class DecisionIndex:
    """By namespace and name of the incident, never by its UID alone: at admission a role was proven in the Decision's own
    namespace, and there it ends. Whether the UID is this incident's is judged, and told, by `engine.decisions`."""

    _open: dict[Key, dict[str, Decision]] = field(default_factory=dict)
    _recorded: dict[str, None] = field(default_factory=dict)

    def put(self, decision: Decision) -> None:
        """Takes in a Decision as it is now; a recorded one is forgotten. What shows it as it was before comes late."""
        if decision.recorded:
            self.drop(decision)
            self._recorded[decision.uid] = None
            if len(self._recorded) > RECORDED:
                del self._recorded[next(iter(self._recorded))]
        elif decision.uid not in self._recorded:
            self._open.setdefault(about(decision), {})[decision.uid] = decision

    def knows(self, decision: Decision) -> bool:
        return decision.uid in self._open.get(about(decision), {})

    def drop(self, decision: Decision) -> None:
        waiting = self._open.get(about(decision), {})
        waiting.pop(decision.uid, None)
        if not waiting:
            self._open.pop(about(decision), None)

    def of(self, incident: Key) -> tuple[Decision, ...]:
        """Unrecorded Decisions that name this incident."""
        return tuple(self._open.get(incident, {}).values())


def about(decision: Decision) -> Key:
    return decision.namespace, decision.incident


def legible(obj: Object) -> Decision | None:
    """None for one that this version cannot read (a later one's): it must not keep the operator from all others."""
    try:
        return codec.decision_of(obj)
    except Refused as failure:
        log.error("decision.illegible", reason=failure.reason, message=failure.message)
        return None

"""The Decisions that are not recorded yet, by incident. Filled by the watch; primed by one list before the first tick."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from stanch.domain.decision import Decision


@dataclass
class DecisionIndex:
    _open: dict[str, dict[str, Decision]] = field(default_factory=dict)

    def put(self, decision: Decision) -> None:
        """Takes in a Decision as it is now; a recorded one is forgotten."""
        if decision.recorded:
            self.drop(decision)
        else:
            self._open.setdefault(decision.incident_uid, {})[decision.uid] = decision

    def drop(self, decision: Decision) -> None:
        waiting = self._open.get(decision.incident_uid, {})
        waiting.pop(decision.uid, None)
        if not waiting:
            self._open.pop(decision.incident_uid, None)

    def of(self, incident_uid: str, *, without: Iterable[str] = ()) -> tuple[Decision, ...]:
        """Unrecorded Decisions of one incident, except those named by Decision name in `without`."""
        left_out = set(without)
        return tuple(d for d in self._open.get(incident_uid, {}).values() if d.name not in left_out)

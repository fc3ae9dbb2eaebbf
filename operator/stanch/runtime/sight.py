"""Whether guards may judge by what all incidents do and did: each was looked at, and can be read."""

from __future__ import annotations

from dataclasses import dataclass, field

from stanch.api import codec
from stanch.engine.availability import Unknown
from stanch.engine.errors import Refused
from stanch.engine.ports import Object
from stanch.runtime.queue import Key


@dataclass
class Sight:
    """`complete`: every Incident was looked at since the start; before that, nobody can say what they do. `illegible`: those that
    cannot be read, and why: what they do nobody can say either."""

    complete: bool = False
    illegible: dict[Key, str] = field(default_factory=dict)

    def lacks(self) -> Unknown | None:
        """None: everything is known. The same one is named until it is gone: each change of that is a write of all that wait."""
        if not self.complete:
            return Unknown("not every incident was looked at since the operator's start", lifts="the end of that look")
        if not self.illegible:
            return None
        key = min(self.illegible)
        more = f" (and {len(self.illegible) - 1} more that cannot be read)" if len(self.illegible) > 1 else ""
        lifts = f"a version of stanch that can read it, or the deletion of incident {'/'.join(key)}"
        return Unknown(f"{self.illegible[key]}{more}", lifts=lifts)


def legible(incident: Object) -> bool:
    try:
        codec.facts_of(incident)
        codec.status_of(incident)
    except Refused:
        return False
    return True

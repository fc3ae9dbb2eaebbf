"""What is late: changes that should have been taken back by now, incidents that nobody has taken on or that are not mitigated, and
approvals and options that go on after their deadline.

Counted from what the watch tells, when somebody asks: a tick that hangs or fails keeps none of it from being seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from stanch.domain.incident import OPEN_REVERTS, SETTLED, Phase
from stanch.engine.outcomes import FROZEN
from stanch.engine.ports import Clock, Object
from stanch.runtime.metrics import Metrics
from stanch.runtime.queue import Key
from stanch.runtime.sweeper import key_of


@dataclass
class Overdue:
    clock: Clock
    metrics: Metrics
    _reverts: dict[Key, tuple[datetime, ...]] = field(default_factory=dict)
    _deadlines: dict[Key, tuple[datetime, ...]] = field(default_factory=dict)
    _unheeded: dict[Key, tuple[datetime, ...]] = field(default_factory=dict)
    _unrestored: dict[Key, tuple[datetime, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.metrics.overdue_reverts.set_function(lambda: self._over(self._reverts))
        self.metrics.unheeded.set_function(lambda: self._over(self._unheeded))
        self.metrics.unrestored.set_function(lambda: self._over(self._unrestored))
        self.metrics.missed_deadlines.set_function(lambda: self._over(self._deadlines))

    def told(self, obj: Object, *, gone: bool = False) -> None:
        """The watch told about this Incident."""
        status = {} if gone else obj.get("status") or {}
        note(self._reverts, key_of(obj), reverts(status))
        note(self._unheeded, key_of(obj), unheeded(status))
        note(self._unrestored, key_of(obj), unrestored(status))
        note(self._deadlines, key_of(obj), deadlines(status))

    def _over(self, known: dict[Key, tuple[datetime, ...]]) -> int:
        # Of who knows no Incident the clock may not know the time yet.
        return sum(at < self.clock.now() for times in known.values() for at in times)


def note(known: dict[Key, tuple[datetime, ...]], key: Key, times: tuple[datetime, ...]) -> None:
    if times:
        known[key] = times
    else:
        known.pop(key, None)


def reverts(status: Object) -> tuple[datetime, ...]:
    """When what is owed should be taken back; what waits for a person or for another try is owed, too. Who is given back last is
    not late while there is something to come before it."""
    owed = [record for record in status.get("reverts", ()) if record["state"] in OPEN_REVERTS]
    early = status.get("phase") == Phase.Mitigating or any(not record.get("last") for record in owed)
    timed = [record for record in owed if "dueAt" in record and not (early and record.get("last"))]
    return tuple(datetime.fromisoformat(record["dueAt"]) for record in timed)


def unheeded(status: Object) -> tuple[datetime, ...]:
    """By when somebody should have taken it on, while nobody has."""
    over = "acknowledged" in status or "acknowledgeBy" not in status or status["phase"] in SETTLED
    return () if over else (datetime.fromisoformat(status["acknowledgeBy"]),)


def unrestored(status: Object) -> tuple[datetime, ...]:
    """By when it should have been mitigated, while it is not."""
    over = "restoredAt" in status or "restoreBy" not in status or status["phase"] in SETTLED
    return () if over else (datetime.fromisoformat(status["restoreBy"]),)


def deadlines(status: Object) -> tuple[datetime, ...]:
    """Of an approval or an option under way; a freeze or a Hold stops it, and gives the option its time anew."""
    if "deadline" not in status or status.get("reason") == FROZEN or "held" in status:
        return ()
    return (datetime.fromisoformat(status["deadline"]),)

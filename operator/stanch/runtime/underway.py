"""The incidents that are being mitigated, by policy: known from what is stored of them, without a request of their own.

Filled by one list before the first tick, then by what this process reads and stores of each incident as it works on it. Nobody
else writes their status, and one incident is worked on by one worker at a time: what stands here is what stands in the cluster.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stanch.domain.incident import Phase, Status
from stanch.engine.figures import Underway
from stanch.runtime.queue import Key

MITIGATED = frozenset({Phase.Mitigating, Phase.Verifying, Phase.Holding})


@dataclass
class UnderwayIndex:
    _policies: dict[Key, str] = field(default_factory=dict)

    def told(self, incident: Key, status: Status) -> None:
        """How it stands in the cluster. What was begun in vain, with no intent stored for it, is given back by this."""
        if status.policy and mitigated(status):
            self._policies[incident] = status.policy.name
        else:
            self.forget(incident)

    def begin(self, incident: Key, policy: str) -> None:
        """It is about to store an intent: counted from this moment, so that two do not take the last place at once."""
        self._policies[incident] = policy

    def forget(self, incident: Key) -> None:
        self._policies.pop(incident, None)

    def beside(self, incident: Key, policy: str) -> Underway:
        mine = self._policies.get(incident) == policy
        return Underway(sum(name == policy for name in self._policies.values()) - mine, mine)


def mitigated(status: Status) -> bool:
    """Whether its option has begun to change something, and is not over."""
    return status.phase in MITIGATED and any(step.intended_at for step in status.steps)

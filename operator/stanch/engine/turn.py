"""The workbench of one `decide` call: the status as it becomes, and the lines that it adds to the timeline.

It lives only inside `decide`; from outside, `decide` is a pure function.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from stanch.domain.incident import ChangeRecord, OptionRecord, Phase, StepRecord
from stanch.domain.plan import Option, Plan, Ref, Step
from stanch.domain.timeline import Entry, File, Line
from stanch.engine.chain import link
from stanch.engine.changes import end_of, noted
from stanch.engine.moves import Effect, Move, Snapshot
from stanch.engine.outcomes import Denied, Later
from stanch.engine.parts import Value
from stanch.engine.transitions import Event, after
from stanch.engine.vouching import bars

T = TypeVar("T")
MESSAGE = 1024


def clip(text: str, limit: int = MESSAGE) -> str:
    """`text` within `limit` characters, saying so where it was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def spelled(value: Value | None) -> str:
    """A measured value as a status holds it: booleans as CEL spells them, nothing as nothing, long texts cut."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else clip(str(value), 253)


class Turn:
    def __init__(self, snapshot: Snapshot, now: datetime) -> None:
        self.facts = snapshot.facts
        self.decisions = snapshot.decisions
        self.epoch = snapshot.epoch
        self.trust = snapshot.trust
        self.marks = snapshot.marks
        self.crowd = snapshot.crowd
        # Why nothing may be planned.
        self.barred = bars(snapshot.lapses)
        self.now = now
        self.before = snapshot.status
        self.status = snapshot.status
        self.entries: list[Entry] = []
        self._plan = snapshot.plan
        self._effect = snapshot.effect
        self._outcome = snapshot.outcome

    @property
    def plan(self) -> Plan:
        if self._plan is None:
            raise LookupError("the plan is asked for in a phase that has none")
        return self._plan

    @property
    def has_plan(self) -> bool:
        return self._plan is not None

    def adopt(self, plan: Plan) -> None:
        self._plan = plan

    def take(self, of: type[Effect], *kinds: type[T]) -> T | None:
        """The outcome of an effect of type `of`, once, when it is of one of these kinds."""
        if not isinstance(self._effect, of) or not isinstance(self._outcome, kinds):
            return None
        outcome, self._outcome = self._outcome, None
        return outcome

    @property
    def effect(self) -> Effect | None:
        """The effect that has an outcome which nobody has taken yet."""
        return self._effect if self._outcome is not None else None

    def set(self, **changes: Any) -> None:
        self.status = replace(self.status, **changes)

    def say(self, key: str, action: str, *, expectation: str = "", result: str = "", next: str = "", actor: str = "stanch",
            files: tuple[File, ...] = ()) -> None:  # fmt: skip
        """Adds a line to the timeline."""
        line = Line(key, actor, clip(action), clip(expectation), clip(result), clip(next), files)
        entry = link(self.status.pack.head, line, self.now)
        self.entries.append(entry)
        head = replace(self.status.pack.head, seq=entry.seq, hash=entry.hash)
        self.set(pack=replace(self.status.pack, head=head))

    def go(self, event: Event, reason: str, message: str, *, waits_for: str = "", deadline: datetime | None = None) -> None:
        """Moves to the next phase; what was waited for in the old one is forgotten."""
        phase = after(self.status.phase, event)
        self.set(phase=phase, phase_since=self.now, reason=reason, message=clip(message), waits_for=clip(waits_for, 253),
                 deadline=deadline, hold_until=None)  # fmt: skip

    def move(self, effect: Effect | None = None, wake_in: timedelta | None = None) -> Move:
        """Ends the turn. A status that differs in its wake time alone is not worth a write."""
        wake_at = self.now + wake_in if wake_in is not None else None
        if self.status == self.before:
            return Move(self.before, effect, wake_at)
        pack = replace(self.status.pack, pending=tuple(self.entries))
        status = replace(self.status, pack=pack, wake_at=wake_at)
        return Move(status, effect, wake_at)

    @staticmethod
    def after(outcome: Later | Denied) -> timedelta:
        """How long to wait before the same effect is tried again."""
        return timedelta(seconds=outcome.after if isinstance(outcome, Later) else 30)

    # What the phases look up again and again.

    @property
    def severity(self) -> str:
        """As a person classified it, also in this turn; else as it was opened."""
        return self.status.classified.severity if self.status.classified else self.facts.severity

    @property
    def option(self) -> Option:
        return self.plan.option(self.status.option)

    def about(self, step: Step) -> str:
        """What a step is about, for a person: its target, where it has one."""
        return str(self.plan.target(step.target)) if step.target else self.facts.namespace

    def ref(self, step: Step) -> Ref | None:
        return self.plan.target(step.target) if step.target else None

    @property
    def option_record(self) -> OptionRecord:
        return next(record for record in self.status.options if record.name == self.status.option)

    def close_option(self, record: OptionRecord) -> None:
        """Replaces (or adds) the record of one option."""
        others = tuple(other for other in self.status.options if other.name != record.name)
        self.set(options=(*others, record))

    def step_record(self, name: str) -> StepRecord | None:
        matches = (r for r in self.status.steps if r.option == self.status.option and r.name == name)
        return next(matches, None)

    def put_step(self, record: StepRecord) -> None:
        """Replaces (or adds) the record of one step."""
        others = tuple(o for o in self.status.steps if (o.option, o.name) != (record.option, record.name))
        self.set(steps=(*others, record))

    def key(self, *parts: str) -> str:
        """A timeline key of this attempt."""
        return "/".join((str(self.status.attempt), *parts))

    def changed(self, token: str, ref: Ref | None) -> None:
        """Something was changed until now, or is about to be."""
        record = ChangeRecord(token, ref.uid, self.now, ref.kind, ref.name) if ref else ChangeRecord(token, at=self.now)
        self.set(changes=noted(self.status.changes, record, self.now))

    def anew(self, *, resumed: bool = False) -> None:
        """Another attempt: planned from the beginning, on what there is then. What is owed stays owed, and how it ended before
        (its phase is another one by now) is known for as long as this one changes nothing."""
        self.set(attempt=self.status.attempt + 1, ended=end_of(self.before), resumed=resumed, plan_digest="", diagnosed=False,
                 recovery=None, recovery_since=None, watch_until=None, close_granted=False)  # fmt: skip

    def in_phase(self, *phases: Phase) -> bool:
        return self.status.phase in phases

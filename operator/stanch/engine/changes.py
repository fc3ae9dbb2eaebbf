"""What an incident changed and what came of it, as its status keeps it: within bounds, and so that guards of others never take it
for less than it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from stanch.domain.incident import CHANGES, SETTLED, ChangeRecord, EndRecord, OptionState, Phase, Status

# The target of changes whose objects are named no more: it may have been any.
ANY = "*"
# The furthest that a policy lets a guard look back.
LONGEST = timedelta(days=1)
ENDED = SETTLED | {Phase.Mitigated, Phase.Escalated}
UNHELPFUL = frozenset({OptionState.Failed, OptionState.Denied, OptionState.Inconclusive})

Changes = tuple[ChangeRecord, ...]


def noted(changes: Changes, change: ChangeRecord, now: datetime) -> Changes:
    """With this one as the latest; what was known of the same write it replaces."""
    every = (*(other for other in changes if other.token != change.token), change)
    if len(every) <= CHANGES:
        return every
    return fewer(tuple(one for one in every if one.at and one.at > now - LONGEST), CHANGES)


def fewer(changes: Changes, most: int) -> Changes:
    while len(changes) > most:
        changes = folded(changes)
    return changes


def folded(changes: Changes) -> Changes:
    """One fewer: the first that has a later one of the same object counts as of that. Where each is of another object, the first
    two become one of any."""
    for place, early in enumerate(changes):
        for after, late in enumerate(changes[place + 1 :], place + 1):
            if late.target == early.target:
                return (*changes[:place], *changes[place + 1 : after], together(early, late), *changes[after + 1 :])
    return (replace(together(*changes[:2]), token="", target=ANY, kind="", name=""), *changes[2:])


def together(early: ChangeRecord, late: ChangeRecord) -> ChangeRecord:
    """The later time, whichever has it: the clock may have been set back."""
    at = max((one.at for one in (early, late) if one.at), default=None)
    return replace(late, at=at, count=early.count + late.count)


def end_of(status: Status) -> EndRecord | None:
    """Of this attempt, or else of the latest before it. None: nothing was changed of which one could say whether it helped."""
    at = max((record.written_at for record in status.steps if record.written_at), default=None)
    tried = [record.state for record in status.options if record.state is not OptionState.Skipped]
    if at is None or not tried or status.phase not in ENDED or status.playbook is None:
        return status.ended
    helped = tried[-1] is OptionState.Confirmed
    return EndRecord(status.playbook, at, helped) if helped or tried[-1] in UNHELPFUL else status.ended

"""Guards on the pace of what stanch does by itself: each judges by what incidents did until now.

What a person said yes to (an option that was approved or let run by a broken glass, an incident that was resumed) they let
pass, and an option that has begun goes on: to stop in the middle helps nobody.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timedelta

from stanch.domain.duration import spell
from stanch.engine.availability import Unknown
from stanch.engine.figures import Block, Input

HOUR = timedelta(hours=1)
PERSON = "a person's Resume once it is Escalated, or an approval where the option asks for one"


def cooldown(seen: Input) -> Block | None:
    rest = seen.limits.cooldown
    if seen.attended or not rest:
        return None
    limit = f"ResponsePolicy {seen.limits.policy} wants {spell(rest)} between the changes of two incidents"
    if isinstance(seen.past, Unknown):
        return unknown("Cooldown", seen.past, limit)
    touched = seen.past.touched
    if touched is None or touched.at + rest <= seen.now:
        return None
    what = seen.target if touched.named else f"more objects than its status names ({seen.target} may be one), the last"
    figure = f"incident {touched.by} changed {what} at {touched.at:%Y-%m-%d %H:%M:%S} UTC"
    return timed("Cooldown", figure, limit, touched.at + rest)


def consecutive_failures(seen: Input) -> Block | None:
    most = seen.limits.consecutive_failures
    limit = f"after {most} ResponsePolicy {seen.limits.policy} lets it change nothing by itself"
    if seen.attended:
        return None
    if isinstance(seen.past, Unknown):
        return unknown("ConsecutiveFailures", seen.past, limit)
    if seen.past.failures < most:
        return None
    figure = f"incidents in a row that this playbook did not help: {seen.past.failures}"
    return Block("ConsecutiveFailures", figure, limit, f"{PERSON}; for all by one that helps, or by another playbook", people=True)


def storm(seen: Input) -> Block | None:
    """Evidence is captured all the same: it is asked when something is about to be changed."""
    most, within = seen.limits.storm_incidents, seen.limits.storm_within
    limit = f"from {most + 1} on ResponsePolicy {seen.limits.policy} lets nothing be changed without a person"
    if seen.attended:
        return None
    if isinstance(seen.past, Unknown):
        return unknown("Storm", seen.past, limit)
    opened = since(seen.past.opened, seen.now - within)
    if len(opened) <= most:
        return None
    return timed("Storm", f"incidents opened within {spell(within)}: {len(opened)}", limit, opened[-most - 1] + within)


def change_budget(seen: Input) -> Block | None:
    most = seen.limits.changes_per_hour
    limit = f"ResponsePolicy {seen.limits.policy} lets {most} be made"
    if seen.attended:
        return None
    if isinstance(seen.past, Unknown):
        return unknown("ChangeBudget", seen.past, limit)
    made = since(seen.past.changes, seen.now - HOUR)
    if len(made) < most:
        return None
    return timed("ChangeBudget", f"changes within the last hour: {len(made)}", limit, made[-most] + HOUR)


def since(times: tuple[datetime, ...], begin: datetime) -> tuple[datetime, ...]:
    return times[bisect_right(times, begin) :]


def timed(guard: str, figure: str, limit: str, until: datetime) -> Block:
    """The figures that change each second are not said: that would be a write of every incident that waits."""
    return Block(guard, figure, limit, f"time, at {until:%Y-%m-%d %H:%M:%S} UTC, or {PERSON}", until)


def unknown(guard: str, past: Unknown, limit: str) -> Block:
    return Block(guard, f"what incidents did until now is unknown: {past.why}", limit, past.lifts or PERSON)

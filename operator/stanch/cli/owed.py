"""What is still to be taken back, as a part of the picture of an incident: the next one first, with its countdown."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.text import Text
from rich.tree import Tree

from stanch.cli.marks import marked
from stanch.cli.output import ago
from stanch.domain.incident import OPEN_REVERTS, RevertRecord, RevertState, Status
from stanch.packs.render import printable

# Sorts what has no time behind what has.
NEVER = datetime.max.replace(tzinfo=UTC)
STUCK = frozenset({RevertState.Conflict, RevertState.Blocked})


def opened(status: Status) -> list[RevertRecord]:
    """By time; those without one last."""
    found = [record for record in status.reverts if record.state in OPEN_REVERTS]
    return sorted(found, key=lambda record: record.due_at or NEVER)


def owed_row(status: Status, now: datetime) -> Text | None:
    """How many, when the next one is due, how many need a person."""
    found = opened(status)
    if not found:
        return None
    text = Text(f"{len(found)} open" + (f", the next one {countdown(found[0], now)}" if found[0].due_at else ""))
    if stuck := sum(record.state in STUCK for record in found):
        text.append(f"; {stuck} cannot be taken back as things are", style="bold red")
    return text


def owed_tree(status: Status, now: datetime, limit: int) -> Tree:
    """One line for each of the first `limit`; what was left out is said."""
    tree, found = Tree(Text("To be taken back, next first", style="bold"), guide_style="dim"), opened(status)
    for record in found[:limit]:
        text = Text.assemble(marked(record.state), f"  {printable(f'{record.option}/{record.step}')}  {record.ref}")
        text.append(f"  {countdown(record, now)}", style="dim")
        tree.add(text.append(f"  {printable(record.message)}") if record.message else text)
    if hidden := found[limit:]:
        tree.add(Text(f"… {len(hidden)} more: stanch reverts", style="dim"))
    return tree


def countdown(record: RevertRecord, now: datetime) -> str:
    if record.due_at is None:
        return "on recovery" if record.on_recovery else "when asked"
    if record.due_at <= now:
        return f"due since {ago(now - record.due_at, exactly=True)}"
    return f"in {ago(record.due_at - now, exactly=True)}, at {record.due_at:%H:%M:%S} UTC"


def settled_line(record: RevertRecord) -> Text:
    text = Text.assemble(marked(record.state), f"  revert of step {printable(record.step)}")
    if record.done_at:
        text.append(f"  {record.done_at:%H:%M:%S}", style="dim")
    return text.append(f"  {printable(record.message)}") if record.message else text

"""An incident as a picture for a terminal: facts and status in, a rich renderable out. Pure.

What is newest stands first: the phase, then the option under way, below it what was tried before. Where the height does not
hold all of it, the oldest options go first, then the reverts that are due last, and what was left out is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from stanch.cli.marks import marked
from stanch.cli.output import ago, size
from stanch.cli.owed import owed_row, owed_tree, settled_line
from stanch.domain.incident import (
    OPEN_REVERTS,
    SETTLED,
    CheckRecord,
    Facts,
    OptionRecord,
    Phase,
    RecoveryStage,
    Status,
    StepRecord,
    StepState,
)
from stanch.engine import restoring
from stanch.engine.triage import how_late
from stanch.packs.render import printable

ALL = 1000
# Reverts of a picture that must fit a height, before and after the oldest options are left out.
FEW_REVERTS = 5
# Evidence lists up to 16 missing things; the picture names these, the pack has all.
MISSING = 3
# `sha256:` and twelve digits tell plans apart; `stanch plan` shows all of them.
DIGEST = 19


def picture(facts: Facts, status: Status, now: datetime, width: int, limit: int = ALL, reverts: int = ALL) -> RenderableType:
    """At most `limit` options, the newest ones, and `reverts` open reverts. `width` is that of the terminal, in columns."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.width = width
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    for name, value in rows(facts, status, now):
        table.add_row(name, value)
    tree = Tree(Text("What was done, newest first", style="bold"), guide_style="dim")
    branches(tree, status, now, limit)
    trees = (owed_tree(status, now, reverts), tree)
    return Group(headline(facts, status), table, *(tree for tree in trees if tree.children))


def fitting(facts: Facts, status: Status, now: datetime, width: int, height: int, limit: int = ALL) -> RenderableType:
    """The picture with as many options as `height` lines hold; where not even one fits, its first lines."""
    most = min(limit, len(status.options))
    fewer = [(options, FEW_REVERTS) for options in range(most, 0, -1)]
    for options, reverts in ((most, ALL), *fewer, (min(most, 1), 1)):
        drawn = picture(facts, status, now, width, options, reverts)
        if lines_of(drawn, width) <= height:
            return drawn
    return picture(facts, status, now, width, min(limit, 1), 1)


def lines_of(drawn: RenderableType, width: int) -> int:
    console = Console(width=width, color_system=None, markup=False)
    return len(console.render_lines(drawn, pad=False))


def headline(facts: Facts, status: Status) -> Text:
    mode = "" if facts.mode == "Live" else f"  {facts.mode}"
    name = Text(f"  {printable(facts.severity)}  {facts.namespace}/{facts.name}{mode}", style="bold")
    return Text.assemble(marked(status.phase), name)


def rows(facts: Facts, status: Status, now: datetime) -> Iterator[tuple[str, Text]]:
    yield "Title", shown(facts.title)
    if status.message:
        yield "Now", shown(status.message)
    if status.waits_for:
        yield "Waits for", shown(status.waits_for, style="bold yellow")
    if left := remaining(status, now):
        yield "Time", shown(left)
    if stage := recovery(status, now):
        yield "Recovery", shown(stage)
    for glass in status.broken_glass:
        yield "Glass broken", shown(str(glass), "bold red")
    if owed := owed_row(status, now):
        yield "Reverts", owed
    yield "Opened", shown(f"{facts.created_at:%Y-%m-%d %H:%M:%S} UTC, {ago(now - facts.created_at)} ago, by {facts.opened_by}")
    if status.roles:
        yield "Roles", shown(", ".join(f"{record.role} {record.assignee}" for record in status.roles))
    if acknowledged := taken_on(status, now):
        yield "Taken on", acknowledged
    if mitigated := restored(status, now):
        yield "Mitigated", mitigated
    if (said := status.classified) is not None:
        was = f"was {said.was}" if said.was != said.severity else "confirmed"
        yield "Severity", shown(f"{said.severity}, {was}, says {said.by}")
    if status.playbook:
        account = f", as {status.service_account.name}" if status.service_account else ""
        yield "Playbook", shown(f"{status.playbook.name} (generation {status.playbook.generation}{account})")
    if status.plan_digest:
        attempt = f", attempt {status.attempt}" if status.attempt > 1 else ""
        yield "Plan", shown(f"{status.plan_digest[:DIGEST]}…{attempt}")
    if status.targets:
        yield "Targets", shown(", ".join(str(target.ref) for target in status.targets))
    yield from pack_rows(status)


def taken_on(status: Status, now: datetime) -> Text | None:
    """Who has it; else until when somebody must. None: nothing is to be said."""
    taken, due = status.acknowledged, status.acknowledge_by
    if taken:
        return shown(f"by {taken.by}, {ago(now - taken.at)} ago{how_late(status)}")
    if status.phase in SETTLED or due is None:
        return None
    over = now > due
    return shown(f"by nobody, due {ago(abs(now - due))} {'ago' if over else 'from now'}", "bold red" if over else "yellow")


def restored(status: Status, now: datetime) -> Text | None:
    """Since when it is mitigated; else until when it must be. None: nothing is to be said."""
    at, by = status.restored_at, status.restore_by
    if by is None or (at is None and status.phase in SETTLED):
        return None
    if at:
        return shown(f"{ago(now - at)} ago{restoring.how_late(status)}")
    over = now > by
    return shown(f"not yet, due {ago(abs(now - by))} {'ago' if over else 'from now'}", "bold red" if over else "yellow")


def pack_rows(status: Status) -> Iterator[tuple[str, Text]]:
    yield "Evidence", evidence(status)
    if status.pack.uri:
        sealed = f", sealed up to {status.pack.sealed}" if status.pack.sealed else ""
        yield "Pack", shown(f"{status.pack.uri} ({status.pack.head.seq} entries{sealed})")


def evidence(status: Status) -> Text:
    got = status.evidence
    if not got.captures:
        return Text("nothing captured yet", style="dim")
    captures = f", {got.captures} captures" if got.captures > 1 else ""
    text = Text(f"{got.files} files, {size(got.bytes)}{captures}")
    if got.missing_count:
        more = f" and {got.missing_count - MISSING} more" if got.missing_count > MISSING else ""
        named = "; ".join(got.missing[:MISSING])
        text.append(f"; {got.missing_count} missing: {printable(named)}{more}", style="yellow")
    return text


def remaining(status: Status, now: datetime) -> str:
    """How long the phase lasts yet. The end of a hold, or of a person's time to answer, counts before the option's."""
    if status.phase is Phase.Holding and status.hold_until:
        return f"must hold for another {ago(status.hold_until - now, exactly=True)}"
    end = status.waits_until or status.deadline
    if end and end > now:
        return f"{ago(end - now, exactly=True)} left, until {end:%H:%M:%S} UTC"
    return f"was due at {end:%H:%M:%S} UTC, {ago(now - end)} ago" if end else ""


def recovery(status: Status, now: datetime) -> str:
    """How far it has come, and until when a relapse reopens the incident; empty before it, and when all of that is over."""
    watched = status.watch_until if status.watch_until and status.watch_until > now else None
    if status.recovery is None or (status.recovery is RecoveryStage.Done and not watched):
        return ""
    since = f", for {ago(now - status.recovery_since)}" if status.recovery_since else ""
    until = f"; a relapse reopens it for another {ago(watched - now, exactly=True)}" if watched else ""
    return f"{status.recovery}{since}{until}"


def branches(tree: Tree, status: Status, now: datetime, limit: int) -> None:
    newest = newest_first(status)
    for record in newest[:limit]:
        draw_option(tree, record, status, now)
    if hidden := newest[limit:]:
        tree.add(Text(f"… {len(hidden)} earlier options: {', '.join(record.name for record in hidden)}", style="dim"))


def newest_first(status: Status) -> list[OptionRecord]:
    """The option under way, then the others, the one tried last before the one tried first."""
    return sorted(reversed(status.options), key=lambda record: record.name != status.option)


def draw_option(tree: Tree, record: OptionRecord, status: Status, now: datetime) -> None:
    current = record.name == status.option
    awaited = current and status.phase is Phase.AwaitingApproval
    branch = tree.add(line(record, f"option {record.name}", started(record, now), status.phase if awaited else record.state))
    if current:
        for check in status.checks:
            branch.add(check_line(check))
    for step in reversed([step for step in status.steps if step.option == record.name]):
        branch.add(step_line(step, now))
        for revert in [found for found in status.reverts if (found.option, found.step) == (step.option, step.name)]:
            if revert.state not in OPEN_REVERTS:
                branch.add(settled_line(revert))
    for approval in reversed([approval for approval in status.approvals if approval.option == record.name]):
        branch.add(shown(f"approved by {approval.by} as {approval.role} at {approval.at:%H:%M:%S} ({approval.decision})"))


def started(record: OptionRecord, now: datetime) -> str:
    return f"{ago(now - record.started_at)} ago" if record.started_at else ""


def line(record: OptionRecord | StepRecord, name: str, when: str, state: StrEnum) -> Text:
    text = Text.assemble(marked(state), f"  {name}")
    if when:
        text.append(f"  {when}", style="dim")
    return text.append(f"  {printable(record.message)}") if record.message else text


def step_line(step: StepRecord, now: datetime) -> Text:
    at = step.done_at or step.intended_at
    attempts = f" (attempt {step.attempts})" if step.attempts > 1 else ""
    return line(step, f"step {step.name}{attempts}", f"{at:%H:%M:%S}{waiting(step, now)}" if at else "", step.state)


def waiting(step: StepRecord, now: datetime) -> str:
    """How long a step that is not over waits already, and how long its smoke checks must hold yet."""
    if step.state not in (StepState.Waiting, StepState.Indeterminate) or not step.intended_at:
        return ""
    hold = f", smoke checks must hold for another {ago(step.hold_until - now, exactly=True)}" if step.hold_until else ""
    return f", for {ago(now - step.intended_at)}{hold}"


def check_line(check: CheckRecord) -> Text:
    text = Text.assemble(marked(check.verdict), f"  check {check.name}")
    if check.message:
        text.append(f"  {printable(check.message)}")
    if check.baseline:
        text.append(f"  (before: {check.baseline})", style="dim")
    return text


def shown(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style)

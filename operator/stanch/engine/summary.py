"""Conditions of an Incident as kstatus reads them (Ready, Reconciling, Stalled), and stanch's own."""

from __future__ import annotations

from datetime import datetime

from stanch.domain.conditions import Condition, merge
from stanch.domain.incident import SETTLED, Phase, RevertState, Status
from stanch.engine import restoring
from stanch.engine.guards import NAMES
from stanch.engine.triage import how_late
from stanch.engine.turn import MESSAGE, clip
from stanch.engine.vouching import Lapse, NotVouched, Trust

TRUSTED = "DecisionsTrusted"
ADMISSION = "AdmissionTrusted"
PACK_UNAVAILABLE = "PackUnavailable"
STALLED = frozenset({Phase.Waiting, Phase.Escalated, Phase.Failed})


def conditions(
    status: Status, generation: int, now: datetime, trust: Trust, store_error: str = "", lapses: tuple[Lapse, ...] = ()
) -> tuple[Condition, ...]:
    """The conditions that follow from `status`, with transition times kept where nothing changed."""
    stalled = status.phase in STALLED or bool(store_error) or status.reason == PACK_UNAVAILABLE
    settled = status.phase in SETTLED

    def condition(kind: str, value: bool, reason: str, message: str) -> Condition:
        return Condition(kind, "True" if value else "False", reason, message, generation)

    reason = PACK_UNAVAILABLE if store_error else status.reason or str(status.phase)
    message = store_error or sentence(status)
    new = (
        condition("Ready", settled and not stalled, reason, message),
        condition("Reconciling", not settled and not stalled, str(status.phase), message),
        condition("Stalled", stalled, reason, message),
        evidence(status, condition),
        reverts(status, condition),
        decisions(trust, condition),
        admission(lapses, condition),
        blocked(status, condition),
        acknowledged(status, condition),
        restored(status, condition),
        held(status, condition),
        glass(status, condition),
        postmortem(status, condition),
        condition("Mitigated", status.phase in restoring.HELPED, str(status.phase), status.option),
    )
    return merge(status.conditions, new, now)


def sentence(status: Status) -> str:
    """What happened, and last, never cut, who is waited for and until when."""
    until = f" until {status.waits_until:%Y-%m-%d %H:%M:%S} UTC" if status.waits_until else ""
    waits = f"; waits for {status.waits_for}{until}" if status.waits_for else ""
    return clip(status.message, MESSAGE - len(waits)) + waits


def reverts(status: Status, condition) -> Condition:
    """RevertConflict is True where a person must settle what could not be taken back (design, invariant 4)."""
    stuck = [r for r in status.reverts if r.state in (RevertState.Conflict, RevertState.Blocked)]
    message = "; ".join(f"{r.option}/{r.step} on {r.ref}: {r.message}" for r in stuck)
    return condition("RevertConflict", bool(stuck), str(stuck[0].state) if stuck else "None", clip(message))


def blocked(status: Status, condition) -> Condition:
    """Whether a guard holds a step up; then its reason is the guard's name."""
    held = status.reason in NAMES
    return condition("Blocked", held, status.reason if held else "None", status.message if held else "")


def acknowledged(status: Status, condition) -> Condition:
    """Whether somebody has taken it on, and whether in time."""
    taken, due = status.acknowledged, status.acknowledge_by
    until = f"by {due:%Y-%m-%d %H:%M:%S} UTC" if due else "at no set time"
    if taken is None:
        return condition("Acknowledged", False, "Overdue" if status.unheeded else "Awaited", f"Somebody must take it on {until}")
    late = how_late(status)
    return condition("Acknowledged", True, "Late" if late else "InTime", f"{taken.by} took it on{late}; due {until}")


def restored(status: Status, condition) -> Condition:
    """Whether it is mitigated, and whether in time (RTO)."""
    by = f"by {status.restore_by:%Y-%m-%d %H:%M:%S} UTC" if status.restore_by else "at no set time"
    if status.restored_at is None:
        reason = "Overdue" if status.unrestored else "NotRestored" if status.phase in SETTLED else "Awaited"
        return condition("Restored", False, reason, f"It must be mitigated {by}")
    late = restoring.how_late(status)
    since = f"Mitigated since {status.restored_at:%Y-%m-%d %H:%M:%S} UTC"
    return condition("Restored", True, "Late" if late else "InTime", f"{since}{late}; due {by}")


def held(status: Status, condition) -> Condition:
    """Whether a person wants nothing further changed."""
    by = status.held if status.phase not in SETTLED else None
    return condition("OnHold", by is not None, "Hold" if by else "None", f"{by.by}: {by.reason}" if by else "")


def glass(status: Status, condition) -> Condition:
    """GlassBroken stays True: that an option was let run without its approvals is to be seen as long as the Incident is there."""
    told = "; ".join(str(one) for one in reversed(status.broken_glass))
    return condition("GlassBroken", bool(told), "BreakGlass" if told else "None", clip(told))


def postmortem(status: Status, condition) -> Condition:
    """True until a Close names it."""
    if named := status.postmortem:
        return condition("PostmortemRequired", False, "Named", f"It is {named}")
    why = unexplained(status, named)
    return condition("PostmortemRequired", bool(why), "BreakGlass" if why else "None", clip(why))


def unexplained(status: Status, postmortem: str) -> str:
    """Why it cannot be closed without a postmortem; empty: it can be, or this is one."""
    tickets = ", ".join(dict.fromkeys(record.ticket for record in status.broken_glass))
    if postmortem or not tickets:
        return ""
    return f"the glass was broken under {tickets}, and where the postmortem of that is (a ticket's number, an address) is not said"


def evidence(status: Status, condition) -> Condition:
    captured = status.evidence
    if not captured.captures:
        return condition("EvidenceCaptured", False, "NotYet", "Nothing was captured yet")
    reason = "Incomplete" if captured.missing_count else "Complete"
    return condition("EvidenceCaptured", not captured.missing_count, reason, f"{captured.files} files, {captured.bytes} bytes")


def decisions(trust: Trust, condition) -> Condition:
    """DecisionsTrusted is False while nobody knows who said one: none is accepted then."""
    if isinstance(trust, NotVouched):
        return condition(TRUSTED, False, str(trust.reason), clip(trust.message))
    return condition(TRUSTED, True, "Vouched", "The API server proves who says a Decision")


def admission(lapses: tuple[Lapse, ...], condition) -> Condition:
    """AdmissionTrusted is False while another of the admission policies is not in force; its message says what that stops."""
    if lapses:
        return condition(ADMISSION, False, str(lapses[0].why.reason), clip(" | ".join(lapse.why.message for lapse in lapses)))
    return condition(ADMISSION, True, "Vouched", "The API server proves who opens Incidents and who writes Playbooks")


def distrusted(status: Status) -> tuple[Condition, ...]:
    """Those of the two conditions that are not so."""
    return tuple(c for c in status.conditions if c.type in (TRUSTED, ADMISSION) and c.status == "False")

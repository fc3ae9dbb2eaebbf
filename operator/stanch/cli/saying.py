"""The commands with which people speak: one for each verb of a Decision."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from stanch.cli import arguments as args
from stanch.cli.asking import ask
from stanch.cli.ending import Code, Ending
from stanch.cli.kubeconfig import Asked
from stanch.cli.output import Format
from stanch.domain.decision import Verb
from stanch.runtime.settings import Settings

if TYPE_CHECKING:
    from stanch.cli.decide import Manner, Said
    from stanch.cli.session import Session

OPERATOR_NAMESPACE = Settings.operator_namespace


def approve(
    incident: args.Incident,
    role: args.Role,
    option: args.Option = "",
    reason: args.Reason = "",
    plan: args.Digest = "",
    yes: args.Yes = False,
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    operator_namespace: args.OperatorNamespace = OPERATOR_NAMESPACE,
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Approves an option of the plan, after showing it."""
    said = _said(Verb.Approve, incident, reason, role, option, plan)
    _speak(Asked(kubeconfig, context, namespace), said, yes, _manner(wait, output), operator_namespace)


def reject(
    incident: args.Incident,
    reason: args.Reason,
    role: args.Role = "",
    option: args.Option = "",
    step: Annotated[str, typer.Option("--step", help="Step that did not happen (OPTION/STEP), instead of an option.")] = "",
    plan: args.Digest = "",
    yes: args.Yes = False,
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    operator_namespace: args.OperatorNamespace = OPERATOR_NAMESPACE,
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Rejects an option of the plan: it will not be run. With --step: says that a step did not happen."""
    if step and (option or plan):
        raise Ending("--step is about what was done, --option and --plan about what is planned: give one of them", Code.Unusable)
    if not step and not role:
        raise Ending("as whom? Rejecting an option needs --role", Code.Unusable)
    said = replace(_said(Verb.Reject, incident, reason, role, option, plan), step=step)
    _speak(Asked(kubeconfig, context, namespace), said, yes, _manner(wait, output), operator_namespace)


def break_glass(
    incident: args.Incident,
    reason: args.Reason,
    ticket: Annotated[str, typer.Option("--ticket", help="Where it is answered for: a number, e.g. OPS-4711, or an address.")],
    role: args.Role = "",
    option: args.Option = "",
    plan: args.Digest = "",
    yes: args.Yes = False,
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    operator_namespace: args.OperatorNamespace = OPERATOR_NAMESPACE,
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """In an emergency: lets an option run without its approvals. Everybody sees it, and a postmortem is required."""
    said = replace(_said(Verb.BreakGlass, incident, reason, role, option, plan), ticket=ticket)
    _speak(Asked(kubeconfig, context, namespace), said, yes, _manner(wait, output), operator_namespace)


def confirm(
    incident: args.Incident,
    step: args.Step,
    reason: args.Reason,
    role: args.Role = "",
    yes: args.Yes = False,
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Says that something is so: what a step asks, that it happened, that its change was taken back by hand."""
    said = replace(_said(Verb.Confirm, incident, reason, role), step=step)
    _speak(Asked(kubeconfig, context, namespace), said, yes, _manner(wait, output))


def extend(
    incident: args.Incident,
    step: args.Step,
    by: Annotated[str, typer.Option("--by", help="How much later, from 1m to 168h, e.g. 1h30m.")],
    reason: args.Reason,
    role: args.Role = "",
    yes: args.Yes = False,
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Moves the time at which a change is taken back."""
    said = replace(_said(Verb.Extend, incident, reason, role), step=step, extend_by=by)
    _speak(Asked(kubeconfig, context, namespace), said, yes, _manner(wait, output))


def revert(
    incident: args.Incident,
    reason: args.Reason,
    step: Annotated[str, typer.Argument(help="OPTION/STEP; left out: every change that is still to be taken back.")] = "",
    role: args.Role = "",
    yes: args.Yes = False,
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Takes back now what was changed for a time."""
    said = replace(_said(Verb.Revert, incident, reason, role), step=step)
    _speak(Asked(kubeconfig, context, namespace), said, yes, _manner(wait, output))


def note(
    incident: args.Incident,
    text: Annotated[str, typer.Argument(help="What is to stand in the timeline.", metavar="TEXT")],
    role: args.Role = "",
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Writes a note into the timeline, under your name. It decides nothing: nobody is asked."""

    async def question(session: Session) -> None:
        from stanch.cli.decide import decide

        await decide(session, _said(Verb.Note, incident, text, role), _manner(wait, output))

    ask(Asked(kubeconfig, context, namespace), question)


def ack(
    incident: args.Incident,
    reason: args.Reason = "",
    role: args.Role = "",
    yes: args.Yes = False,
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Takes an incident on: everybody sees that you have it, and since when."""
    said = _said(Verb.Acknowledge, incident, reason, role)
    _speak(Asked(kubeconfig, context, namespace), said, yes, _manner(wait, output))


def classify(
    incident: args.Incident,
    severity: Annotated[str, typer.Argument(help="One of the policy's levels, e.g. P0.", metavar="SEVERITY")],
    reason: args.Reason,
    role: args.Role = "",
    yes: args.Yes = False,
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Says how grave it is. Where that changes, what is not begun yet is planned and approved anew."""
    said = replace(_said(Verb.Classify, incident, reason, role), severity=severity)
    _speak(Asked(kubeconfig, context, namespace), said, yes, _manner(wait, output))


def hold(
    incident: args.Incident,
    reason: args.Reason,
    role: args.Role = "",
    yes: args.Yes = False,
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Nothing further is changed until `stanch resume`; what is owed at a time is taken back at its time."""
    _speak(Asked(kubeconfig, context, namespace), _said(Verb.Hold, incident, reason, role), yes, _manner(wait, output))


def assign(
    incident: args.Incident,
    role: Annotated[str, typer.Argument(help="Role that is given, e.g. incident-commander.", metavar="ROLE")],
    assignee: Annotated[str, typer.Argument(help="User name of who holds it from now on.", metavar="USER")],
    reason: args.Reason,
    yes: args.Yes = False,
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Says who holds a role. It gives them no right: that is for RBAC."""
    said = replace(_said(Verb.Assign, incident, reason, role), assignee=assignee)
    _speak(Asked(kubeconfig, context, namespace), said, yes, _manner(wait, output))


def abort(
    incident: args.Incident,
    reason: args.Reason,
    role: args.Role = "",
    yes: args.Yes = False,
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Stops an incident before its next change."""
    _speak(Asked(kubeconfig, context, namespace), _said(Verb.Abort, incident, reason, role), yes, _manner(wait, output))


def resume(
    incident: args.Incident,
    reason: args.Reason,
    role: args.Role = "",
    yes: args.Yes = False,
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Lets an incident go on that is on hold; plans one anew that waits for people."""
    _speak(Asked(kubeconfig, context, namespace), _said(Verb.Resume, incident, reason, role), yes, _manner(wait, output))


def close(
    incident: args.Incident,
    reason: args.Reason,
    role: args.Role = "",
    postmortem: Annotated[
        str, typer.Option("--postmortem", help="Where it is: a number or an address; after a broken glass.")
    ] = "",
    yes: args.Yes = False,
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Ends an incident that is resolved, or that people have taken over."""
    said = replace(_said(Verb.Close, incident, reason, role), postmortem=postmortem)
    _speak(Asked(kubeconfig, context, namespace), said, yes, _manner(wait, output))


COMMANDS = (approve, reject, break_glass, confirm, extend, revert, note, ack, classify, hold, assign, abort, resume, close)


def _said(verb: Verb, incident: str, reason: str, role: str, option: str = "", digest: str = "") -> Said:
    from stanch.cli.decide import Said

    return Said(verb, incident, reason, role, option, digest)


def _manner(wait: bool, output: Format) -> Manner:
    from stanch.cli.decide import Manner

    return Manner(wait, output)


def _speak(asked: Asked, said: Said, yes: bool, manner: Manner, operator_namespace: str = OPERATOR_NAMESPACE) -> None:
    """Shows what follows, asks, says it."""

    async def question(session: Session) -> None:
        from stanch.cli.speaking import Asking, speak

        await speak(session, said, Asking(yes, typer.confirm, operator_namespace), manner)

    ask(asked, question)

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
from stanch.cli.spoken import OPERATOR_NAMESPACE, manner, said_as, show_and_ask
from stanch.domain.decision import Verb

if TYPE_CHECKING:
    from stanch.cli.session import Session


def approve(
    incident: args.Incident,
    role: args.Role,
    option: args.Option = "",
    reason: args.Reason = "",
    plan: args.Digest = "",
    unseen: args.Unseen = False,
    yes: args.Yes = False,
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    operator_namespace: args.OperatorNamespace = OPERATOR_NAMESPACE,
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Approves an option of the plan, after showing it."""
    said = replace(said_as(Verb.Approve, incident, reason, role, option, plan), unseen=unseen)
    show_and_ask(Asked(kubeconfig, context, namespace), said, yes, manner(wait, output), operator_namespace)


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
    said = replace(said_as(Verb.Reject, incident, reason, role, option, plan), step=step)
    show_and_ask(Asked(kubeconfig, context, namespace), said, yes, manner(wait, output), operator_namespace)


def break_glass(
    incident: args.Incident,
    reason: args.Reason,
    ticket: Annotated[str, typer.Option("--ticket", help="Where it is answered for: a number, e.g. OPS-4711, or an address.")],
    role: args.Role = "",
    option: args.Option = "",
    plan: args.Digest = "",
    unseen: args.Unseen = False,
    yes: args.Yes = False,
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    operator_namespace: args.OperatorNamespace = OPERATOR_NAMESPACE,
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """In an emergency: lets an option run without its approvals. Everybody sees it, and a postmortem is required."""
    said = replace(said_as(Verb.BreakGlass, incident, reason, role, option, plan), ticket=ticket, unseen=unseen)
    show_and_ask(Asked(kubeconfig, context, namespace), said, yes, manner(wait, output), operator_namespace)


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

        await decide(session, said_as(Verb.Note, incident, text, role), manner(wait, output))

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
    said = said_as(Verb.Acknowledge, incident, reason, role)
    show_and_ask(Asked(kubeconfig, context, namespace), said, yes, manner(wait, output))


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
    said = replace(said_as(Verb.Classify, incident, reason, role), severity=severity)
    show_and_ask(Asked(kubeconfig, context, namespace), said, yes, manner(wait, output))


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
    show_and_ask(Asked(kubeconfig, context, namespace), said_as(Verb.Hold, incident, reason, role), yes, manner(wait, output))


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
    said = replace(said_as(Verb.Assign, incident, reason, role), assignee=assignee)
    show_and_ask(Asked(kubeconfig, context, namespace), said, yes, manner(wait, output))


def abort(
    incident: args.Incident,
    reason: args.Reason,
    role: args.Role = "",
    yes: args.Yes = False,
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    operator_namespace: args.OperatorNamespace = OPERATOR_NAMESPACE,
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Stops an incident before its next change."""
    said = said_as(Verb.Abort, incident, reason, role)
    show_and_ask(Asked(kubeconfig, context, namespace), said, yes, manner(wait, output), operator_namespace)


def resume(
    incident: args.Incident,
    reason: args.Reason,
    role: args.Role = "",
    yes: args.Yes = False,
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    operator_namespace: args.OperatorNamespace = OPERATOR_NAMESPACE,
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Lets an incident go on that is on hold; plans one anew that waits for people."""
    said = said_as(Verb.Resume, incident, reason, role)
    show_and_ask(Asked(kubeconfig, context, namespace), said, yes, manner(wait, output), operator_namespace)


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
    operator_namespace: args.OperatorNamespace = OPERATOR_NAMESPACE,
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Ends an incident that is resolved, or that people have taken over."""
    said = replace(said_as(Verb.Close, incident, reason, role), postmortem=postmortem)
    show_and_ask(Asked(kubeconfig, context, namespace), said, yes, manner(wait, output), operator_namespace)


COMMANDS = (approve, reject, break_glass, note, ack, classify, hold, assign, abort, resume, close)

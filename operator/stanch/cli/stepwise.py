"""The commands about one step, or about what a step has changed; what they show is in `about_step.py`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from stanch.cli import arguments as args
from stanch.cli.kubeconfig import Asked
from stanch.cli.output import Format
from stanch.cli.spoken import OPERATOR_NAMESPACE, manner, said_as, show_and_ask
from stanch.domain.decision import Verb


def confirm(
    incident: args.Incident,
    step: args.Step,
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
    """Says that something is so: what a step asks, that it happened, that its change was taken back by hand."""
    said = replace(said_as(Verb.Confirm, incident, reason, role), step=step)
    show_and_ask(Asked(kubeconfig, context, namespace), said, yes, manner(wait, output), operator_namespace)


def extend(
    incident: args.Incident,
    step: args.Step,
    by: Annotated[str, typer.Option("--by", help="How much later, from 1m to 168h, e.g. 1h30m.")],
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
    """Moves the time at which a change is taken back."""
    said = replace(said_as(Verb.Extend, incident, reason, role), step=step, extend_by=by)
    show_and_ask(Asked(kubeconfig, context, namespace), said, yes, manner(wait, output), operator_namespace)


def revert(
    incident: args.Incident,
    reason: args.Reason,
    step: Annotated[str, typer.Argument(help="OPTION/STEP; left out: every change that is still to be taken back.")] = "",
    role: args.Role = "",
    yes: args.Yes = False,
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    operator_namespace: args.OperatorNamespace = OPERATOR_NAMESPACE,
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Takes back now what was changed for a time."""
    said = replace(said_as(Verb.Revert, incident, reason, role), step=step)
    show_and_ask(Asked(kubeconfig, context, namespace), said, yes, manner(wait, output), operator_namespace)


COMMANDS = (confirm, extend, revert)

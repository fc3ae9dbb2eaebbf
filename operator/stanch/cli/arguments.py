"""The arguments and options that several commands share, each said once."""

from __future__ import annotations

from typing import Annotated

import typer

from stanch.cli.output import Format


def placed(packs: str) -> str:
    """A bucket without its scheme would be a folder of the process's own: in a pod one that goes with it."""
    if ":" not in packs and not packs.startswith(("/", ".")):
        raise typer.BadParameter(f"{packs} is neither a URL (s3://bucket/prefix) nor a path that begins with / or .")
    return packs


Incident = Annotated[str, typer.Argument(help="Name of the incident.", metavar="INCIDENT")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace; left out: that of the context.")]
Kubeconfig = Annotated[str, typer.Option(help="Kubeconfig file; left out: $KUBECONFIG, then ~/.kube/config.")]
Context = Annotated[str, typer.Option(help="Context of the kubeconfig; left out: its current one.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Incidents of all namespaces.")]
Output = Annotated[Format, typer.Option("--output", "-o", help="For people, or for programs.")]
OperatorNamespace = Annotated[str, typer.Option(envvar="STANCH_OPERATOR_NAMESPACE", help="Namespace of the operator.")]
Packs = Annotated[str, typer.Option(envvar="STANCH_PACKS", callback=placed, help="Folder or URL of the evidence.")]
PacksEndpoint = Annotated[
    str, typer.Option(envvar="STANCH_PACKS_ENDPOINT", help="S3 server, as https://host:port; left out: Amazon's.")
]
PacksRegion = Annotated[str, typer.Option(envvar="STANCH_PACKS_REGION", help="Region of the S3 bucket.")]
PacksCa = Annotated[str, typer.Option(envvar="STANCH_PACKS_CA", help="File with the CA of the S3 server, beside the system's.")]

Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; it stands in the timeline.")]
Role = Annotated[str, typer.Option("--role", help="Role under which you say it, e.g. incident-commander.")]
Option = Annotated[str, typer.Option("--option", help="Option of the plan; left out: the one that waits for approval.")]
Step = Annotated[str, typer.Argument(help="OPTION/STEP; STEP alone where only one option has it.", metavar="STEP")]
Digest = Annotated[str, typer.Option("--plan", help="Digest of the plan that you looked at; another one is refused.")]
Unseen = Annotated[bool, typer.Option("--unseen", help="Say yes though the plan is not shown, or not whole; the reason says so.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until stanch has recorded it, at most 10 s.")]
Policy = Annotated[str, typer.Option("--policy", help="Name of the ResponsePolicy; left out: the only one there is.")]
EveryPolicy = Annotated[bool, typer.Option("--all", help="Every ResponsePolicy of the cluster.")]

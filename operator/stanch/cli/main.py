"""`stanch`, also `kubectl stanch`: the commands and their options. What they do is imported when they run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from stanch.cli import arguments as args
from stanch.cli import saying, stepwise, telling
from stanch.cli.asking import ask
from stanch.cli.ending import Code, Ending
from stanch.cli.kubeconfig import Asked
from stanch.cli.output import Format, console, warn
from stanch.cli.uninstall import uninstall
from stanch.packs.reach import Reach
from stanch.runtime.settings import LogFormat, Settings

if TYPE_CHECKING:
    from stanch.cli.session import Session

OPERATOR_NAMESPACE = Settings.operator_namespace

app = typer.Typer(
    name="stanch",
    help="Stop the bleeding in an incident, with proof of what was done.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Runs a command. Why it failed is one line on standard error: no traceback for an error of the world."""
    try:
        app()
    except Ending as ending:
        if ending.message:
            warn(f"error: {ending.message}")
        sys.exit(ending.code)
    except OSError as error:
        warn(f"error: {error}")
        sys.exit(Code.Unusable)


@app.command("list")
@app.command("get", hidden=True)
def list_(
    namespace: args.Namespace = "",
    everywhere: args.Everywhere = False,
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Lists incidents, the newest first."""

    async def question(session: Session) -> None:
        from stanch.cli.listing import show

        await show(session, everywhere, output)

    ask(Asked(kubeconfig, context, namespace), question)


@app.command()
def reverts(
    namespace: args.Namespace = "",
    everywhere: args.Everywhere = False,
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Lists every change that is still to be taken back, the next one first."""

    async def question(session: Session) -> None:
        from stanch.cli.reverts import show

        await show(session, everywhere, output)

    ask(Asked(kubeconfig, context, namespace), question)


@app.command()
def plan(
    incident: args.Incident,
    namespace: args.Namespace = "",
    operator_namespace: args.OperatorNamespace = OPERATOR_NAMESPACE,
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Shows what would be done, in order, with the differences, and how to approve it."""

    async def question(session: Session) -> None:
        from stanch.cli.plan import show

        await show(session, incident, operator_namespace, output)

    ask(Asked(kubeconfig, context, namespace), question)


@app.command()
def watch(
    incident: Annotated[str, typer.Argument(help="Name of the incident; left out: a table of all.")] = "",
    namespace: args.Namespace = "",
    everywhere: args.Everywhere = False,
    follow: Annotated[bool, typer.Option("--follow/--once", "-f", help="Until it is settled, or once.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most this many options, the newest ones.")] = 1000,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Shows where an incident stands: once, or followed until it is settled.

    With --follow the exit code is 0 when it ends Resolved or Closed, 3 when it ends Aborted or Failed.
    """

    async def question(session: Session) -> None:
        from stanch.cli import watch as watching

        view = watching.View(console(), limit)
        if follow and incident:
            await watching.follow(session, incident, view)
        elif follow:
            await watching.follow_all(session, everywhere, view)
        elif incident:
            await watching.once(session, incident, view)
        else:
            from stanch.cli.listing import show

            await show(session, everywhere, Format.text)

    ask(Asked(kubeconfig, context, namespace), question)


@app.command()
def timeline(
    what: Annotated[str, typer.Argument(help="Name of an incident, or folder or URL of a pack.", metavar="INCIDENT|PACK")],
    namespace: args.Namespace = "",
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
    packs_endpoint: args.PacksEndpoint = "",
    packs_region: args.PacksRegion = "",
    packs_ca: args.PacksCa = "",
) -> None:
    """Shows the decision log: [HH:MM] action, expectation, result, next."""
    from stanch.cli import timeline as lines

    if lines.is_pack(what):
        lines.of_pack(what, output, Reach(packs_endpoint, packs_region, packs_ca))
    else:
        ask(Asked(kubeconfig, context, namespace), lambda session: lines.of_incident(session, what, output))


@app.command()
def verify(
    pack: Annotated[str, typer.Argument(help="Folder of the pack, or its URL.", metavar="PACK")],
    head: Annotated[str, typer.Option(help="The Incident's status.pack.head.hash.")] = "",
    manifest: Annotated[str, typer.Option(help="The Incident's status.pack.manifest.")] = "",
    unsealed: Annotated[bool, typer.Option("--unsealed", help="Accept entries that are not sealed yet.")] = False,
    output: args.Output = Format.text,
    packs_endpoint: args.PacksEndpoint = "",
    packs_region: args.PacksRegion = "",
    packs_ca: args.PacksCa = "",
) -> None:
    """Verifies a pack offline. Exit codes: 0 whole, 1 changed (the first bad entry is named), 2 cannot be read."""
    from stanch.cli.verify import Known, check

    check(pack, Known(head, manifest, unsealed), output, Reach(packs_endpoint, packs_region, packs_ca))


@app.command()
def lint(
    paths: Annotated[
        list[str] | None, typer.Argument(help="Files, folders, or - for standard input.", metavar="FILE|FOLDER...")
    ] = None,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Ask the cluster what they may not do there; without files: of all that it has.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail too.")] = False,
    namespace: args.Namespace = "",
    operator_namespace: args.OperatorNamespace = OPERATOR_NAMESPACE,
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Checks playbooks and the other kinds, offline but for --cluster, which also names each permission that a playbook lacks.

    Exit codes: 0 fine, 1 errors, 2 nothing to check or unreadable.
    """
    if cluster:
        from stanch.cli import access, permissions

        wanted = access.Wanted("", namespace, operator_namespace)
        checked = permissions.Checked(tuple(paths or ()), strict, output)
        ask(Asked(kubeconfig, context, namespace), lambda session: permissions.check(session, wanted, checked))
    elif not paths or namespace or kubeconfig or context:
        raise Ending("which files? Name some; or with --cluster the cluster that is meant", Code.Unusable)
    else:
        from stanch.cli.lint import lint as check

        check(paths, strict, output)


@app.command()
def rbac(
    playbook: Annotated[str, typer.Argument(help="Name of the playbook; left out with -f: all of the file.")] = "",
    file: Annotated[str, typer.Option("--file", "-f", help="Read it from this file (- for standard input).")] = "",
    namespace: args.Namespace = "",
    operator_namespace: args.OperatorNamespace = OPERATOR_NAMESPACE,
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Prints the ServiceAccount, Roles and RoleBindings that a playbook needs."""
    from stanch.cli import access

    wanted = access.Wanted(playbook, namespace, operator_namespace)
    if file:
        access.of_file(file, wanted, output)
    elif playbook:
        ask(Asked(kubeconfig, context, namespace), lambda session: access.of_cluster(session, wanted, output))
    else:
        raise Ending("which playbook? Give its name, or a file with -f", Code.Unusable)


@app.command()
def freeze(
    policy: args.Policy = "", every: args.EveryPolicy = False, yes: args.Yes = False,
    kubeconfig: args.Kubeconfig = "", context: args.Context = "",
) -> None:  # fmt: skip
    """The kill switch: nothing further is written under a ResponsePolicy. What is owed is still taken back."""
    _freeze(Asked(kubeconfig, context), True, policy, every, yes)


@app.command()
def unfreeze(
    policy: args.Policy = "", every: args.EveryPolicy = False, yes: args.Yes = False,
    kubeconfig: args.Kubeconfig = "", context: args.Context = "",
) -> None:  # fmt: skip
    """Ends a freeze: incidents go on from where they stand."""
    _freeze(Asked(kubeconfig, context), False, policy, every, yes)


def _freeze(asked: Asked, suspended: bool, policy: str, every: bool, yes: bool) -> None:
    async def question(session: Session) -> None:
        from stanch.cli.freezing import Asking, Switch, turn

        await turn(session, Switch(suspended, policy, every), Asking(yes, typer.confirm))

    ask(asked, question)


@app.command()
def run(
    namespace: Annotated[
        list[str] | None, typer.Option("--namespace", "-n", envvar="STANCH_NAMESPACES", help="Watch only this one; repeatable.")
    ] = None,
    operator_namespace: args.OperatorNamespace = OPERATOR_NAMESPACE,
    packs: args.Packs = Settings.packs,
    packs_endpoint: args.PacksEndpoint = "",
    packs_region: args.PacksRegion = "",
    packs_ca: args.PacksCa = "",
    kubeconfig: Annotated[str, typer.Option(envvar="STANCH_KUBECONFIG", help="Left out: in-cluster.")] = "",
    context: Annotated[str, typer.Option(envvar="STANCH_CONTEXT", help="Left out: the file's current one.")] = "",
    http_port: Annotated[int, typer.Option(envvar="STANCH_HTTP_PORT", min=0, max=65535)] = Settings.http_port,
    workers: Annotated[int, typer.Option(envvar="STANCH_WORKERS", min=1, max=256)] = Settings.workers,
    identity: Annotated[
        str, typer.Option(envvar="STANCH_IDENTITY", help="Name in the leader's Lease; left out: host and process.")
    ] = "",
    log_format: Annotated[LogFormat, typer.Option(envvar="STANCH_LOG_FORMAT")] = Settings.log_format,
) -> None:
    """Runs the operator."""
    from stanch.cli.run import run as operate

    settings = Settings(
        operator_namespace=operator_namespace, packs=packs, reach=Reach(packs_endpoint, packs_region, packs_ca),
        namespaces=tuple(dict.fromkeys(namespace or ())),
        kubeconfig=kubeconfig, context=context, http_port=http_port, workers=workers, identity=identity, log_format=log_format,
    )  # fmt: skip
    operate(settings)


for command in (uninstall, *saying.COMMANDS, *stepwise.COMMANDS, *telling.COMMANDS):
    app.command()(command)

"""The command `stanch uninstall`; what it does is in `leaving.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stanch.cli import arguments as args
from stanch.cli.asking import ask
from stanch.cli.kubeconfig import Asked
from stanch.runtime.settings import Settings

if TYPE_CHECKING:
    from stanch.cli.session import Session


def uninstall(
    namespace: Annotated[
        list[str] | None, typer.Option("--namespace", "-n", envvar="STANCH_NAMESPACES", help="Only of this one; repeatable.")
    ] = None,
    operator_namespace: args.OperatorNamespace = Settings.operator_namespace,
    timeout: Annotated[str, typer.Option("--timeout", help="How long the operator may take, e.g. 5m.")] = "5m",
    yes: args.Yes = False, kubeconfig: args.Kubeconfig = "", context: args.Context = "",
) -> None:  # fmt: skip
    """Comes before removing stanch: freezes, ends the incidents that hold something, and waits until nothing is owed.

    Removes nothing of stanch itself. Exit codes: 0 nothing is owed, 1 something stays (it is named).
    """

    async def question(session: Session) -> None:
        from stanch.cli.leaving import Asking, leave, scope

        await leave(session, scope(namespace or (), operator_namespace, timeout), Asking(yes, typer.confirm))

    ask(Asked(kubeconfig, context), question)

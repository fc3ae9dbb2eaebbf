"""The commands about what people outside are told; what they show is in `about_messages.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stanch.cli import arguments as args
from stanch.cli.asking import ask
from stanch.cli.kubeconfig import Asked
from stanch.cli.output import Format
from stanch.domain.decision import Verb

if TYPE_CHECKING:
    from stanch.cli.session import Session


def messages(
    incident: args.Incident,
    message: Annotated[str, typer.Argument(help="Name of one, whose text alone is printed; left out: all of them.")] = "",
    namespace: args.Namespace = "",
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Shows what people outside may be told, and what nobody has released yet. stanch sends none of it."""

    async def question(session: Session) -> None:
        from stanch.cli.about_messages import show

        await show(session, incident, message, output)

    ask(Asked(kubeconfig, context, namespace), question)


def release(
    incident: args.Incident,
    message: Annotated[str, typer.Argument(help="Name of the message, as `stanch messages` lists it.", metavar="MESSAGE")],
    role: args.Role,
    reason: args.Reason = "",
    text: Annotated[str, typer.Option("--text", help="Digest of the text that you read; another one is refused.")] = "",
    yes: args.Yes = False,
    wait: args.Wait = True,
    namespace: args.Namespace = "",
    output: args.Output = Format.text,
    kubeconfig: args.Kubeconfig = "",
    context: args.Context = "",
) -> None:
    """Lets people outside be told a message, after showing its text. People send it: stanch does not."""

    async def question(session: Session) -> None:
        from stanch.cli.decide import Manner, Said
        from stanch.cli.speaking import Asking, speak

        said = Said(Verb.Release, incident, reason, role, message=message, message_digest=text)
        await speak(session, said, Asking(yes, typer.confirm), Manner(wait, output))

    ask(Asked(kubeconfig, context, namespace), question)


COMMANDS = (messages, release)

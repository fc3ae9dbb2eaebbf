"""What every deciding command shares: from what was typed to what is said. Modules that it needs are loaded when it speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from stanch.cli.asking import ask
from stanch.cli.kubeconfig import Asked
from stanch.cli.output import Format
from stanch.domain.decision import Verb
from stanch.runtime.settings import Settings

if TYPE_CHECKING:
    from stanch.cli.decide import Manner, Said
    from stanch.cli.session import Session

OPERATOR_NAMESPACE = Settings.operator_namespace


def said_as(verb: Verb, incident: str, reason: str, role: str, option: str = "", digest: str = "") -> Said:
    from stanch.cli.decide import Said

    return Said(verb, incident, reason, role, option, digest)


def manner(wait: bool, output: Format) -> Manner:
    from stanch.cli.decide import Manner

    return Manner(wait, output)


def show_and_ask(asked: Asked, said: Said, yes: bool, manner: Manner, operator_namespace: str = OPERATOR_NAMESPACE) -> None:
    """Shows what follows, asks, says it."""

    async def question(session: Session) -> None:
        from stanch.cli.speaking import Asking, speak

        await speak(session, said, Asking(yes, typer.confirm, operator_namespace), manner)

    ask(asked, question)

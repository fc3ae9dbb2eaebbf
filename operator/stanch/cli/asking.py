"""Runs one command's question to the cluster that the command line names."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from stanch.cli.kubeconfig import Asked, locate

if TYPE_CHECKING:
    from stanch.cli.session import Session


def ask(asked: Asked, question: Callable[[Session], Awaitable[None]]) -> None:
    """Raises `Ending` for what the cluster refuses, or when it does not answer."""
    asyncio.run(_ask(asked, question))


async def _ask(asked: Asked, question: Callable[[Session], Awaitable[None]]) -> None:
    from stanch.cli.session import connected

    async with connected(locate(asked, os.environ)) as session:
        await question(session)

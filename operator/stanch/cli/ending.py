"""How a command ends: its exit code, and the one line that says why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from stanch.engine.errors import Failure


class Code(IntEnum):
    """Exit codes. `Unhappy`: the command worked, and the incident that it followed ended Aborted or Failed."""

    Fine = 0
    Problems = 1
    Unusable = 2
    Unhappy = 3


class Ending(Exception):
    """Ends the command. `message` says what, where and what to do; empty: everything was said already."""

    def __init__(self, message: str = "", code: Code = Code.Problems) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


HINTS = {
    "NotFound": "`stanch list -A` shows what there is",
    "Unreachable": "is it up, and is this the context that you mean? Name another one with --context",
    "BadConfiguration": "name a kubeconfig with --kubeconfig and a context with --context",
    "UnknownKind": "install stanch's CRDs first: kubectl apply -k crds",
}


@contextmanager
def told(where: str) -> Iterator[None]:
    """Turns a failure to reach the world into the end of the command. `where` names the cluster that was asked."""
    try:
        yield
    except Failure as failure:
        hint = f"; {HINTS[failure.reason]}" if failure.reason in HINTS else ""
        raise Ending(f"{failure.message} ({where}){hint}") from failure

"""kubectl as the stage uses it: apply documents, act as a person, wait for a condition."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

ROOT = Path(__file__).resolve().parents[2]


class Run(Protocol):
    def __call__(self, *arguments: str, input: str | None = None, timeout: float = 120) -> str: ...


@dataclass(frozen=True)
class Kubectl:
    """`run` runs kubectl on the cluster of the stage and raises with what it said."""

    run: Run
    namespace: str = ""
    user: str = ""

    def __call__(self, *arguments: str, input: str | None = None, timeout: float = 120) -> str:
        where = ["-n", self.namespace] if self.namespace else []
        who = [f"--as={self.user}"] if self.user else []
        return self.run(*where, *who, *arguments, input=input, timeout=timeout)

    def inside(self, namespace: str) -> Kubectl:
        return Kubectl(self.run, namespace, self.user)

    def acting_as(self, user: str) -> Kubectl:
        """As that person. Every authenticated user is in `system:authenticated`; impersonation must say so."""
        return Kubectl(self.run, self.namespace, user)

    def apply(self, documents: Iterable[dict[str, Any]]) -> None:
        self("apply", "-f", "-", input=yaml.safe_dump_all(list(documents)))

    def create(self, document: dict[str, Any]) -> dict[str, Any]:
        """The object as the server stored it."""
        return json.loads(self("create", "-o", "json", "-f", "-", input=yaml.safe_dump(document)))

    def rendered(self, folder: Path) -> list[dict[str, Any]]:
        """The documents that `apply -k` of this folder applies."""
        return parsed(self("kustomize", str(folder)))

    def get(self, *what: str) -> dict[str, Any]:
        return json.loads(self("get", *what, "-o", "json"))

    def wait(self, what: str, jsonpath: str, value: str, seconds: float = 120) -> None:
        """Waits by a watch. Raises when the time is over."""
        self("wait", what, f"--for=jsonpath={{{jsonpath}}}={value}", f"--timeout={seconds:g}s", timeout=seconds + 30)


def established(run: Run, *crds: str) -> None:
    """Waits until these CRDs are. One that was made a moment ago says `conditions: null`, at which kubectl's wait for a condition
    ends with an error instead of waiting."""
    run("wait", *crds, "--for=jsonpath={.status.conditions[0].type}", "--timeout=60s")
    run("wait", *crds, "--for=condition=Established", "--timeout=60s")


def documents(path: Path, edit: Callable[[dict[str, Any]], None] = lambda _: None) -> list[dict[str, Any]]:
    """The documents of a YAML file, each edited in place."""
    return parsed(path.read_text(), edit)


def parsed(text: str, edit: Callable[[dict[str, Any]], None] = lambda _: None) -> list[dict[str, Any]]:
    """The documents of a YAML text, each edited in place."""
    found = [document for document in yaml.safe_load_all(text) if document]
    for document in found:
        edit(document)
    return found

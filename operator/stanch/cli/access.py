"""`stanch rbac`: finds the playbook, in a file or in the cluster, and prints what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stanch.api.codec import spec_of
from stanch.api.kinds import PlaybookSpec
from stanch.cli.ending import Code, Ending
from stanch.cli.lint import load
from stanch.cli.output import Format, say, say_json
from stanch.cli.rbac import Subject, objects, render
from stanch.cli.session import API_VERSION, Session
from stanch.cli.source import Unreadable, read
from stanch.domain.plan import Ref
from stanch.engine.errors import Refused


@dataclass(frozen=True)
class Wanted:
    """`name` empty: every playbook of the file. `namespace` empty: as the playbook says, else that of the context."""

    name: str
    namespace: str
    operator_namespace: str


async def of_cluster(session: Session, wanted: Wanted, output: Format) -> None:
    found = await session.cluster.get(Ref(API_VERSION, "Playbook", session.where.namespace, wanted.name))
    show([subject(found, wanted, session.where.namespace)], output)


def of_file(file: str, wanted: Wanted, output: Format) -> None:
    """Offline. Raises `Ending` (Unusable) for a file without the playbook, (Problems) for a playbook that is wrong."""
    found = [body for body in playbooks(file) if wanted.name in {"", body["metadata"].get("name")}]
    if not found:
        raise Ending(f"{file}: there is no Playbook {wanted.name}".rstrip(), Code.Unusable)
    try:
        show([subject(body, wanted, "default") for body in found], output)
    except Refused as failure:
        raise Ending(f"{file}: {failure.message}; see `stanch lint {file}`") from failure


def playbooks(file: str) -> Iterator[dict[str, Any]]:
    try:
        documents = read(load(file))
    except Unreadable as error:
        raise Ending(f"{file}:{error.place.line}:{error.place.column}: {error.message}") from error
    for document in documents:
        body = document.value
        ours = isinstance(body, dict) and body.get("apiVersion") == API_VERSION and body.get("kind") == "Playbook"
        if ours and isinstance(body.get("metadata"), dict):
            yield body


def subject(body: dict[str, Any], wanted: Wanted, namespace: str) -> Subject:
    """Raises `Refused` (Invalid)."""
    metadata = body["metadata"]
    place = wanted.namespace or metadata.get("namespace") or namespace
    return Subject(str(metadata.get("name", "")), place, spec_of(PlaybookSpec, body), wanted.operator_namespace)


def show(subjects: list[Subject], output: Format) -> None:
    if output is Format.json:
        say_json({"apiVersion": "v1", "kind": "List", "items": [item for one in subjects for item in objects(one)]})
    else:
        say("---\n".join(render(one) for one in subjects).rstrip())

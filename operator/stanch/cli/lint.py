"""`stanch lint`: what is wrong with the objects in these files, with file, line and column. Offline (`cli.permissions` is not).

Exit codes: 0 nothing, or warnings only; 1 errors (with --strict also warnings); 2 nothing to lint, or a file that cannot be
read. A file that is no YAML is an error in it: somebody means to apply it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stanch.api import lint as rules
from stanch.api.base import GROUP
from stanch.api.lint import Problem, Severity
from stanch.cli.ending import Code, Ending
from stanch.cli.output import Format, say, say_json
from stanch.cli.source import MAX_BYTES, Document, Place, Unreadable, read
from stanch.packs.render import printable

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
STDIN = "-"
MAX_FILES = 10_000
# Enough to work on; a file that is all wrong would otherwise bury the others.
MAX_FINDINGS = 1000


@dataclass(frozen=True, order=True)
class Finding:
    """One problem in its place. `path` is that of the object's field, empty where it is about the file. What stands in the cluster
    and in no file has the line 0."""

    file: str
    line: int
    column: int
    severity: str
    message: str
    hint: str = ""
    path: str = ""

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else f"{self.file}: {self.path}"
        return printable(f"{place}: {self.severity}: {self.message}{hint}")


@dataclass(frozen=True)
class Part:
    """One object of stanch in a document; `root` is its path there (empty, or of an item of a List)."""

    file: str
    document: Document
    root: str
    value: dict[str, Any]

    def finding(self, problem: Problem) -> Finding:
        path = ".".join(part for part in (self.root, problem.path) if part)
        place = self.document.place(path)
        return Finding(self.file, place.line, place.column, str(problem.severity), problem.message, problem.hint, problem.path)


@dataclass(frozen=True)
class Stored:
    """One object as it stands in the cluster."""

    value: dict[str, Any]

    def finding(self, problem: Problem) -> Finding:
        place = f"{self.value['kind'].lower()}/{self.value['metadata']['name']}"
        return Finding(place, 0, 0, str(problem.severity), problem.message, problem.hint, problem.path)


@dataclass(frozen=True)
class Linted:
    """What was looked at, and what was found. `where` says in words where the objects stand."""

    parts: Sequence[Part | Stored]
    findings: Sequence[Finding]
    where: str
    files: int = 0


def lint(paths: Iterable[str], strict: bool, output: Format) -> None:
    """Prints the findings. Raises `Ending` as the module says."""
    finish(of_files(paths), strict, output)


def of_files(paths: Iterable[str]) -> Linted:
    parts: list[Part] = []
    findings: list[Finding] = []
    names = list(files(paths))
    for name in names:
        inside, found = lint_text(name, load(name))
        parts += inside
        findings += found
    return Linted(parts, findings, f"{len(names)} files", len(names))


def finish(linted: Linted, strict: bool, output: Format) -> None:
    show(linted, output)
    if not linted.parts and not linted.findings:
        raise Ending(f"no object of {GROUP} in {linted.where}: nothing was linted", Code.Unusable)
    if any(finding.severity == Severity.error or strict for finding in linted.findings):
        raise Ending()


def files(paths: Iterable[str]) -> Iterator[str]:
    """Files as they are named; of folders what looks like YAML, sorted, hidden folders left out. `-` is standard input."""
    for path in paths:
        if path == STDIN or not Path(path).is_dir():
            yield path
            continue
        found = list(within(Path(path)))
        if not found:
            raise Ending(f"{path}: no file in it ends with {', '.join(sorted(SUFFIXES))}", Code.Unusable)
        yield from found


def within(folder: Path) -> Iterator[str]:
    count = 0
    for root, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if Path(name).suffix not in SUFFIXES:
                continue
            count += 1
            if count > MAX_FILES:
                raise Ending(f"{folder}: more than {MAX_FILES} files; lint its parts one by one", Code.Unusable)
            yield str(Path(root, name))


def unreadable(error: OSError) -> None:
    raise Ending(f"{error.filename}: cannot be read: {error.strerror}", Code.Unusable) from error


def load(name: str) -> bytes:
    """At most one byte more than `read` takes, whatever the size of the file."""
    if name == STDIN:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        with open(name, "rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Ending(f"{name}: cannot be read: {error.strerror}", Code.Unusable) from error


def lint_text(name: str, data: bytes) -> tuple[list[Part], list[Finding]]:
    """The objects of stanch in one file, and what is wrong with them."""
    try:
        parts = [part for document in read(data) for part in objects(name, document)]
    except Unreadable as error:
        line, column = error.place.line, error.place.column
        return [], [Finding(name, line, column, Severity.error, error.message, error.hint)]
    found = [part.finding(problem) for part in parts for problem in problems(part.value)]
    return parts, [*found, *twice(parts)]


def objects(name: str, document: Document) -> Iterator[Part]:
    """What is of stanch's API group; a List is looked into. GitOps folders hold much else, which is none of our business."""
    value = document.value
    if not isinstance(value, dict):
        return
    items = value.get("items") if str(value.get("kind", "")).endswith("List") else None
    inside = [(f"items[{place}]", item) for place, item in enumerate(items)] if isinstance(items, list) else [("", value)]
    for root, item in inside:
        if isinstance(item, dict) and str(item.get("apiVersion", "")).partition("/")[0] == GROUP:
            yield Part(name, document, root, item)


def problems(value: dict[str, Any]) -> Iterator[Problem]:
    metadata = value.get("metadata")
    named = isinstance(metadata, dict) and (metadata.get("name") or metadata.get("generateName"))
    if not isinstance(named, str):
        yield rules.error("metadata.name", "is required", "give the object a name")
    yield from rules.lint_document(value)


def twice(parts: list[Part]) -> Iterator[Finding]:
    """Two objects of one name in one file: the later would silently replace the earlier."""
    seen: dict[tuple[str, ...], Place] = {}
    for part in parts:
        metadata = part.value.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        if not name:
            continue
        key = tuple(str(word) for word in (part.value.get("kind"), metadata.get("namespace", ""), name))
        here = part.document.place(part.root)
        first = seen.setdefault(key, here)
        if first != here:
            message = f"{key[0]} {name} stands in this file twice, first on line {first.line}"
            yield part.finding(rules.error("metadata.name", message, "the later one would replace the earlier"))


def show(linted: Linted, output: Format) -> None:
    findings, count = sorted(linted.findings), len(linted.parts)
    errors = sum(finding.severity == Severity.error for finding in findings)
    totals = {"files": linted.files, "objects": count, "errors": errors, "warnings": len(findings) - errors}
    shown, hidden = findings[:MAX_FINDINGS], len(findings[MAX_FINDINGS:])
    if output is Format.json:
        say_json({**totals, "hidden": hidden, "problems": [asdict(finding) for finding in shown]})
        return
    for finding in shown:
        say(str(finding))
    if hidden:
        say(f"… {hidden} more")
    say(f"{count} objects in {linted.where}: {errors} errors, {totals['warnings']} warnings")

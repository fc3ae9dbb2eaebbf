"""The one source of what is shipped: the kustomizations, read as `kubectl kustomize` reads them, as far as they use it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.model import ClusterError

ROOT = Path(__file__).resolve().parents[2]
Object = dict[str, Any]
# What the rest of a kustomization would do nobody does here: it is refused, not passed over.
KNOWN = {"apiVersion", "kind", "resources", "labels", "patches"}


@dataclass(frozen=True)
class File:
    """`path` is its path below the checkout."""

    path: str
    documents: tuple[Object, ...]


def identity(document: Object) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


def files(folder: str) -> list[File]:
    """The files that the kustomization in this folder of the checkout lists, with the labels that it gives them.

    Raises ClusterError where it does something else, too.
    """
    kustomization = _kustomization(folder)
    labels = {key: value for given in kustomization.get("labels", ()) for key, value in given["pairs"].items()}
    return [_file(f"{folder}/{name}", labels) for name in kustomization["resources"]]


def patches(folder: str) -> list[Object]:
    return [yaml.safe_load(patch["patch"]) for patch in _kustomization(folder).get("patches", ())]


def _kustomization(folder: str) -> Object:
    path = f"{folder}/kustomization.yaml"
    said = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    given = {key for labels in said.get("labels", ()) for key in labels}
    if unknown := (said.keys() - KNOWN) | (given - {"pairs"}):
        raise ClusterError(f"{path}: the chart's generator does not know {sorted(unknown)}; teach it in tests/chart/source.py")
    return said


def _file(path: str, labels: dict[str, str]) -> File:
    text = (ROOT / path).read_text(encoding="utf-8")
    return File(path, tuple(_labelled(document, labels) for document in yaml.safe_load_all(text)))


def _labelled(document: Object, labels: dict[str, str]) -> Object:
    made = copy.deepcopy(document)
    if labels:
        made["metadata"]["labels"] = {**made["metadata"].get("labels", {}), **labels}
    return made


def place(document: Object, path: str) -> tuple[Any, str | int]:
    """What holds the value at a path like `spec.containers.0.image`, and the key there. Raises ClusterError."""
    *way, last = (int(part) if part.isdigit() else part for part in path.split("."))
    holder: Any = document
    try:
        for key in way:
            holder = holder[key]
        holder[last]
    except (KeyError, IndexError, TypeError) as missing:
        raise ClusterError(f"{identity(document)}: has no {path}; change tests/chart/places.py with it") from missing
    return holder, last


def at(document: Object, path: str) -> Any:
    holder, key = place(document, path)
    return holder[key]


def every(read: list[File]) -> Iterator[Object]:
    return (document for file in read for document in file.documents)

"""The component `single-namespace` as the value `watch.namespaces`: what it takes away, what it binds, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.chart.source import Object, at, every, files, identity, patches
from tests.chart.template import Inline, Lines
from tests.cluster.model import ClusterError

COMPONENT = "manifests/components/single-namespace"
# The namespace that the component names.
EXAMPLE = "aureus"
VALUE = "$.Values.watch.namespaces"
ENV = "spec.template.spec.containers.0.env"


@dataclass(frozen=True)
class Watched:
    """Objects that are there only when all namespaces are watched; variables of the operator; what each namespace gets."""

    without: frozenset[str]
    variables: tuple[Lines, ...]
    each: tuple[Object, ...]


def watched() -> Watched:
    """Raises ClusterError where the component does something that is not known here."""
    said = patches(COMPONENT)
    without = frozenset(identity(patch) for patch in said if patch.get("$patch") == "delete")
    variables = [variable for patch in said if "$patch" not in patch for variable in at(patch, ENV)]
    each = tuple(_of_each(document) for document in every(files(COMPONENT)))
    return Watched(without, tuple(_told(variable) for variable in variables), each)


def _told(variable: dict[str, Any]) -> Lines:
    if variable.get("value") != EXAMPLE:
        raise ClusterError(f"{COMPONENT}: {variable['name']} is not the namespace {EXAMPLE}; teach tests/chart/namespaces.py")
    said = f'- {{name: {variable["name"]}, value: {{{{ join " " . | quote }}}}}}'
    return Lines(f"{{{{- with {VALUE} }}}}\n{said}\n{{{{- end }}}}")


def _of_each(document: Object) -> Object:
    if document["metadata"]["namespace"] != EXAMPLE:
        raise ClusterError(f"{COMPONENT}: {identity(document)} is not in {EXAMPLE}; teach tests/chart/namespaces.py")
    return {**document, "metadata": {**document["metadata"], "namespace": Inline("{{ . | quote }}")}}

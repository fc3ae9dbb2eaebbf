"""The components `high-availability` and `object-store` as values: more than one replica, and the evidence in a bucket."""

from __future__ import annotations

import json
from typing import Any

import yaml

from tests.chart.source import Object, at, identity, patches
from tests.chart.template import Inline, Lines
from tests.cluster.model import ClusterError

SEVERAL, STORE, SHARED = (f"manifests/components/{name}" for name in ("high-availability", "object-store", "shared-volume"))
SOME = "gt (int $.Values.replicas) 1"
URL = "$.Values.packs.url"
# By the variable that the component sets, the value that is given here; it is there where the value is.
VARIABLES = {"STANCH_PACKS_REGION": "packs.region", "STANCH_PACKS_ENDPOINT": "packs.endpoint"}
PRIVATE = (
    "replicas: several need one place for the evidence: packs.url (s3://bucket/prefix), or packs.accessMode ReadWriteMany with a"
    " packs.storageClass that has it"
)


def patched(folder: str, name: str) -> Object:
    """What the component says about this object. Raises ClusterError where it says nothing."""
    for patch in patches(folder):
        if identity(patch) == name:
            return patch
    raise ClusterError(f"{folder}: has no patch of {name}; change tests/chart/replicas.py with it")


def strategy(one: Object) -> Inline:
    """Of the Deployment: the one that is there, or where there are several that of the component."""
    several = json.dumps(at(patched(SEVERAL, "Deployment/stanch"), "spec.strategy"))
    return Inline(f"{{{{- if {SOME} }}}} {several}{{{{ else }}}} {json.dumps(one)}{{{{ end }}}}")


def ready_seconds() -> Lines:
    return Lines(f"{{{{- if {SOME} }}}}\nminReadySeconds: {at(_several(), 'spec.minReadySeconds')}\n{{{{- end }}}}")


def spread() -> str:
    said = yaml.safe_dump(at(_several(), "spec.template.spec.topologySpreadConstraints"), default_flow_style=True, width=10_000)
    return f"{{{{- if {SOME} }}}}\ntopologySpreadConstraints: {said.strip()}\n{{{{- end }}}}"


def on_a_volume(item: Object) -> Lines:
    """An item that is there while the evidence lies on a volume."""
    said = yaml.safe_dump(item, default_flow_style=True, width=10_000).strip()
    return Lines(f"{{{{- if not {URL} }}}}\n- {said}\n{{{{- end }}}}")


def url(folder: str) -> Inline:
    """Where the evidence lies: the folder on the volume, where no bucket is given."""
    return Inline(f"{{{{ {URL} | default {json.dumps(folder)} | quote }}}}")


def variables() -> tuple[Lines, ...]:
    """Of the operator: those of the component by which a bucket is reached, and what it leaves to people to add."""
    told = {variable["name"] for variable in at(_container(), "env")} - {"STANCH_PACKS"}
    if not told <= VARIABLES.keys():
        raise ClusterError(f"{STORE}: {sorted(told - VARIABLES.keys())} are no values of the chart; teach tests/chart/replicas.py")
    return tuple(_variable(name, path) for name, path in VARIABLES.items())


def credentials() -> Lines:
    """The same Secret as the component's, under a name of one's own."""
    (source,) = at(_container(), "envFrom")
    default = source["secretRef"].pop("name")
    said = json.dumps(source["secretRef"])[1:-1]
    name = f"{{{{ $.Values.packs.secret | default {json.dumps(default)} | quote }}}}"
    return Lines(f'{{{{- if {URL} }}}}\nenvFrom: [{{secretRef: {{"name": {name}, {said}}}}}]\n{{{{- end }}}}')


def refused() -> str:
    """Several replicas, each of which would have its own evidence."""
    private = f'and ({SOME}) (not {URL}) (ne $.Values.packs.accessMode "ReadWriteMany")'
    return f"{{{{- if {private} }}}}\n{{{{- fail {json.dumps(PRIVATE)} }}}}\n{{{{- end }}}}\n"


def _several() -> Object:
    return patched(SEVERAL, "Deployment/stanch")


def _container() -> dict[str, Any]:
    return at(patched(STORE, "Deployment/stanch"), "spec.template.spec.containers.0")


def _variable(name: str, path: str) -> Lines:
    return Lines(f"{{{{- with $.Values.{path} }}}}\n- {{name: {name}, value: {{{{ . | quote }}}}}}\n{{{{- end }}}}")

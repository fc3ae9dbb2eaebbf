"""The component `own-object-store` as values: a server of one's own, the CA that vouches for it, and the ports that are let out."""

from __future__ import annotations

import json
from typing import Any

import yaml

from tests.chart.source import Object, at, identity, patches
from tests.chart.template import Lines
from tests.cluster.model import ClusterError

COMPONENT = "manifests/components/own-object-store"
ENDPOINT, CA = "STANCH_PACKS_ENDPOINT", "STANCH_PACKS_CA"
VALUE = "$.Values.packs.ca"
GIVEN = f"or {VALUE}.configMap {VALUE}.secret"
PORTS = "networkPolicy.egressPorts"
BOTH = "packs.ca: the name of a configMap or of a secret, not both"


def refused() -> str:
    return f"{{{{- if and {VALUE}.configMap {VALUE}.secret }}}}\n{{{{- fail {json.dumps(BOTH)} }}}}\n{{{{- end }}}}\n"


def variable() -> Lines:
    told = {one["name"]: one for one in _container()["env"]}
    if told.keys() != {ENDPOINT, CA}:
        raise ClusterError(f"{COMPONENT}: expected the variables {ENDPOINT} and {CA}; teach tests/chart/own_store.py")
    return _where_given(f"- {_flow(told[CA])}")


def mount() -> Lines:
    (mount,) = _container()["volumeMounts"]
    return _where_given(f"- {_flow(mount)}")


def volume() -> Lines:
    """Of a ConfigMap as in the component, or of a Secret."""
    volume = _volume()
    (item,) = volume["configMap"]["items"]
    items = f"items: [{{key: {{{{ .key | quote }}}}, path: {item['path']}}}]"
    return _where_given(
        f"- name: {volume['name']}\n"
        f"  {{{{- with {VALUE} }}}}\n"
        "  {{- if .configMap }}\n"
        f"  configMap: {{name: {{{{ .configMap | quote }}}}, {items}}}\n"
        "  {{- else }}\n"
        f"  secret: {{secretName: {{{{ .secret | quote }}}}, {items}}}\n"
        "  {{- end }}\n"
        "  {{- end }}"
    )


def key() -> str:
    """Of the component's ConfigMap."""
    return _volume()["configMap"]["items"][0]["key"]


def ports(one: Object) -> Lines:
    """Each as the one that the component lets out."""
    said = " ".join(f"{key}: {value}," for key, value in one.items() if key != "port")
    return Lines(f"{{{{- range $.Values.{PORTS} }}}}\n- {{{said} port: {{{{ int . }}}}}}\n{{{{- end }}}}")


def _where_given(text: str) -> Lines:
    return Lines(f"{{{{- if {GIVEN} }}}}\n{text}\n{{{{- end }}}}")


def _flow(item: Object) -> str:
    return yaml.safe_dump(item, default_flow_style=True, sort_keys=False, width=10_000).strip()


def _volume() -> Object:
    (volume,) = _pod()["volumes"]
    return volume


def _container() -> dict[str, Any]:
    return _pod()["containers"][0]


def _pod() -> dict[str, Any]:
    (patch,) = patches(COMPONENT)
    if identity(patch) != "Deployment/stanch":
        raise ClusterError(f"{COMPONENT}: expected a patch of Deployment/stanch alone; teach tests/chart/own_store.py")
    return at(patch, "spec.template.spec")

"""How the Helm chart is made; that it renders to what the kustomizations are, `tests/contract/test_chart.py` shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.chart import own_store, source
from tests.chart.__main__ import PROSE, write
from tests.chart.chart import BY, chart
from tests.chart.namespaces import EXAMPLE
from tests.chart.places import NAMESPACE
from tests.chart.template import Inline, Lines, escaped, template
from tests.cluster.model import ClusterError
from tests.unit.source_tree import ROOT


def test_every_file_says_in_its_first_line_that_it_is_generated_and_of_what() -> None:
    for name, text in chart().items():
        assert BY in text.splitlines()[0], name


def test_no_namespace_is_named_but_that_of_the_release() -> None:
    assert not [name for name, text in chart().items() if NAMESPACE in text or EXAMPLE in text]


def test_the_chart_has_the_version_of_what_it_installs() -> None:
    made = chart()
    about, values = yaml.safe_load(made["Chart.yaml"]), yaml.safe_load(made["values.yaml"])
    assert about["version"] == about["appVersion"] == values["image"]["tag"]


def test_what_comes_before_uninstalling_is_the_operator_s_own_image() -> None:
    files = (ROOT / "manifests" / name for name in ("operator/deployment.yaml", "uninstall/job.yaml"))
    containers = [yaml.safe_load(file.read_text())["spec"]["template"]["spec"]["containers"][0] for file in files]
    operator, job = ([container[key] for key in ("image", "imagePullPolicy")] for container in containers)
    assert operator == job


def test_every_value_is_known_to_the_schema_and_no_other() -> None:
    made = chart()
    schema = json.loads(made["values.schema.json"])

    def paths(values: object, schema: dict[str, object]) -> object:
        if not isinstance(values, dict) or "properties" not in schema:
            return None
        assert schema["additionalProperties"] is False
        known = {key: part for key, part in schema["properties"].items() if key != "global"}  # type: ignore[attr-defined]
        assert values.keys() == known.keys()
        return [paths(values[key], part) for key, part in known.items()]

    paths(yaml.safe_load(made["values.yaml"]), schema)


def test_braces_of_an_object_s_own_are_escaped_and_nothing_else() -> None:
    assert escaped("a {{ $value }} b }}") == 'a {{ "{{" }} $value }} b }}'
    said = {"kind": "CustomResourceDefinition", "description": "{{ .x }} is refused", "n": Inline("{{ .n }}")}
    assert template(said) == ("{kind: CustomResourceDefinition, description: '{{ \"{{\" }} .x }} is refused', n: {{ .n }}}\n")


def test_lines_stand_alone_where_an_item_or_a_key_would() -> None:
    made = template({"a": [Lines("{{- if x }}\n- 1\n{{- end }}"), {"b": 2}], "c": {Lines("{{ y }}"): None, "d": 3}})
    assert made == "a:\n{{- if x }}\n- 1\n{{- end }}\n- {b: 2}\nc:\n  {{ y }}\n  d: 3\n"


def test_a_place_that_is_not_there_any_more_is_named() -> None:
    deployment = {"kind": "Deployment", "metadata": {"name": "stanch"}, "spec": {"containers": []}}
    with pytest.raises(ClusterError, match=r"Deployment/stanch: has no spec.containers.0.image; change tests/chart/places.py"):
        source.place(deployment, "spec.containers.0.image")


def test_a_component_that_says_more_than_the_chart_knows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = (ROOT / own_store.COMPONENT / "kustomization.yaml").read_text()
    (tmp_path / own_store.COMPONENT).mkdir(parents=True)
    (tmp_path / own_store.COMPONENT / "kustomization.yaml").write_text(said.replace("STANCH_PACKS_CA", "STANCH_PACKS_KEY"))
    monkeypatch.setattr(source, "ROOT", tmp_path)
    with pytest.raises(ClusterError, match=r"own-object-store: expected the variables .* teach tests/chart/own_store.py"):
        own_store.variable()


@pytest.mark.parametrize("more", ["namePrefix: a-", "labels: [{pairs: {a: b}, includeSelectors: true}]"])
def test_what_a_kustomization_does_beyond_what_is_known_is_refused(
    more: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "ROOT", tmp_path)
    (tmp_path / "kustomization.yaml").write_text(f"resources: []\n{more}\n")
    with pytest.raises(ClusterError, match="does not know"):
        source.files(".")


def test_what_was_generated_before_goes_and_what_people_wrote_stays(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    for name in ("old.yaml", PROSE):
        (tmp_path / "templates" / name).write_text("a")
    write(tmp_path)
    assert not (tmp_path / "templates/old.yaml").exists() and (tmp_path / "templates" / PROSE).read_text() == "a"
    shipped = {path.relative_to(ROOT / "manifests/chart") for path in (ROOT / "manifests/chart").rglob("*") if path.is_file()}
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()} == shipped

"""The CRDs are what the models say, bounded, described, and small enough for plain `kubectl apply`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, Field

from stanch.actions.registry import ACTIONS
from stanch.api import crds
from stanch.api.kinds import KINDS, Kind, playbook_kind
from stanch.api.playbook import build
from stanch.api.schema import NotStructural, schema_of
from stanch.checks.registry import CHECKS
from stanch.evidence.registry import SOURCES

COMMITTED = Path(__file__).parents[2] / "crds"
LIMIT = 200 * 1024
IN_THE_ROOT = {"apiVersion", "kind", "metadata"}


def with_actions(count: int) -> Kind:
    undo = ACTIONS["rolloutUndo"]
    actions = [replace(undo, name=f"syntheticAction{number}") for number in range(count)]
    return playbook_kind(build(actions, CHECKS.values(), SOURCES.values()))


def root(kind: Kind) -> dict[str, Any]:
    return crds.crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema inside, with its path."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if key in schema:
            yield from nodes(schema[key], path + mark)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_committed_file_is_what_the_models_say(kind: Kind) -> None:
    committed = (COMMITTED / f"{kind.plural}.yaml").read_text()
    assert committed == crds.render(kind), "run: python -m stanch.api.crds crds/"


def test_nothing_else_is_committed() -> None:
    assert {path.stem for path in COMMITTED.glob("*.yaml")} == {"kustomization", *(kind.plural for kind in KINDS)}


def test_writing_makes_the_same_files(tmp_path: Path) -> None:
    crds.write(tmp_path / "crds")
    made = {path.name: path.read_text() for path in (tmp_path / "crds").iterdir()}
    assert made == {path.name: path.read_text() for path in COMMITTED.glob("*.yaml")}


@pytest.mark.parametrize("kind", [*KINDS, with_actions(30)], ids=lambda kind: kind.name)
def test_each_fits_into_an_annotation(kind: Kind) -> None:
    assert len(crds.render(kind).encode()) < LIMIT


def test_a_step_is_typed_by_every_action() -> None:
    step = root(with_actions(30))["properties"]["spec"]["properties"]["options"]["items"]["properties"]["steps"]["items"]
    assert {f"syntheticAction{number}" for number in range(30)} < step["properties"].keys()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_property_is_described(kind: Kind) -> None:
    silent = [
        path
        for path, schema in nodes(root(kind))
        if not path.endswith(("[]", "{}")) and path.strip(".") not in IN_THE_ROOT and not schema.get("description")
    ]
    assert silent == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_everything_is_bounded(kind: Kind) -> None:
    assert [path for path, schema in nodes(root(kind)) if path.strip(".") not in IN_THE_ROOT and unbounded(schema)] == []


def unbounded(schema: dict[str, Any]) -> bool:
    if schema.get("type") == "string":
        return not schema.keys() & {"maxLength", "enum", "format"}
    if schema.get("type") == "array":
        return "maxItems" not in schema
    return "additionalProperties" in schema and "maxProperties" not in schema


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_schema_is_structural(kind: Kind) -> None:
    for path, schema in nodes(root(kind)):
        assert not schema.keys() & {"$ref", "anyOf", "oneOf", "allOf", "title", "const", "patternProperties"}, path
        assert "type" in schema or schema.get("x-kubernetes-int-or-string"), path
        assert schema.get("additionalProperties") is not False, path


def test_what_people_type_and_see() -> None:
    names = {kind.name: crds.crd(kind)["spec"]["names"] for kind in KINDS}
    assert {name: said["shortNames"] for name, said in names.items()} == {
        "Incident": ["inc"], "Playbook": ["pb"], "ResponsePolicy": ["rp"], "Decision": ["dec"],
    }  # fmt: skip
    assert all(said["categories"] == ["stanch"] for said in names.values())
    columns = crds.crd(KINDS[0])["spec"]["versions"][0]["additionalPrinterColumns"]
    shown = [column["name"] for column in columns if "priority" not in column]
    assert shown == ["Sev", "Phase", "Playbook", "At", "Waits For", "Until", "Reverts", "Age"]


def test_columns_look_at_fields_that_exist() -> None:
    for kind in KINDS:
        paths = {path for path, _ in nodes(root(kind))}
        looked_at = [re.sub(r"\[\?\(.*?\)\]", "[]", column.path) for column in kind.columns] + list(kind.selectable)
        unknown = [path for path in looked_at if path not in paths and not path.startswith(".metadata")]
        assert unknown == []


class Inner(BaseModel):
    text: str


class Outer(BaseModel):
    either: int | str = Field(default=1, description="a number or a name")
    maybe: Inner | None = Field(default=None, description="of its own")
    empty: list[str] = []
    on: bool = False


def test_the_transformer_says_unions_nulls_and_defaults_as_crds_do() -> None:
    schema = schema_of(Outer)["properties"]
    assert schema["either"] == {
        "description": "a number or a name", "default": 1, "x-kubernetes-int-or-string": True,
    }  # fmt: skip
    assert schema["maybe"]["description"] == "of its own"
    assert schema["maybe"]["properties"]["text"] == {"type": "string", "maxLength": 1024}
    assert "default" not in schema["empty"]
    assert schema["on"]["default"] is False
    assert "default" not in schema_of(Outer, defaults=False)["properties"]["on"]


class Tree(BaseModel):
    children: list[Tree] = []


class Union(BaseModel):
    one: Inner | Outer


class Anything(BaseModel):
    any: object


@pytest.mark.parametrize(
    ("model", "why"),
    [(Tree, r"Tree contains itself"), (Union, r"\.one: a union"), (Anything, r"\.any: no type")],
)
def test_what_a_crd_cannot_say_is_refused(model: type[BaseModel], why: str) -> None:
    with pytest.raises(NotStructural, match=why):
        schema_of(model)


def test_the_files_are_plain_yaml() -> None:
    for path in COMMITTED.glob("*.yaml"):
        text = path.read_text()
        assert text.startswith("# generated")
        assert yaml.safe_load(text)["kind"] == ("Kustomization" if path.stem == "kustomization" else "CustomResourceDefinition")
        assert "&id" not in text

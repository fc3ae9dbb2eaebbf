"""pydantic's JSON schema -> a structural schema as a CustomResourceDefinition wants it.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from stanch.domain.duration import spell

Schema = dict[str, Any]

# Said by pydantic, not taken by (or of no use to) the API server. Unknown fields are pruned, or refused by strict clients.
DROPPED = {"title", "$defs", "additionalProperties", "const", "anyOf", "allOf", "oneOf", "discriminator", "examples"}
# Bound of a string whose field says none.
TEXT = 1024
FIRST = ("type", "description", "enum", "default")


class NotStructural(ValueError):
    """The model says something that a CRD cannot."""


class _Generator(GenerateJsonSchema):
    """Spells the defaults of durations as Kubernetes does."""

    def encode_default(self, dft: Any) -> Any:
        return spell(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def schema_of(model: Any, *, defaults: bool = True) -> Schema:
    """The structural schema of a pydantic model or of a dataclass, see `structural`."""
    adapter = TypeAdapter(model)
    return structural(adapter.json_schema(by_alias=True, schema_generator=_Generator), defaults=defaults)


def structural(schema: Mapping[str, Any], *, defaults: bool = True) -> Schema:
    """The structural schema of a pydantic schema. Raises NotStructural with the path of what cannot be said.

    Defaults that are empty say nothing and are not kept; without `defaults` none is (a status: what is absent is default).
    """
    return _Transformer(schema.get("$defs", {}), defaults).transform(schema, "", ())


class _Transformer:
    def __init__(self, definitions: Mapping[str, Any], defaults: bool) -> None:
        self._definitions = definitions
        self._defaults = defaults

    def transform(self, schema: Mapping[str, Any], path: str, within: tuple[str, ...]) -> Schema:
        schema, within = self._inline(schema, path, within)
        schema, within = self._without_null(schema, path, within)
        kept = {key: value for key, value in schema.items() if key not in DROPPED}
        if "const" in schema:
            kept["enum"] = [schema["const"]]
        if not self._defaults or kept.get("default") in (None, "", [], {}):
            kept.pop("default", None)
        return _in_order(self._typed(kept, schema, path, within))

    def _inline(self, schema: Mapping[str, Any], path: str, within: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
        """Follows `$ref`; what stands beside the reference wins over what it points to."""
        merged = dict(schema)
        while reference := merged.pop("$ref", None):
            name = reference.removeprefix("#/$defs/")
            if name in within:
                raise NotStructural(f"{path or 'the root'}: {name} contains itself; a CRD cannot be recursive")
            within = (*within, name)
            merged = {**self._definitions[name], **merged}
        return merged, within

    def _without_null(self, schema: Schema, path: str, within: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
        """`X | None` -> X, `int | str` -> int-or-string. Any other union has no structural form."""
        branches = [branch for branch in schema.get("anyOf", schema.get("oneOf", [])) if branch.get("type") != "null"]
        if not branches:
            return schema, within
        rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
        if len(branches) == 1:
            return self._inline({**branches[0], **rest}, path, within)
        if {branch.get("type") for branch in branches} == {"integer", "string"}:
            bounds = {key: value for branch in branches for key, value in branch.items() if key != "type"}
            return {**bounds, **rest, "x-kubernetes-int-or-string": True}, within
        raise NotStructural(f"{path or 'the root'}: a union; make it an object with one optional field for each case")

    def _typed(self, kept: Schema, schema: Schema, path: str, within: tuple[str, ...]) -> Schema:
        match kept.get("type"):
            case "object":
                return self._object(kept, schema, path, within)
            case "array":
                kept["items"] = self.transform(schema["items"], f"{path}[]", within)
            case "string" if not kept.keys() & {"maxLength", "enum", "format"}:
                kept["maxLength"] = TEXT
            case None if "x-kubernetes-int-or-string" not in kept:
                raise NotStructural(f"{path or 'the root'}: no type")
        return kept

    def _object(self, kept: Schema, schema: Schema, path: str, within: tuple[str, ...]) -> Schema:
        names = kept.pop("propertyNames", {})
        values = schema.get("additionalProperties")
        if patterns := kept.pop("patternProperties", None):
            ((pattern, values),) = patterns.items()
            names = {**names, "pattern": pattern}
        if isinstance(values, Mapping):
            kept["additionalProperties"] = self.transform(values, f"{path}{{}}", within)
            _bound_keys(kept, names)
        if "properties" in schema:
            kept["properties"] = {
                name: self.transform(value, f"{path}.{name}", within) for name, value in schema["properties"].items()
            }
        return kept


def _in_order(schema: Schema) -> Schema:
    """What a person looks for first stands first."""
    return {key: schema[key] for key in (*FIRST, *schema) if key in schema}


def _bound_keys(kept: Schema, names: Mapping[str, Any]) -> None:
    """Says in CEL what the keys of a map must be: a structural schema has neither propertyNames nor patternProperties."""
    bounds = {
        f"size(key) <= {names.get('maxLength')}": ("maxLength", f"keys have at most {names.get('maxLength')} characters"),
        # In three quotes: a pattern may hold one (a header's name may).
        f"key.matches(r'''{names.get('pattern')}''')": ("pattern", f"keys match {names.get('pattern')}"),
    }
    rules = [{"rule": f"self.all(key, {test})", "message": text} for test, (said, text) in bounds.items() if said in names]
    if rules:
        kept["x-kubernetes-validations"] = [*kept.get("x-kubernetes-validations", []), *rules]

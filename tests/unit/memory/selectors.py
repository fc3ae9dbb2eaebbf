"""Label and field selectors, as the API server reads them."""

from __future__ import annotations

import re
from typing import Any

from stanch.engine.errors import Refused

_TERM = re.compile(r"\s*(?P<key>[\w./-]+)\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)\s*$")
_COMMA = re.compile(r",(?![^(]*\))")


def labels_match(selector: str, labels: dict[str, str]) -> bool:
    return all(_label_term(term, labels) for term in _COMMA.split(selector) if selector)


def _label_term(term: str, labels: dict[str, str]) -> bool:
    if found := _TERM.match(term):
        values = {value.strip() for value in found["values"].split(",")}
        return (labels.get(found["key"]) in values) == (found["op"] == "in")
    for operator in ("!=", "==", "="):
        key, middle, value = term.partition(operator)
        if middle:
            return (labels.get(key.strip()) == value.strip()) == (operator != "!=")
    name = term.strip()
    return name[1:] not in labels if name.startswith("!") else name in labels


def fields_match(selector: str, item: dict[str, Any], selectable: frozenset[str]) -> bool:
    """`Refused` for a field that the API server does not index for this kind."""
    return all(_field_term(term, item, selectable) for term in selector.split(",") if selector)


def _field_term(term: str, item: dict[str, Any], selectable: frozenset[str]) -> bool:
    path, operator, value = re.split(r"(!=|==|=)", term, maxsplit=1)
    if path not in selectable:
        raise Refused("Invalid", f"field label not supported: {path}")
    return (_at(item, path) == value) == (operator != "!=")


def _at(item: Any, path: str) -> str:
    for part in path.split("."):
        item = item.get(part, "") if isinstance(item, dict) else ""
    return str(item).lower() if isinstance(item, bool) else str(item)

"""`nameFrom`: the name of a target with facts of the incident filled in. They may come from an alert: data, never syntax."""

from __future__ import annotations

import re

from stanch.api.base import SUBDOMAIN_PATTERN
from stanch.domain.incident import Facts
from stanch.domain.record import SHORT
from stanch.engine.errors import Refused

_PLACE = re.compile(r"\$\{incident\.([^}]+)\}")


def object_name(template: str, facts: Facts) -> str:
    """`template` filled in. Raises `Refused` (NameUnknown) when a fact is missing or the result is no name of an object."""
    name = _PLACE.sub(lambda place: _fact(place[1], template, facts), template)
    if len(name) > SHORT or not re.fullmatch(SUBDOMAIN_PATTERN, name):
        raise Refused("NameUnknown", f"{template!r} gives {name!r}, which is not the name of an object")
    return name


def _fact(key: str, template: str, facts: Facts) -> str:
    found = facts.component if key == "component" else facts.labels.get(key.removeprefix("labels."), "")
    if not found:
        where = "spec.component" if key == "component" else f"metadata.labels[{key.removeprefix('labels.')}]"
        raise Refused("NameUnknown", f"{template!r}: the Incident has no {where}; set it")
    return found

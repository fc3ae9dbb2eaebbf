"""How a domain value says, beside its fields, what each field means and how long it may grow.

The words and bounds stand once, here in the metadata of the dataclass field: `api` reads them to generate the CRDs and to
turn values into JSON and back. `metadata` keys are those of JSON Schema in pydantic's spelling.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, field
from typing import Any, ClassVar

SHORT = 253
TEXT = 1024


def camel(name: str) -> str:
    """`phase_since` -> `phaseSince`: the spelling of Kubernetes' API conventions."""
    head, *tail = name.split("_")
    return head + "".join(part.title() for part in tail)


class Record:
    """Base of every value that is stored: tells pydantic (which only `api` imports) to spell the fields in camelCase."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"alias_generator": camel, "validate_by_name": True}


def doc(description: str, *, default: Any = MISSING, factory: Any = MISSING, **bounds: Any) -> Any:
    """A dataclass field with its description and bounds (`max_length`, `ge`, `le`, `pattern`)."""
    metadata = {"description": description, **bounds}
    if factory is not MISSING:
        return field(default_factory=factory, metadata=metadata)
    if default is not MISSING:
        return field(default=default, metadata=metadata)
    return field(metadata=metadata)

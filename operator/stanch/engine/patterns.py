"""Patterns over text that nobody here has written: RE2's, whose time is linear in the text. Python's can be made to run for ever.

https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

from typing import Annotated

import re2
from pydantic import AfterValidator, Field

from stanch.domain.record import SHORT

# What one pattern may take; a larger one does not compile.
MEMORY = 1024 * 1024
SHOWN = 200


def compiled(pattern: str) -> re2._Regexp:
    """For bytes. Raises `re2.error`."""
    options = re2.Options()
    options.max_mem = MEMORY
    options.log_errors = False
    return re2.compile(pattern.encode(), options)


def _compiles(text: str) -> str:
    try:
        compiled(text)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        why = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise ValueError(f"is no pattern of RE2: {why[:SHOWN]}") from error
    return text


Pattern = Annotated[str, Field(min_length=1, max_length=SHORT), AfterValidator(_compiles)]


def first(pattern: str, data: bytes) -> bytes | None:
    """The first group of the first match, or the whole match where the pattern has no group; None: it does not match."""
    found = compiled(pattern).search(data)
    if found is None:
        return None
    return found.group(1) if found.re.groups else found.group(0)

"""What a check makes of what it measured, in CEL: over a value and its baseline, or over a whole object. Fails closed.

`value` is what was measured now, `baseline` what was measured before the first change; a name that has no value makes the
whole expression `Failed`. Numbers do not mix: `baseline * 2` of a Number is `baseline * 2.0` (comparisons mix freely).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel

from stanch.domain.plan import FactType
from stanch.domain.record import SHORT, TEXT
from stanch.engine.cel_cost import too_costly
from stanch.engine.cel_library import environment, finite, readable
from stanch.engine.expressions import Failed, plain
from stanch.engine.parts import Value
from stanch.engine.ports import Object


@dataclass(frozen=True)
class Code:
    """Marks a parameter whose text is code (CEL, a query, a pattern): no template fills it in, or an alert's text would become
    code too."""


OBJECT_BYTES = 256 * 1024
# Of so many expressions it is remembered what they compile to.
COMPILED = 256
MESSAGE = 200
# In JSON. Before it stands no backslash that makes this a backslash and digits.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
MEASURED = frozenset({"value", "baseline"})

# What an expectation is tried with when it is read, so that types which do not fit are found then.
_PROBES: Mapping[FactType, tuple[Value, ...]] = {
    FactType.String: ("", "x"),
    FactType.Integer: (0, 2**40),
    FactType.Number: (0.0, 1e12),
    FactType.Boolean: (False, True),
}
_MIXED = "No matching overloads"
_NO_CONDITION = "not true or false; compare it with something"


def fault_of_expectation(text: str, type: FactType) -> str:
    """Why `text` is no condition over `value` and `baseline` of this type; empty: it is one."""
    compiled = _compiled(text, False)
    if isinstance(compiled, Failed):
        return compiled.message
    tried = (meets(text, value, baseline) for value in _PROBES[type] for baseline in _PROBES[type])
    faults = (result.message for result in tried if isinstance(result, Failed))
    return next((fault for fault in faults if _MIXED in fault or _NO_CONDITION in fault), "")


def meets(text: str, value: Value, baseline: Value | None) -> bool | Failed:
    """Whether what was measured is as expected."""
    return _boolean(_value(_compiled(text, False), _measured(value, baseline)))


def fault_on_object(text: str, *, condition: bool) -> str:
    """Why `text` is no expression (or condition) over `object`, `value` and `baseline`; empty: it is one."""
    compiled = _compiled(text, True)
    if isinstance(compiled, Failed):
        return compiled.message
    wrong = condition and compiled.return_type() not in (cel.Type.BOOL, cel.Type.DYN)
    return f"gives {compiled.return_type().name().lower()}, {_NO_CONDITION}" if wrong else ""


def holds_of(text: str, obj: Object, value: Value | None, baseline: Value | None) -> bool | Failed:
    """Whether the condition is true of the object. One larger than 256 KB as JSON is not looked at."""
    return _boolean(look(text, obj, value, baseline))


def look(text: str, obj: Object, value: Value | None = None, baseline: Value | None = None) -> Value | Failed:
    """What the expression gives of the object: text of at most 253 characters, a number, true or false."""
    if why := _unfit(obj):
        return Failed(why)
    return _value(_compiled(text, True), {"object": obj, **_measured(value, baseline)})


def _unfit(obj: Object) -> str:
    try:
        said = json.dumps(obj, ensure_ascii=False, separators=(",", ":"))
        size = len(said.encode())
    except UnicodeEncodeError:
        return "the object holds text that is not valid Unicode"
    except RecursionError:
        return "the object is nested too deeply"
    if size > OBJECT_BYTES:
        return f"the object is {size} bytes large; at most {OBJECT_BYTES} are looked at"
    return "the object holds a NUL, which would end a text for CEL" if _NUL.search(said) else ""


def _measured(value: Value | None, baseline: Value | None) -> dict[str, Any]:
    return {name: one for name, one in (("value", value), ("baseline", baseline)) if one is not None and readable(one)}


@lru_cache(maxsize=COMPILED)
def _compiled(text: str, on_object: bool) -> cel.Expression | Failed:
    if len(text) > TEXT:
        return Failed(f"{len(text)} characters long; at most {TEXT} are taken")
    if not readable(text):
        return Failed("holds a NUL, or is no valid Unicode")
    try:
        compiled = _environment(on_object).compile(text)
    except RuntimeError as error:
        known = ", ".join(sorted(MEASURED | {"object"} if on_object else MEASURED))
        why = plain(str(error))
        return Failed(f"{why}; known names: {known}" if "undeclared reference" in why else why)
    costly = too_costly(compiled.serialize()) if on_object else ""
    return Failed(costly) if costly else compiled


def _value(compiled: cel.Expression | Failed, variables: Mapping[str, Any]) -> Value | Failed:
    return compiled if isinstance(compiled, Failed) else _evaluated(compiled, variables)


def _evaluated(compiled: cel.Expression, variables: Mapping[str, Any]) -> Value | Failed:
    try:
        result = compiled.eval(data=dict(variables))
    except RuntimeError as error:  # budgets are raised; every other failure is returned as a value
        return Failed(_sentence(str(error)))
    if result.type() == cel.Type.ERROR:
        return Failed(_sentence(str(result.value())))
    if result.type() not in _SCALARS:
        return Failed(f"gives {result.type().name().lower()}; expected text, a number, true or false")
    value = result.value()
    if not finite(value):
        return Failed(f"gives {value}, which is no number")
    long = isinstance(value, str) and len(value) > SHORT
    return Failed(f"gives a text of {len(value)} characters; at most {SHORT} are kept") if long else value


def _boolean(value: Value | Failed) -> bool | Failed:
    return value if isinstance(value, bool | Failed) else Failed(f"gave {type(value).__name__}, {_NO_CONDITION}")


def _sentence(message: str) -> str:
    hint = "; types do not mix: beside a fraction write 2.0 instead of 2" if _MIXED in message else ""
    return plain(message)[:MESSAGE] + hint


_SCALARS = (cel.Type.STRING, cel.Type.INT, cel.Type.DOUBLE, cel.Type.BOOL)


@cache
def _environment(on_object: bool) -> cel.Env:
    """`on_object`: with the loops `exists` and `all`, whose cost `cel_cost` limits."""
    macros = "has, exists, all" if on_object else "has"
    names = MEASURED | {"object"} if on_object else MEASURED
    return environment(macros, {name: cel.Type.DYN for name in sorted(names)})

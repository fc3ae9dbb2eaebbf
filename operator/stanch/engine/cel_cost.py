"""What a CEL expression over a whole object may cost: linear in its length and the object's size, or it is refused. Pure.

The library stops loops after 10,000 turns, but neither limits what one turn costs nor what strings are joined to: measured,
`object.l.all(i, size(object.s + object.s + …) > 0)` takes all memory within seconds. So the syntax tree that will be evaluated
is looked at, macros expanded, after it was compiled: functions come from a list, a loop speaks of its own variable only (so
that all its turns together see each part of the object once), texts are searched for literals only, and few are joined.

Tree: https://github.com/google/cel-spec/blob/master/proto/cel/expr/syntax.proto, in the protobuf wire format
(https://protobuf.dev/programming-guides/encoding/), because the library shows it in no other way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MOST_JOINED = 8

_LOGIC = {"_&&_", "_||_", "!_", "_?_:_", "@not_strictly_false", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"}
_SEARCHES = {"contains", "startsWith", "endsWith", "matches"}
IN_LOOPS = frozenset(_LOGIC | {"@in", "_[_]", "size", "_-_", "-_", "contains", "startsWith", "endsWith"})
EVERYWHERE = IN_LOOPS | {"_+_", "_*_", "_/_", "_%_", "matches", "int", "double", "string", "timestamp", "duration", "type"}

# Field numbers: of the Any around a CheckedExpr, of the tree in that, and of a constant among Expr's alternatives.
_CHECKED, _TREE, _CONST = 2, 4, 3


@dataclass(frozen=True)
class Use:
    """A variable or a function that an expression uses. `loop`: what the innermost loop around it may speak of; None: it is in
    none. `searched`: for a search, whether it is for a literal."""

    name: str
    call: bool
    loop: frozenset[str] | None
    searched: bool = True


def too_costly(serialized: bytes) -> str:
    """Why an expression, as the library serializes it, is refused; empty: it is not."""
    tree = _first(_first(serialized, _CHECKED), _TREE)
    uses = list(_uses(tree, None))
    joins = sum(use.name == "_+_" for use in uses)
    if joins > MOST_JOINED:
        return f"adds {joins} times; at most {MOST_JOINED} are taken"
    return next((why for use in uses if (why := _fault(use))), "")


def _fault(use: Use) -> str:
    if not use.call:
        strange = use.loop is not None and use.name not in use.loop
        return f"speaks of {use.name} inside a loop; a loop may speak of its own variable only" if strange else ""
    if use.name not in (EVERYWHERE if use.loop is None else IN_LOOPS):
        return f"uses {use.name.strip('_')}, which is not taken {'here' if use.loop is None else 'inside a loop'}"
    return "" if use.searched else f"{use.name} looks for something that is not written out as a text"


def _uses(expr: bytes, loop: frozenset[str] | None) -> Iterator[Use]:
    """Of an Expr: variable 4, selection 5, call 6, list 7, map or message 8, comprehension 9."""
    for field, body in _fields(expr):
        match field:
            case 4:
                yield Use(_text(body, 1), False, loop)
            case 5:
                yield from _uses(_first(body, 1), loop)
            case 6:
                yield from _of_call(body, loop)
            case 7:
                for element in _all(body, 1):
                    yield from _uses(element, loop)
            case 8:
                yield from _of_struct(body, loop)
            case 9:
                yield from _of_loop(body, loop)


def _of_call(body: bytes, loop: frozenset[str] | None) -> Iterator[Use]:
    """A call: target 1, function 2, arguments 3."""
    name, arguments = _text(body, 2), _all(body, 3)
    literal = name not in _SEARCHES or all(_first(argument, _CONST) for argument in arguments[-1:])
    yield Use(name, True, loop, literal)
    for part in (*_all(body, 1), *arguments):
        yield from _uses(part, loop)


def _of_struct(body: bytes, loop: frozenset[str] | None) -> Iterator[Use]:
    """A map or message: its type 1, entries 2 with key 3 and value 4."""
    if message := _text(body, 1):
        yield Use(f"the message {message}", True, loop)
    for entry in _all(body, 2):
        for part in (*_all(entry, 3), *_all(entry, 4)):
            yield from _uses(part, loop)


def _of_loop(body: bytes, loop: frozenset[str] | None) -> Iterator[Use]:
    """A comprehension: variable 1 (and 8), range 2, accumulator 3, its start 4, condition 5, step 6, result 7."""
    accumulator = frozenset({_text(body, 3)})
    inside = accumulator | {_text(body, number) for number in (1, 8)}
    around = loop if loop is None else loop | accumulator
    for number, scope in ((2, loop), (4, loop), (5, inside), (6, inside), (7, around)):
        for part in _all(body, number):
            yield from _uses(part, scope)


def _first(message: bytes, number: int) -> bytes:
    return next(iter(_all(message, number)), b"")


def _all(message: bytes, number: int) -> list[bytes]:
    return [body for field, body in _fields(message) if field == number]


def _text(message: bytes, number: int) -> str:
    return _first(message, number).decode()


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of each field; numbers (varints, fixed) as no content: none is needed here."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        match key & 7:
            case 0:
                _, place = _varint(message, place)
                yield key >> 3, b""
            case 2:
                length, place = _varint(message, place)
                yield key >> 3, message[place : place + length]
                place += length
            case 1 | 5 as fixed:
                place += 8 if fixed == 1 else 4
                yield key >> 3, b""


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place

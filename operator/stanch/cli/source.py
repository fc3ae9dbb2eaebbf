"""YAML from people or from an enemy, read within bounds, every value with the place where it stands.

Two passes: the first looks at libyaml's flat stream of events (nothing nests in it, so nothing can overflow), and refuses
what is too large, too deep, aliased into millions, or tagged as something that is no JSON. Only what passes is composed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 64
# Values of one document after its aliases are written out.
MAX_VALUES = 100_000
MAX_SCALAR = 256 * 1024
_CORE = "tag:yaml.org,2002:"
# An explicit tag that changes nothing but "this is text"; every other one is a way to construct something.
_TAGS = frozenset({None, "!", _CORE + "str"})


@dataclass(frozen=True, order=True)
class Place:
    """Line and column, from 1."""

    line: int
    column: int


class Unreadable(Exception):
    """The text is not YAML that Kubernetes would take; `place` says where."""

    def __init__(self, place: Place, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.place = place
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class Document:
    """One document: its JSON value, and where each part of it stands."""

    value: Any
    node: Node

    def place(self, path: str) -> Place:
        """Of the key (or the item of a list) that `path` ends with, e.g. `spec.options[1].when`; of the deepest part of it
        that is there: a missing field is shown at the object that lacks it."""
        node, mark = self.node, self.node.start_mark
        while step := _step(node, path):
            mark, node, path = step
        return _place(mark)


class _Loader(yaml.CSafeLoader):
    """As Kubernetes reads YAML: a date is text, and so is `=`."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in {_CORE + "timestamp", _CORE + "value"}]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def read(data: bytes) -> list[Document]:
    """The documents of one file; empty ones are left out. Raises `Unreadable`."""
    if len(data) > MAX_BYTES:
        raise Unreadable(Place(1, 1), f"{len(data)} bytes are too many; at most {MAX_BYTES} are read")
    try:
        text = data.decode("utf-8-sig")
        _guard(text)
        return [document for document in _documents(text) if document.value is not None]
    except UnicodeDecodeError as error:
        raise Unreadable(_of_byte(data, error.start), "this is not UTF-8", "save the file as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        where = error.problem_mark or error.context_mark
        raise Unreadable(_place(where), f"this is not YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        raise Unreadable(_of_character(text, error.position), f"this is not YAML: {error.reason}") from error


def _guard(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        place = _place(event.start_mark)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent) and len(event.value) > MAX_SCALAR:
            raise Unreadable(place, f"a value of {len(event.value)} characters; at most {MAX_SCALAR} are read")
        if depth > MAX_DEPTH:
            raise Unreadable(place, f"nested deeper than {MAX_DEPTH} levels")
        _guard_tag(event, place)


def _guard_tag(event: yaml.Event, place: Place) -> None:
    tag = getattr(event, "tag", None)
    if tag not in _TAGS:
        raise Unreadable(place, f"the tag {tag[:60]!a} is not allowed", "Kubernetes objects need no tags; remove it")


def _documents(text: str) -> Iterator[Document]:
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            _count(node)
            for part in _inside_out(node):
                _check(loader, part)
            yield Document(loader.construct_document(node), node)
    finally:
        loader.dispose()


def _check(loader: _Loader, node: Node) -> None:
    if isinstance(node, MappingNode):
        _unique(node)
    elif isinstance(node, ScalarNode) and node.tag in {_CORE + "int", _CORE + "float"}:
        _number(loader, node)


def _number(loader: _Loader, node: ScalarNode) -> None:
    """`0b_` and 5000 digits look like integers and are none to Python; JSON has neither NaN nor infinity."""
    construct = loader.construct_yaml_int if node.tag == _CORE + "int" else loader.construct_yaml_float
    try:
        finite = isfinite(construct(node))
    except (ValueError, OverflowError):
        finite = False
    if not finite:
        raise Unreadable(_place(node.start_mark), f"{node.value[:60]!a} is no number of JSON", "quote it to make it text")


def _count(root: Node) -> None:
    """Refuses what grows too large when aliases are written out, without writing them out."""
    sizes: dict[int, int] = {}
    for node in _inside_out(root):
        sizes[id(node)] = 1 + sum(sizes[id(child)] for child in _children(node))
        if sizes[id(node)] > MAX_VALUES:
            raise Unreadable(_place(node.start_mark), f"more than {MAX_VALUES} values once its aliases are written out")


def _inside_out(root: Node) -> Iterator[Node]:
    """Each node once, after its children. A node inside itself is refused."""
    done: set[int] = set()
    open_: set[int] = set()
    stack = [root]
    while stack:
        node = stack[-1]
        if id(node) in done or id(node) in open_:
            stack.pop()
            if id(node) in open_:
                open_.discard(id(node))
                done.add(id(node))
                yield node
            continue
        open_.add(id(node))
        for child in _children(node):
            if id(child) in open_:
                raise Unreadable(_place(child.start_mark), "an alias stands inside the value that it means")
            stack.append(child)


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, SequenceNode) else []


def _unique(node: MappingNode) -> None:
    seen: dict[str, Place] = {}
    for key, _ in node.value:
        _key(key, seen)


def _key(key: Node, seen: dict[str, Place]) -> None:
    place = _place(key.start_mark)
    if key.tag == _CORE + "merge":
        return
    if not isinstance(key, ScalarNode) or key.tag != _CORE + "str":
        raise Unreadable(place, "a key that is not text", "quote it")
    if key.value in seen:
        first = seen[key.value].line
        raise Unreadable(place, f"the key {key.value[:60]!a} stands here twice, first on line {first}", "keep one")
    seen[key.value] = place


def _step(node: Node, path: str) -> tuple[Any, Node, str] | None:
    """One part of `path` down: the mark of what it names, its node, the rest. None: nothing more of it is there."""
    if isinstance(node, SequenceNode) and (index := re.match(r"\[(\d{1,6})\]", path)):
        item = node.value[int(index[1])] if int(index[1]) < len(node.value) else None
        return (item.start_mark, item, path[index.end() :].removeprefix(".")) if item else None
    if isinstance(node, MappingNode):
        # A key may itself hold dots (a label): the longest that fits is meant.
        fits = [pair for pair in node.value if re.match(re.escape(pair[0].value) + r"([.\[]|$)", path)]
        key, value = max(fits, key=lambda pair: len(pair[0].value), default=(None, None))
        return (key.start_mark, value, path[len(key.value) :].removeprefix(".")) if key else None
    return None


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)


def _of_byte(data: bytes, position: int) -> Place:
    before = data[:position]
    return Place(before.count(b"\n") + 1, position - before.rfind(b"\n"))


def _of_character(text: str, position: int) -> Place:
    return _of_byte(text.encode("utf-8", "replace")[:position], position)

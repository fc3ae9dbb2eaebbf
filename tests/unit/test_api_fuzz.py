"""Whatever stands anywhere in an object: lint and planning say what is wrong, or take it; they never stumble."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stanch.api import codec
from stanch.api.incident import Incident
from stanch.api.kinds import PlaybookSpec
from stanch.api.lint import Severity, lint_document, why_unusable
from stanch.api.needs import needs
from stanch.engine.errors import Refused
from tests.unit import rule_breakers
from tests.unit.bad_input import Object, good

WORDS = st.sampled_from([
    "", "${", "${params.few}", "${facts.ready}", "$${", "facts.ready", "params.few > 3", "a" * 2000,
    "-1h", "99999h", "../x", "app", "\0", "\u202e",
    "x\ny", "[", "(((", "__class__", "1e999", "null", "${incident.labels['x']}",
])  # fmt: skip
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20), WORDS)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6
)
Path = tuple[str | int, ...]


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in parts:
        yield from paths(inner, (*path, key))


def at(obj: Object, path: Path, value: Any) -> Object:
    made = copy.deepcopy(obj)
    part: Any = made
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return made


PLAYBOOK, INCIDENT = rule_breakers.playbook(), good().incident
INCIDENT["spec"]["parameters"] = {"few": "3"}


@pytest.mark.long
@pytest.mark.parametrize(("obj", "read"), [(PLAYBOOK, PlaybookSpec), (INCIDENT, Incident)], ids=["Playbook", "Incident"])
def test_anything_anywhere_is_judged(obj: Object, read: Any) -> None:
    places = [path for path in paths(obj["spec"], ("spec",)) if len(path) > 1]

    @settings(max_examples=250)
    @given(st.sampled_from(places), JSON)
    def judged(path: Path, value: Any) -> None:
        spoiled = at(obj, path, value)
        problems = lint_document(spoiled)
        assert all(problem.message and problem.path.startswith(("spec", "kind")) for problem in problems)
        planned(spoiled, read, any(problem.severity is Severity.error for problem in problems))

    judged()


def planned(obj: Object, model: Any, faulty: bool) -> None:
    """What is stored in a cluster is read more leniently than a file; what cannot be read is refused, not stumbled over."""
    try:
        spec = codec.spec_of(model, obj)
    except Refused as refused:
        assert refused.reason == "Invalid" and refused.message and faulty
        return
    usable: Callable[[Any], str] = why_unusable if model is PlaybookSpec else lambda _: ""
    assert faulty or not usable(spec)
    if model is PlaybookSpec and not faulty:
        assert needs("p", "aureus", spec).granted, "the operator asks what it may, of whatever lint takes"

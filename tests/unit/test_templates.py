"""Templates: CEL inside, data outside, bounded. What was filled in is never looked at again."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanch.domain.plan import FactType
from stanch.engine.expressions import Failed
from stanch.engine.templates import DEEPEST, LONGEST_TEXT, MOST, Rendered, Scope, bind, mentions_facts, render

DECLARED = {
    "params.name": FactType.String, "params.count": FactType.Integer, "params.share": FactType.Number,
    "params.on": FactType.Boolean, "facts.sessions": FactType.Integer,
}  # fmt: skip
PARAMS = {"name": "web", "count": "3", "share": "0.5", "on": "true"}
INCIDENT = {"name": "frontend-502", "component": "frontend", "labels": {"team": "shop"}}
# A second of this event loop is a second of every other incident's. Of processor time: what else the machine does is not ours.
QUICK = 1.0


def scope(facts: dict[str, str] | None = None, **params: str) -> Scope:
    return Scope({"incident": INCIDENT, "params": PARAMS | params, "facts": facts or {}}, DECLARED)


def filled(value: Any, **params: str) -> Any:
    rendered = render(value, scope(**params))
    assert isinstance(rendered, Rendered) and not rendered.unbound, rendered
    return rendered.value


def why(value: Any, **params: str) -> str:
    rendered = render(value, scope(**params))
    assert isinstance(rendered, Failed), rendered
    return rendered.message


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("plain", "plain"),
        ("${params.count}", 3),
        ("${params.share}", 0.5),
        ("${params.on}", True),
        ("${params.name}", "web"),
        ("${params.name}-${params.count}-${params.on}-${params.share}", "web-3-true-0.5"),
        ("${incident.labels['team']}", "shop"),
        ("${params.count + 1}", 4),
        ("${params.on ? 'a}b' : \"c{d\"}", "a}b"),
        ("$${params.name}", "${params.name}"),
        ("$name $(reboot) {{ x }} {% y %}", "$name $(reboot) {{ x }} {% y %}"),
        ({"a": ["${params.name}", 1, None, {"b": "${params.count}"}]}, {"a": ["web", 1, None, {"b": 3}]}),
        ({"${params.name}": "x"}, {"${params.name}": "x"}),
    ],
)
def test_what_is_filled_in(said: Any, expected: Any) -> None:
    assert filled(said) == expected and type(filled(said)) is type(expected)


LOOKS_LIKE_CODE = [
    "${params.name}", "$${params.name}", "${", "}", "{{ 7 * 7 }}", "{% for x in y %}", "$(reboot)", "`reboot`", "\\", "' + 'x",
    "'; DROP TABLE users; --", "facts.sessions", "${facts.sessions}", "\n- name: evil", "${incident.labels}" * 10,
]  # fmt: skip


@pytest.mark.requirement("A-15")
@pytest.mark.parametrize("value", LOOKS_LIKE_CODE)
def test_a_value_that_looks_like_code_stays_that_text(value: str) -> None:
    assert filled("${params.name}", name=value) == value
    assert filled("a ${params.name} b", name=value) == f"a {value} b"
    assert filled("${params.name}${params.name}", name=value) == value * 2


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200))
def test_any_text_goes_through_as_it_is(value: str) -> None:
    assert filled({"x": ["<${params.name}>"]}, name=value) == {"x": [f"<{value}>"]}


def test_a_text_that_the_library_would_cut_has_no_value() -> None:
    assert "params.name is not known" in why("${params.name}", name="safe\0; reboot")


@pytest.mark.parametrize("value", LOOKS_LIKE_CODE)
def test_what_was_filled_in_is_not_expanded_when_facts_are_bound(value: str) -> None:
    """The second pass goes to the places that were told, and nowhere else."""
    said = {"name": "${params.name}", "late": "${facts.sessions}"}
    first = render(said, scope(name=value))
    assert isinstance(first, Rendered) and first.unbound == ("/late",)
    assert bind(first.value, first.unbound, scope({"sessions": "7"})) == {"name": value, "late": 7}


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("${params.name.__class__}", "at 1:"),
        ("${params.name.__class__.__mro__[1].__subclasses__()}", "at 1:"),
        ("${''.__class__}", "at 1:"),
        ("${self}", "undeclared reference to 'self'"),
        ("${env.HOME}", "undeclared reference to 'env"),
        ("${os.environ['HOME']}", "undeclared reference to 'os"),
        ("${open('/etc/passwd')}", "undeclared reference to 'open'"),
        ("${__import__('os')}", "undeclared reference to '__import__'"),
        ("${request.headers}", "undeclared reference"),
        ("${incident.spec.openedBy}", "undeclared reference"),
        ("${[1, 2, 3].map(x, x)}", "undeclared reference"),
        ("${[1, 2, 3].all(x, x > 0)}", "undeclared reference"),
        ("${'a' * 50000000}", "no matching overload"),
        ("${params.nmae}", "undeclared reference to 'params.nmae'"),
        ("${params.name", "'${' is not closed by '}'"),
        ("a ${ b", "'${' is not closed by '}'"),
        ("${}", "Syntax error"),
        ("${ {'a': 1} }", "is not closed"),
        ("${incident.labels}", "gives map<dyn, dyn>; expected text, a number, true or false"),
        ("${[1]}", "gives list"),
        ("${incident.labels['gone']}", "Key not found"),
        ("${incident.severity}", "incident.severity is not known"),
        ("${1 / 0}", "divide by zero"),
        ("${9223372036854775807 + 1}", "overflow"),
        ("${" + "(" * 300 + "1" + ")" * 300 + "}", "recursion"),
        ("${'" + "x" * 1024 + "'}", "at most 1024 are taken"),
        ("${matches(params.name, '(a{1000}){1000}')}", "invalid"),
    ],
)
def test_what_reaches_for_more_is_refused_with_its_place(said: str, says: str) -> None:
    message = why({"argv": ["psql", said]})
    assert message.startswith("/argv/1: ") and says in message, message


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("${params.name}" * 20, f"/a: comes to 17000 characters; at most {LONGEST_TEXT} are taken"),
        (["${params.name + params.name}"] * 60, "characters in all; at most 65536 are taken"),
        (["${facts.sessions}"] * (MOST + 1), f"comes to {MOST + 1} texts with facts; at most {MOST} are taken"),
        ("${params.name + params.name + params.name}" * 8, f"at most {LONGEST_TEXT} are taken"),
    ],
)
def test_bombs_end_at_their_bound(said: Any, says: str) -> None:
    begin = time.process_time()
    assert says in why({"a": said}, name="x" * 1000)
    assert time.process_time() - begin < QUICK


def test_nothing_is_followed_deeper_than_it_may_be() -> None:
    value: Any = "${params.name}"
    for _ in range(DEEPEST):
        value = [value]
    assert render(value, scope()) == Rendered(filled(value))
    assert f"nested deeper than {DEEPEST}" in why([value])


def test_a_search_takes_time_that_grows_with_the_text_only() -> None:
    begin = time.process_time()
    assert filled("${params.name.matches('^(a+)+$')}", name="a" * 1000 + "!") is False
    assert time.process_time() - begin < QUICK


@pytest.mark.parametrize(
    ("said", "mentions"),
    [
        ("${facts.sessions}", True),
        ("a ${1 + facts.sessions}", True),
        ("${'facts.sessions'}", False),
        ("facts.sessions", False),
        ("${params.facts}", False),
        ("$${facts.sessions}", False),
    ],
)
def test_only_what_speaks_of_facts_waits_for_them(said: str, mentions: bool) -> None:
    assert mentions_facts(said) is mentions


def test_a_fact_that_is_not_known_is_not_filled_in_as_nothing() -> None:
    failed = bind({"a": "${facts.sessions}"}, ("/a",), scope())
    assert isinstance(failed, Failed) and failed.message == "/a: ${facts.sessions}: facts.sessions is not known"
    assert bind({"a": "n=${facts.sessions}"}, ("/a",), scope({"sessions": "12"})) == {"a": "n=12"}
    assert isinstance(bind({"a": "${facts.sessions}"}, ("/a",), scope({"sessions": "12; drop"})), Failed)


def test_a_place_with_a_slash_in_its_key_is_found_again() -> None:
    said = {"a/b": {"~c": "${facts.sessions}"}}
    first = render(said, scope())
    assert isinstance(first, Rendered) and first.unbound == ("/a~1b/~0c",)
    assert bind(first.value, first.unbound, scope({"sessions": "1"})) == {"a/b": {"~c": 1}}

"""YAML from an enemy: bounded, refused, and every refusal in its place. Beside each: what is just allowed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanch.cli.source import MAX_BYTES, MAX_DEPTH, MAX_SCALAR, Document, Place, Unreadable, read


def laughs(item: str) -> bytes:
    """Nine levels of nine: 400 million values in 400 bytes. `item` is how a level refers to the one before."""
    levels = [f"a{i}: &a{i} {item % ','.join([f'*a{i - 1}'] * 9)}" for i in range(1, 10)]
    return "\n".join(["a0: &a0 {l: 1}", *levels]).encode()


def refusal(text: bytes) -> Unreadable:
    with pytest.raises(Unreadable) as refused:
        read(text)
    return refused.value


HOSTILE = {
    "aliases that multiply": (laughs("[%s]"), (6, 5), "written out"),
    "merges that multiply": (laughs("{<<: [%s]}"), (6, 14), "written out"),
    "an alias inside itself": (b"&a [*a]", (1, 1), "inside the value that it means"),
    "deep lists": (b"[" * 100_000, (1, MAX_DEPTH + 1), "nested deeper"),
    "deep maps": (b"{a: " * 10_000, (1, 4 * MAX_DEPTH + 1), "nested deeper"),
    "deep dashes": (b"- " * 50_000, (1, 2 * MAX_DEPTH + 1), "nested deeper"),
    "a tag that runs code": (b"a: 1\nb: !!python/object/apply:os.system [id]", (2, 4), "tag"),
    "a tag that constructs": (b"a: !!binary aGk=", (1, 4), "tag"),
    "a huge scalar": (b"a: '" + b"x" * (MAX_SCALAR + 1) + b"'", (1, 4), "characters"),
    "a key twice": (b"a:\n  b: 1\n  c: 2\n  b: 3", (4, 3), "twice, first on line 2"),
    "a key that is no text": (b"on: 1", (1, 1), "not text"),
    "a template": (b"a: {{ .Values.x }}", (1, 5), "not text"),
    "too many digits": (b"a: 1\nb: " + b"9" * 5000, (2, 4), "no number of JSON"),
    "a number without digits": (b"a: 0b_", (1, 4), "no number of JSON"),
    "not a number": (b"a: .nan", (1, 4), "no number of JSON"),
    "infinity": (b"a: -.inf", (1, 4), "no number of JSON"),
    "an alias to nothing": (b"a: *b", (1, 4), "not YAML"),
    "not YAML": (b"a: 1\nb: [1\n", (3, 1), "not YAML"),
    "a tab": (b"a:\n\tb: 1", (2, 1), "not YAML"),
    "a control character": (b"a: 1\nb: \x01", (2, 4), "control characters"),
    "not UTF-8": (b"a: 1\nb: \xff", (2, 4), "not UTF-8"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_refuses_in_its_place(name: str) -> None:
    text, place, message = HOSTILE[name]
    found = refusal(text)
    assert message in found.message
    assert found.place == Place(*place)


def test_refuses_a_file_that_is_too_large() -> None:
    assert str(MAX_BYTES) in refusal(b"#" * (MAX_BYTES + 1)).message
    assert read(b"a: 1\n#" + b"x" * (MAX_BYTES - 6))[0].value == {"a": 1}


ALLOWED = {
    "documents, the empty ones left out": (b"---\n---\na: 1\n---\nb: 2", [{"a": 1}, {"b": 2}]),
    "an alias": (b"a: &x [1, 2]\nb: *x", [{"a": [1, 2], "b": [1, 2]}]),
    "a merge": (b"a: &x {b: 1}\nc: {<<: *x, d: 2}", [{"a": {"b": 1}, "c": {"b": 1, "d": 2}}]),
    "a date is text": (b"a: 2026-01-05\nb: 2026-01-05T10:00:00Z", [{"a": "2026-01-05", "b": "2026-01-05T10:00:00Z"}]),
    "text by tag": (b"a: !!str 1", [{"a": "1"}]),
    "a byte order mark": (b"\xef\xbb\xbfa: 1", [{"a": 1}]),
    "JSON": (json.dumps({"a": [{"b": None}, True, 1.5]}).encode(), [{"a": [{"b": None}, True, 1.5]}]),
    "as deep as may be": (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, None),
    "as long as may be": (b"a: '" + b"x" * MAX_SCALAR + b"'", None),
    "nothing": (b"", []),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_reads(name: str) -> None:
    text, expected = ALLOWED[name]
    found = [document.value for document in read(text)]
    assert expected is None or found == expected


TEXT = b"""spec:
  options:
  - name: a
    verify: [{http: {port: 1}}]
  - when: x
  match:
    labels:
      app.kubernetes.io/name: web
      app: other
"""


@pytest.mark.parametrize(
    ("path", "place"),
    {
        "spec.options[1].when": (5, 5),
        "spec.options[0].verify[0].http.port": (4, 22),
        "spec.options[1].steps": (5, 5),
        "spec.options[7].steps": (2, 3),
        "spec.match.labels.app.kubernetes.io/name": (8, 7),
        "spec.match.labels.app": (9, 7),
        "spec.match.nope.deeper[3]": (6, 3),
        "": (1, 1),
        "nope": (1, 1),
    }.items(),
)
def test_finds_the_place_of_a_path_or_of_what_lacks_it(path: str, place: tuple[int, int]) -> None:
    document: Document = read(TEXT)[0]
    assert document.place(path) == Place(*place)


@given(st.binary(max_size=200) | st.text(alphabet="&*a:-[]{}<!|>'\"\n ,#?%\t0b_", max_size=60).map(str.encode))
def test_reads_or_refuses_whatever_comes(data: bytes) -> None:
    try:
        found = [document.value for document in read(data)]
    except Unreadable as refused:
        assert refused.place.line >= 1 and refused.place.column >= 1 and refused.message
        return
    json.dumps(found, allow_nan=False)

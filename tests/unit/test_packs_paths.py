"""Names and paths in a pack: nothing gets out of it, and no two things get one name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanch.engine.errors import Refused
from stanch.engine.paths import MAX_PATH, alternatives, check_path, safe_name

ANY = st.text(st.characters(exclude_categories=()), max_size=300)
KUBERNETES = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,60}[a-z0-9])?", fullmatch=True)


@given(ANY)
def test_every_text_becomes_a_part_of_a_path(text: str) -> None:
    name = safe_name(text)
    assert check_path(f"logs/{name}") == f"logs/{name}"
    assert "/" not in name
    assert len(name) <= 100


@given(KUBERNETES)
def test_a_name_of_kubernetes_stays_as_it_is(name: str) -> None:
    assert safe_name(name) == name


@given(st.sets(st.one_of(ANY, st.text("a/_.", max_size=5), st.text("a/_.", max_size=5).map(safe_name)), min_size=2, max_size=20))
def test_two_texts_never_get_one_name(texts: set[str]) -> None:
    assert len({safe_name(text) for text in texts}) == len(texts)


@given(ANY)
def test_an_allowed_path_stays_inside(path: str) -> None:
    try:
        check_path(path)
    except Refused as refused:
        assert refused.reason == "BadPath"
    else:
        assert not path.startswith(("/", "."))
        assert not {"", ".", ".."} & set(path.split("/"))
        assert "\0" not in path and "\\" not in path


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "..", "a/../b", "a//b", "a/", "./a", "a/.hidden", "a\0b", "a\\b", "a b", "é", "a\n", "a" * 251, "a/" * 300],
)
def test_a_bad_path_is_refused(path: str) -> None:
    with pytest.raises(Refused) as refused:
        check_path(path)
    assert refused.value.reason == "BadPath"


def test_a_taken_name_has_alternatives_that_are_allowed() -> None:
    assert alternatives("logs/a.previous.log", 3) == ["logs/a.previous.log", "logs/a+2.previous.log", "logs/a+3.previous.log"]
    longest = alternatives("/".join(["a" * 239] * 2))
    assert len(longest[-1]) <= 512 and MAX_PATH + len("+99") <= 512

"""The demo's pure parts: its list of steps, the names that it gives, what it says at the end."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from tests.cluster.progress import step as cluster_step
from tests.demo import place, proof
from tests.demo.frontend import Answer, read
from tests.demo.picture import objects
from tests.demo.steps import BEAT, Said, Step, Steps, duration, ended, heading, part
from tests.demo.story import free


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def plain() -> Console:
    return Console(file=io.StringIO(), width=80, markup=False, emoji=False, highlight=False)


def printed(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "0.0 s"), (9.96, "10.0 s"), (59.94, "59.9 s"), (59.95, "1 min 00 s"), (374, "6 min 14 s")]
)
def test_duration(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_lines_of_all_steps_stand_below_each_other() -> None:
    lines = [
        ended(heading(3, 12, "cluster"), 374.0, "stanch-demo is up").plain,
        ended(heading(12, 12, "back in service"), 0.14, "stanch-demo is up", good=False).plain,
        part("[4/11] kubelet … 33 s", len(heading(1, 12, ""))).plain,
    ]
    assert lines == [
        "✔  3/12 cluster          6 min 14 s  stanch-demo is up",
        "✖ 12/12 back in service       0.1 s  stanch-demo is up",
        "                               33 s  [4/11] kubelet",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1/2] etcd … 15 s so far", "15 s  [1/2] etcd …"),
        ("[1/2] etcd … failed after 3 s", "3 s  [1/2] etcd failed"),
        ("kind", "kind"),
    ],
)
def test_what_the_clusters_programs_say_of_themselves(line: str, said: str) -> None:
    assert part(line, len(heading(1, 12, ""))).plain.strip() == said


def test_step_takes_in_what_the_cluster_says_and_ends_with_one_line() -> None:
    console, clock = plain(), Hand()
    with Steps(console, 2, clock).step("cluster") as step:
        with cluster_step("[1/4] namespaces"):
            clock.now = 4.2
        step.detail = "is up"
    assert printed(console) == ["                              0 s  [1/4] namespaces", "✔ 1/2 cluster               4.2 s  is up"]


def test_step_that_fails_says_so_and_long_details_are_not_broken_off_a_terminal() -> None:
    console = plain()
    with pytest.raises(ValueError, match="no"), Steps(console, 1, Hand()).step("cluster") as step:
        step.detail = "x" * 200
        raise ValueError("no")
    assert printed(console) == [f"✖ 1/1 cluster               0.0 s  {'x' * 200}"]


def test_long_step_gives_a_sign_of_life_but_not_where_somebody_just_spoke() -> None:
    console, clock = plain(), Hand()
    step = Step(console, heading(1, 1, "cluster"), clock)
    clock.now = BEAT - 1
    step.beat()
    step.say("[1/2] etcd … 15 s so far")
    clock.now = BEAT + 1
    step.beat()
    assert len(printed(console)) == 1
    clock.now = 2 * BEAT
    step.beat()
    assert [line.split() for line in printed(console)][1:] == [["40", "s", "cluster", "…"]]


def test_line_that_is_written_over_on_a_terminal_is_the_step_s_now_until_it_ends() -> None:
    console = plain()
    step = Step(console, heading(1, 1, "programs"), Hand())
    said = Said(step, terminal=True)
    assert said.isatty()
    for second in (1, 2):
        said.write(f"\r\x1b[K[1/2] etcd … {second} s")
    assert step.now == "[1/2] etcd … 2 s" and not printed(console)
    said.write("\r\x1b[K[1/2] etcd … 3 s\n")
    assert [line.strip() for line in printed(console)] == ["3 s  [1/2] etcd"]


def test_name_is_one_that_neither_cluster_nor_packs_have() -> None:
    assert free("frontend-502", []) == "frontend-502"
    assert free("frontend-502", ["frontend-502", "frontend-502-3", "other"]) == "frontend-502-2"
    assert free("frontend-502", ["frontend-502", "frontend-502-2"]) == "frontend-502-3"


def test_path_as_a_person_types_it() -> None:
    home = Path("/home/ada")
    assert place.tilde("/home/ada/.cache/stanch", home) == "~/.cache/stanch"
    assert place.tilde("/home/adam/x", home) == "/home/adam/x"
    assert place.tilde("/srv/x", Path("/")) == "/srv/x"


def test_answer_that_is_not_the_frontend_s_has_no_version() -> None:
    assert read(502, "Bad Gateway", b'{"version":"v2","healthy":false}') == Answer(502, "Bad Gateway", "v2")
    assert read(503, "Service Unavailable", b"no endpoints available") == Answer(503, "Service Unavailable", "")
    assert read(200, "OK", b"[]").version == ""


def test_recording_that_was_cut_off_keeps_what_is_whole() -> None:
    assert list(objects('{"a": 1}\n{"b":\n 2}\n{"c": ')) == [{"a": 1}, {"b": 2}]


def test_what_to_type_next_names_incidents_and_the_demo_s_own_kubeconfig() -> None:
    first, *lines = proof.what_next(["frontend-502", "frontend-regression-2"])
    assert f"KUBECONFIG={place.tilde(place.kubeconfig())}" in first
    assert len({line.index("  # ") for line in lines}) == 1, "explanations stand below each other"


def test_last_line() -> None:
    assert proof.last_line(2, 2, 1) == "demo: 2 of 2 incidents resolved, 1 of 2 packs verified"

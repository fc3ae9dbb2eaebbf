"""The picture of the transition table says what the table says, all of it and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stanch.domain.incident import TERMINAL, Phase
from stanch.engine.diagram import BEGIN, END, main, mermaid, redrawn
from stanch.engine.transitions import TABLE, Event

README = Path(__file__).resolve().parents[2] / "README.md"
NOTE = re.compile(r"note right of (\w+)\n\s*(\w+), from ([^:]*?)\n\s*end note")
ARROW = re.compile(r"^ *(\w+) --> (\w+) : (.+)$", re.MULTILINE)


def read_back(text: str) -> list[tuple[Phase, Event, Phase]]:
    """The transitions that a person finds in the picture."""
    drawn = [(Phase(a), Event(event), Phase(b)) for a, b, events in ARROW.findall(text) for event in events.split(", ")]
    for goal, event, phases in NOTE.findall(text):
        drawn += [(Phase(phase), Event(event), Phase(goal)) for phase in re.findall(r"[A-Z]\w+", phases)]
    return drawn


def test_the_picture_is_the_table():
    drawn = read_back(mermaid())
    assert len(drawn) == len(TABLE)
    assert set(drawn) == {(phase, event, goal) for (phase, event), goal in TABLE.items()}


def test_it_begins_where_incidents_begin_and_ends_where_they_end():
    assert re.findall(r"\[\*\] --> (\w+)", mermaid()) == ["Opened"]
    assert set(re.findall(r"(\w+) --> \[\*\]", mermaid())) == TERMINAL


def test_the_events_of_one_pair_share_an_arrow_in_the_table_s_order():
    table = {
        (Phase.Opened, Event.PlanOnly): Phase.Closed,
        (Phase.Opened, Event.PlanReady): Phase.Waiting,
        (Phase.Opened, Event.CloseAsked): Phase.Closed,
    }
    assert ARROW.findall(mermaid(table)) == [("Opened", "Closed", "PlanOnly, CloseAsked"), ("Opened", "Waiting", "PlanReady")]


def test_an_event_from_many_phases_is_a_note_only_where_it_leads_to_one_phase():
    phases = list(Phase)[:5]
    table = {(phase, Event.Broken): Phase.Failed for phase in phases}
    assert not ARROW.findall(mermaid(table))
    assert {phase for phase, _, _ in read_back(mermaid(table))} == set(phases)
    table[phases[0], Event.Broken] = Phase.Aborted
    assert len(ARROW.findall(mermaid(table))) == 5


def test_the_readme_shows_the_table_of_today():
    assert main(["--check", str(README)]) == 0


def test_only_what_is_between_the_markers_is_rewritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert main(["--check", str(page)]) == 1
    assert "make generate" in capsys.readouterr().err
    assert "old" in page.read_text()
    assert main([str(page)]) == 0
    assert page.read_text() == f"before\n{BEGIN}\n```mermaid\n{mermaid()}```\n{END}\nafter\n"
    assert main(["--check", str(page)]) == 0
    assert redrawn(page.read_text()) == page.read_text()


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}\n{BEGIN}", f"{BEGIN}{BEGIN}{END}"], ids=["none", "one", "order", "twice"])
def test_a_page_without_its_markers_is_refused_and_left(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str):
    page = tmp_path / "page.md"
    page.write_text(text)
    assert main([str(page)]) == 1
    assert f"{page}: expected one line {BEGIN}" in capsys.readouterr().err
    assert page.read_text() == text

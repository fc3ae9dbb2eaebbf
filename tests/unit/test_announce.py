"""Events: in order, short enough, and naming who is waited for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from stanch.domain.incident import Phase, Status
from stanch.runtime.announce import event, newsworthy
from stanch.runtime.case import Case
from tests.unit.play import T0
from tests.unit.world import Life, Site

WAITS = Status(phase=Phase.AwaitingApproval, message="Option undo needs approval", waits_for="incident-commander 0/1")


def case() -> Case:
    site = Site()
    return Case(site.incident, Life(site).world.packs.of("aureus", "frontend-502", "uid-inc"))


def test_who_is_waited_for_is_said_and_never_cut() -> None:
    about = case()
    said = event(about.ref, about, WAITS, "pod-1", T0)["message"]
    assert said == "Incident frontend-502: Option undo needs approval; waits for incident-commander 0/1"
    until = replace(WAITS, waits_until=T0)
    assert event(about.ref, about, until, "pod-1", T0)["message"].endswith("incident-commander 0/1 until 2026-11-21 03:00:00 UTC")
    long = event(about.ref, about, replace(WAITS, message="x" * 1024), "pod-1", T0)["message"]
    assert len(long) == 1024 and long.endswith("…; waits for incident-commander 0/1")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("", "sre 0/2", True),
        ("sre 0/2", "sre 1/2", True),
        ("sre 1/2", "sre 1/2", False),
        ("sre 1/2", "", False),
    ],
)
def test_whoever_is_waited_for_next_is_told_in_the_same_phase(before: str, after: str, told: bool) -> None:
    assert newsworthy(replace(WAITS, waits_for=before), replace(WAITS, waits_for=after)) is told


async def test_who_must_release_it_is_told_by_an_event_of_its_own() -> None:
    site = Site()
    life = Life(site)
    about = Case(site.incident, life.world.packs.of("aureus", "frontend-502", "uid-inc"))
    mitigated = Status(phase=Phase.Mitigated, reason="Held", message="Option undo helped")
    await life.ticker.announce(about, mitigated, replace(mitigated, waits_for="Close by incident-commander"))
    (said,) = site.server.select("v1", "Event", "aureus", "", "")
    assert (said["reason"], said["involvedObject"]["kind"]) == ("Mitigated", "Incident")
    assert said["message"].endswith("Option undo helped; waits for Close by incident-commander")


def test_names_of_events_follow_time_within_a_second_whatever_the_length_of_the_name() -> None:
    about = case()
    for ref in (about.ref, replace(about.ref, name="a" * 253)):
        names = [
            event(ref, about, WAITS, "pod-1", T0 + timedelta(microseconds=step))["metadata"]["generateName"]
            for step in (0, 9, 10, 999_999)
        ]
        assert names == sorted(names) and len(set(names)) == 4
        assert max(len(name) for name in names) <= 58, "the API server keeps no more of it"

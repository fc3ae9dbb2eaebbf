"""The whole engine in the whole runtime, in every order that hypothesis finds: invariants 1-7, 11 and 13 after every step."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from tests.unit.machine import Incidents
from tests.unit.machine_owner import SUSPENDED, Owned
from tests.unit.machine_rules import LAST, TOUCHED
from tests.unit.world import Life, Site, lean

# STANCH_MACHINE_EXAMPLES=2000 and -o timeout=3600 search for minutes.
EXAMPLES = int(os.environ.get("STANCH_MACHINE_EXAMPLES", "24"))

TestIncidents = pytest.mark.long(Incidents.TestCase)
TestIncidents.settings = settings(max_examples=EXAMPLES, stateful_step_count=25, deadline=None)


class Touched(Incidents):
    focus = TOUCHED


TestTouched = pytest.mark.long(Touched.TestCase)
TestTouched.settings = settings(TestIncidents.settings, max_examples=EXAMPLES // 4)


class LastResort(Incidents):
    focus = LAST


TestLastResort = pytest.mark.long(LastResort.TestCase)
TestLastResort.settings = settings(TestIncidents.settings, max_examples=EXAMPLES // 4)


class Suspended(Owned):
    focus = SUSPENDED


TestSuspended = pytest.mark.long(Suspended.TestCase)
TestSuspended.settings = settings(TestIncidents.settings, max_examples=EXAMPLES // 4)


async def test_incident_that_came_back_with_its_finalizer_can_be_deleted() -> None:
    site = Site(lean)
    await Life(site).live(Phase.Verifying)
    site.server.set_status(site.incident_ref, {})
    again = Life(site, 2)
    await again.tick()
    assert site.status.phase is Phase.Waiting and site.incident["metadata"]["finalizers"]
    site.server.delete(site.incident_ref, "")
    await again.live()
    assert site.gone


@pytest.mark.parametrize("deleted", [True, False])
async def test_what_is_said_before_a_lost_status_was_noticed_forks_no_chain(deleted: bool) -> None:
    site = Site(lean)
    await Life(site).live(Phase.Verifying)
    told = site.lines
    site.server.set_status(site.incident_ref, {})
    if deleted:
        site.server.delete(site.incident_ref, "")
    else:
        site.decide(Verb.Abort)
    await Life(site, 2).live()
    assert site.lines[: len(told)] == told and len(site.lines) > len(told)
    assert site.gone if deleted else site.status.phase is Phase.Aborted


@pytest.mark.parametrize("again", [True, False])
async def test_resume_from_before_the_status_was_lost_does_not_count(again: bool) -> None:
    site = Site(lean)
    await Life(site).live(Phase.Verifying)
    site.decide(Verb.Resume)
    site.passes(5)
    site.server.set_status(site.incident_ref, {})
    life = Life(site, 2)
    await life.live()
    assert site.status.phase is Phase.Waiting and site.status.waits_for == "Resume or Close"
    if again:
        site.decide(Verb.Resume, life)
        await life.live(Phase.Verifying)

"""Taken on late, and classified otherwise, in the whole runtime: what people, metrics and the plan say then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from stanch.api import codec
from stanch.api.base import API_VERSION
from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from stanch.runtime.metrics import Metrics
from stanch.runtime.overdue import Overdue
from tests.unit.memory import Write
from tests.unit.world import Life, Site, needs_commander


def warnings(site: Site, reason: str) -> list[str]:
    """What Events of this reason say, as they come."""
    told: list[str] = []

    def hear(write: Write) -> None:
        if write.ref.kind == "Event" and write.body["reason"] == reason:
            told.append(write.body["message"])

    site.server.after_write.append(hear)
    return told


def counting(site: Site, gauge: str) -> Callable[[], float | None]:
    """What Prometheus reads of an operator whose watch tells of the site's Incident."""
    metrics = Metrics()
    overdue = Overdue(site.server.time, metrics)

    def counted() -> float | None:
        overdue.told(site.incident)
        return metrics.registry.get_sample_value(gauge)

    return counted


@pytest.mark.requirement("B-02", "E-01", "E-30")
async def test_that_nobody_takes_it_on_is_told_once_and_counted() -> None:
    site = Site(needs_commander)
    life, told, counted = Life(site), warnings(site, "Unacknowledged"), counting(site, "stanch_acknowledgements_overdue")
    await life.live(Phase.AwaitingApproval)
    due = site.status.acknowledge_by
    assert due is not None and due - life_began(site) == timedelta(minutes=5), "a P0, as the policy says"
    assert not told and counted() == 0
    site.passes((due - site.server.time.now()).total_seconds() + 1)
    assert counted() == 1, "nobody ticked it: that its time is over needs no news"
    await life.tick()
    await life.tick()
    assert told == [f"Incident frontend-502: nobody took it on by {due:%Y-%m-%d %H:%M:%S} UTC"]
    site.decide(Verb.Acknowledge, life)
    await life.tick()
    assert counted() == 0 and len(told) == 1
    assert next(c.reason for c in site.status.conditions if c.type == "Acknowledged") == "Late"


@pytest.mark.requirement("B-02")
async def test_that_it_is_not_mitigated_in_time_is_told_once_and_counted_until_it_is() -> None:
    site = Site(needs_commander)
    (policy,) = site.server.select(API_VERSION, "ResponsePolicy", "", "", "")
    levels = [{**level, "restoreWithin": "2m"} for level in policy["spec"]["levels"]]
    site.server.patch(site.server.ref(policy), {"spec": {"levels": levels}}, "", "", dry_run=False)
    life, told, counted = Life(site), warnings(site, "NotRestored"), counting(site, "stanch_restorations_overdue")
    await life.live(Phase.AwaitingApproval)
    due = site.status.restore_by
    assert due == life_began(site) + timedelta(minutes=2) and not told and counted() == 0
    site.passes((due - site.server.time.now()).total_seconds() + 1)
    assert counted() == 1, "nobody ticked it: that its time is over needs no news"
    site.decide(Verb.Acknowledge, life)
    await life.tick()
    await life.tick()
    assert told == [f"Incident frontend-502: not mitigated by {due:%Y-%m-%d %H:%M:%S} UTC (RTO)"] and counted() == 1
    site.decide(Verb.Approve, life, option="undo", role="incident-commander", planDigest=site.status.plan_digest)
    await life.live()
    assert site.status.phase is Phase.Resolved and counted() == 0 and len(told) == 1
    assert next(c.reason for c in site.status.conditions if c.type == "Restored") == "Late"


def life_began(site: Site) -> datetime:
    return codec.facts_of(site.incident).created_at


@pytest.mark.requirement("A-02", "E-17")
async def test_classified_otherwise_it_is_planned_as_that() -> None:
    site = Site(needs_commander)
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    before = site.status.plan_digest
    site.decide(Verb.Classify, life, role="incident-commander", severity="P1")
    await life.tick()
    await life.live(Phase.AwaitingApproval)
    status = site.status
    assert status.plan_digest != before and status.attempt == 2
    assert status.acknowledge_by == life_began(site) + timedelta(minutes=15), "as of a P1"
    again = Life(site, 2)
    await again.live(Phase.AwaitingApproval)
    assert site.status.plan_digest == status.plan_digest, "the next leader knows it, too"


@pytest.mark.requirement("A-02")
async def test_what_no_playbook_is_for_waits_and_says_so() -> None:
    site = Site(needs_commander)
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    site.decide(Verb.Classify, life, severity="P3")
    await life.tick()
    await life.live(Phase.Waiting)
    assert "severity P3" in site.status.message
    site.decide(Verb.Classify, life, severity="P0")
    await life.live(Phase.AwaitingApproval)
    assert site.status.attempt == 3

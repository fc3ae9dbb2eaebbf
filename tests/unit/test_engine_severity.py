"""Criteria as data propose a severity; what nobody knows proposes nothing, and people decide (E-33)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stanch.api.base import API_VERSION
from stanch.api.policy import ResponsePolicy
from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from stanch.domain.severity import Assessment, Criterion, Rung
from stanch.engine.severity import propose
from tests.stage.kubectl import documents
from tests.stage.scene import AUREUS
from tests.unit.world import Life, Site, needs_commander

LADDER = (
    Rung("P0", (Criterion(complete_outage=True), Criterion(users_affected=90, workaround=False))),
    Rung("P1", (Criterion(users_affected=51),)),
    Rung("P2", (Criterion(users_affected=1, workaround=False),)),
    Rung("P3", (Criterion(workaround=True),)),
)
CASES: dict[str, tuple[dict[str, Any], str | None]] = {
    "a complete outage": ({"complete_outage": True}, "P0"),
    "nearly all, no way round": ({"users_affected": 95, "workaround": False}, "P0"),
    "nearly all, a way round": ({"users_affected": 95, "workaround": True, "complete_outage": False}, "P1"),
    "just more than half": ({"users_affected": 51}, "P1"),
    "just half": ({"users_affected": 50, "workaround": False}, "P2"),
    "nobody": ({"users_affected": 0, "workaround": False, "complete_outage": False}, None),
    "a workaround": ({"users_affected": 10, "workaround": True}, "P3"),
    "nothing is known": ({}, None),
    "no outage": ({"complete_outage": False}, None),
}


@pytest.mark.requirement("E-33")
@pytest.mark.parametrize("case", CASES)
def test_the_gravest_whose_criterion_holds_is_proposed(case: str) -> None:
    seen, wanted = CASES[case]
    proposal = propose(LADDER, Assessment(**seen))
    assert (proposal.severity if proposal else "") == (wanted or "")


@pytest.mark.requirement("E-33")
def test_it_says_why_and_what_could_make_it_graver() -> None:
    proposal = propose(LADDER, Assessment(users_affected=92))
    assert proposal and proposal.severity == "P1"
    assert proposal.message == "usersAffected is 92, at least 51 %; not known, and could make it graver: completeOutage, workaround"
    known = propose(LADDER, Assessment(60, False, True))
    assert known and known.message == "usersAffected is 60, at least 51 %"


@pytest.mark.requirement("E-33")
def test_where_none_is_proposed_it_says_what_is_not_known() -> None:
    for seen, unknown in (
        (Assessment(), "completeOutage, usersAffected, workaround"),
        (Assessment(users_affected=0), "completeOutage, workaround"),
        (Assessment(complete_outage=False, workaround=False), "usersAffected"),
    ):
        proposal = propose(LADDER, seen)
        assert proposal and not proposal.severity
        assert proposal.message == f"no criterion is known to hold; not known: {unknown}"
    assert propose(LADDER, Assessment(0, False, False)) is None, "all is known, and none holds"
    assert propose((Rung("P0"),), Assessment()) is None, "there is nothing to know"


KNOWN = st.builds(Assessment, st.none() | st.integers(0, 100), st.none() | st.booleans(), st.none() | st.booleans())


@given(KNOWN)
def test_what_is_named_as_unknown_is_unknown_and_knowing_more_is_never_milder(seen: Assessment) -> None:
    order = [rung.severity for rung in LADDER]
    proposal = propose(LADDER, seen)
    if proposal is None or not proposal.severity:
        return
    for name, field in (("completeOutage", "complete_outage"), ("workaround", "workaround"), ("usersAffected", "users_affected")):
        named = name in proposal.message.partition("could make it graver: ")[2]
        assert not named or getattr(seen, field) is None
        for value in (True, False) if field != "users_affected" else (0, 50, 100):
            if getattr(seen, field) is None:
                more = propose(LADDER, Assessment(**{**vars(seen), field: value}))
                assert more and order.index(more.severity) <= order.index(proposal.severity)


@pytest.mark.requirement("E-33")
async def test_the_incident_shows_it_the_timeline_tells_it_and_nothing_is_changed_by_it() -> None:
    site = Site()
    assessment = {"usersAffected": 60, "completeOutage": False}
    site.server.patch(site.incident_ref, {"spec": {"assessment": assessment}}, "", "", dry_run=False)
    await Life(site).live(Phase.Capturing)
    proposal = site.status.proposal
    assert proposal and proposal.severity == "P1" and "usersAffected is 60" in proposal.message
    await Life(site, 2).live()
    said = next(line for line in site.lines if line.key.endswith("severity/proposed"))
    assert said.action == "Propose severity P1" and said.expectation == "severity is P0"
    assert said.next == "a person confirms it: stanch classify frontend-502 P1 --reason …"
    assert site.incident["spec"]["severity"] == "P0", "only people change it"
    assert site.incident["apiVersion"] == API_VERSION and site.status.phase is Phase.Resolved


@pytest.mark.requirement("E-33", "A-02")
async def test_who_classifies_it_as_proposed_confirms_it() -> None:
    """It is said with the word that the command makes, and nothing is proposed any more."""
    site = Site(needs_commander)
    site.server.patch(site.incident_ref, {"spec": {"assessment": {"usersAffected": 60}}}, "", "", dry_run=False)
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    assert site.status.proposal and site.status.proposal.severity == "P1"
    site.decide(Verb.Classify, life, by="carol", severity="P1")
    await life.tick()
    await life.live(Phase.AwaitingApproval)
    told = next(line for line in site.lines if line.action == "Classify")
    assert (told.actor, told.result) == ("carol", "P1 instead of P0, as the criteria propose: planned anew, and approved anew")
    assert site.status.attempt == 2 and site.status.classified and site.status.classified.was == "P0"
    assert sum("severity/proposed" in line.key for line in site.lines) == 1, "it is what a person says now"


@pytest.mark.requirement("E-33", "A-02")
async def test_who_says_otherwise_is_told_again_what_is_proposed_and_of_what() -> None:
    site = Site(needs_commander)
    site.server.patch(site.incident_ref, {"spec": {"assessment": {"completeOutage": True}}}, "", "", dry_run=False)
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    site.decide(Verb.Classify, life, by="carol", severity="P1")
    await life.tick()
    await life.live(Phase.AwaitingApproval)
    said = next(line for line in site.lines if line.key.endswith("severity/proposed"))
    assert (said.action, said.expectation) == ("Propose severity P0", "severity is P1")
    assert site.status.classified and site.status.classified.severity == "P1", "only people change it"


@pytest.mark.requirement("E-33")
async def test_what_agrees_with_what_was_said_is_no_news() -> None:
    site = Site()
    site.server.patch(site.incident_ref, {"spec": {"assessment": {"completeOutage": True}}}, "", "", dry_run=False)
    await Life(site).live()
    proposal = site.status.proposal
    assert proposal and proposal.severity == "P0" == site.incident["spec"]["severity"]
    assert not [line for line in site.lines if "severity" in line.key]


@pytest.mark.parametrize("criterion", [{}, {"usersAffected": 0}, {"usersAffected": 101}, {"regions": 2}])
def test_a_criterion_that_says_nothing_or_nonsense_is_refused(criterion: dict[str, Any]) -> None:
    (policy,) = documents(AUREUS / "policy.yaml")
    policy["spec"]["levels"][0]["criteria"] = [criterion]
    with pytest.raises(ValidationError):
        ResponsePolicy.model_validate(policy["spec"])

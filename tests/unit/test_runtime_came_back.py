"""Invariant 13: an Incident that comes back without its past waits for a person's Resume."""

from __future__ import annotations

from pathlib import Path

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from stanch.engine.ports import Object
from tests.unit.world import NAMESPACE, Life, Site, incident, lean


async def resolved() -> Site:
    site = Site()
    await Life(site).live()
    assert site.status.phase is Phase.Resolved and len(site.frontend.mitigations) == 2
    return site


async def test_one_that_is_applied_again_waits_for_resume_and_names_the_earlier_pack() -> None:
    site = await resolved()
    earlier = site.status.pack.uri
    again(site)
    life = Life(site)
    await life.live()
    status = site.status
    assert (status.phase, status.reason, status.waits_for) == (Phase.Waiting, "CameBack", "Resume or Close")
    assert earlier in status.message and len(site.frontend.mitigations) == 2 and site.locks() == []
    site.passes(3600)
    assert await life.tick() is None and len(site.frontend.mitigations) == 2
    site.decide(Verb.Resume, life)
    await life.live()
    assert site.status.phase is Phase.Resolved and site.verified().ok


async def test_one_whose_status_was_lost_goes_on_with_its_own_chain_and_attempts() -> None:
    """Its tokens stand on the target: under the same ones its steps would look done."""
    site = await resolved()
    told, tokens = len(site.lines), {step.token for step in site.status.steps}
    site.server.set_status(site.incident_ref, {})
    life = Life(site, 2)
    await life.live()
    assert site.status.reason == "CameBack" and f"{told} entries" in site.status.message
    assert len(site.frontend.mitigations) == 2 and len(site.lines) == told + 1
    site.decide(Verb.Resume, life)
    await life.live()
    assert site.status.attempt == 2 and not tokens & {step.token for step in site.status.steps}
    assert site.status.phase is Phase.Resolved
    found = site.verified()
    assert found.ok, found.problems
    assert found.entries == len(site.lines) > told + 1


def boxed(playbook: Object) -> None:
    """Restarted, and a variable set for an hour; neither helps."""
    lean(playbook)
    tuned = {"target": "app", "set": {"FRONTEND_TUNED": "yes"}}
    steps = [
        {"name": "restart", "expect": "it is restarted", "rolloutRestart": {"target": "app"}},
        {"name": "tune", "expect": "it is tuned", "setEnv": tuned, "revert": {"after": "1h", "onRecovery": False}},
    ]
    playbook["spec"]["options"] = [playbook["spec"]["options"][0] | {"name": "only", "steps": steps}]


async def test_tokens_are_not_used_again_where_the_last_line_is_about_an_earlier_attempt() -> None:
    """The second attempt has restarted; then what the first one owed was taken back, and that is the last that its pack tells."""
    site = Site(boxed)
    # The world's own audit knows of steps only, and here a revert is written.
    site.server.after_write[:] = [site.frontend._written]
    life = Life(site)
    await life.live(Phase.Escalated)
    site.decide(Verb.Resume, life)
    await life.tick()
    await life.live(Phase.Escalated)
    assert site.status.attempt == 2
    site.passes(3600)
    await life.live()
    assert [str(record.state) for record in site.status.reverts] == ["Done"] and "/revert/" in site.lines[-1].key
    used = set(site.frontend.mitigations)
    assert any("/2/" in token for token in used) and any("/1/" in token for token in used)
    site.server.set_status(site.incident_ref, {})
    again = Life(site, 2)
    await again.live()
    assert site.status.reason == "CameBack" and site.status.attempt >= 2
    known = len(site.frontend.mitigations)
    site.decide(Verb.Resume, again)
    await again.live()
    later = site.frontend.mitigations[known:]
    assert site.status.attempt > 2 and later and not used & set(later)


@pytest.mark.parametrize("mode", ["DryRun", "Live"])
async def test_dry_run_is_no_past_and_asks_for_none(mode: str) -> None:
    site = Site()
    again(site, mode="DryRun")
    await Life(site).live()
    again(site, mode=mode)
    await Life(site).live()
    assert site.status.phase is (Phase.Closed if mode == "DryRun" else Phase.Resolved)


async def test_who_came_back_can_be_closed_and_leaves_a_pack_that_tells_so() -> None:
    site = await resolved()
    again(site)
    life = Life(site)
    await life.live()
    site.decide(Verb.Close, life)
    await life.live()
    assert site.status.phase is Phase.Closed and len(site.frontend.mitigations) == 2
    found = site.verified()
    assert found.ok and found.entries == 2, found.problems


async def test_packs_that_cannot_be_looked_at_hold_everything_back_and_that_is_said(tmp_path: Path) -> None:
    site = Site(folder=tmp_path)
    in_the_way = tmp_path / NAMESPACE
    in_the_way.write_text("a file where the folder of the packs should be")
    life = Life(site)
    assert await life.tick() == 5.0
    (stalled,) = [condition for condition in site.status.conditions if condition.type == "Stalled"]
    assert (stalled.status, stalled.reason) == ("True", "PackUnavailable") and "packs" in stalled.message
    assert not site.frontend.mitigations
    in_the_way.unlink()
    await life.live()
    assert site.status.phase is Phase.Resolved


def again(site: Site, **spec: str) -> None:
    """As GitOps does after a deletion, or a backup's restore in a new cluster: the same object with another UID."""
    site.server.delete(site.incident_ref, "")
    body = incident()
    body["spec"] |= spec
    site.incident_ref = site.server.add(body)
    assert site.incident_ref.namespace == NAMESPACE

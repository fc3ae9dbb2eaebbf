"""What guards know of all incidents: one that this version cannot read is unknown, not absent, and unknown counts as blocked."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from stanch.app import Operator
from stanch.domain.decision import Verb
from stanch.domain.incident import FORMAT_VERSION, Phase
from stanch.domain.plan import Ref
from stanch.engine.availability import Unknown
from stanch.engine.errors import Refused
from stanch.engine.ports import Object
from stanch.engine.shipped import DECISIONS
from stanch.runtime.overdue import Overdue
from stanch.runtime.prime import prime
from stanch.runtime.sight import Sight
from stanch.runtime.sweeper import Sweeper
from stanch.runtime.vouching import Vouching
from stanch.runtime.witness import Witness
from tests.unit.memory import Write
from tests.unit.test_app import settings
from tests.unit.world import NAMESPACE, OPERATOR, Life, Site, quick

LATER = (NAMESPACE, "unreadable")
READ = f"status has formatVersion 99, this stanch reads up to {FORMAT_VERSION}; run the later version"


def unreadable(site: Site) -> Ref:
    """Another Incident, as a later version of stanch has written it."""
    other = copy.deepcopy(site.incident)
    other["metadata"] = {"name": LATER[1], "namespace": NAMESPACE}
    other.pop("status", None)
    ref = site.server.add(other)
    site.server.set_status(ref, {"formatVersion": 99})
    return ref


async def primed(site: Site) -> Life:
    """As the operator starts beside it."""
    life = Life(site)
    life.world.sight.complete, life.world.sight.illegible = False, {}
    await prime(life.world, ())
    return life


async def held(life: Life) -> str:
    """By what, once it wants to change something."""
    await life.live(until=Phase.Mitigating)
    await life.tick()
    return life.site.status.reason


def test_before_every_incident_was_looked_at_nothing_is_known() -> None:
    sight = Sight()
    lacks = sight.lacks()
    assert isinstance(lacks, Unknown) and "since the operator's start" in lacks.why
    sight.complete = True
    assert sight.lacks() is None


def test_the_same_one_is_named_and_how_many_more_there_are() -> None:
    sight = Sight(complete=True, illegible={("b", "two"): "Incident b/two: no", ("a", "one"): "Incident a/one: it is odd"})
    lacks = sight.lacks()
    assert lacks and lacks.why == "Incident a/one: it is odd (and 1 more that cannot be read)"
    assert lacks.lifts == "a version of stanch that can read it, or the deletion of incident a/one"


async def test_one_that_cannot_be_read_at_the_start_holds_the_others_up_until_it_is_gone() -> None:
    site = Site()
    ref = unreadable(site)
    life = await primed(site)
    assert await held(life) == "Storm" and site.frontend.mitigations == []
    message = site.status.message
    assert f"incidents did until now is unknown: Incident {NAMESPACE}/unreadable: {READ}" in message
    assert f"lifted by a version of stanch that can read it, or the deletion of incident {NAMESPACE}/unreadable" in message
    site.server.remove(ref)
    life.ticker.forget(LATER)
    await life.live(until=Phase.Mitigated)
    assert len(site.frontend.mitigations) == 2


async def test_nor_does_what_people_say_let_one_pass_that_nobody_knows_the_number_beside() -> None:
    site = Site()
    unreadable(site)
    life = await primed(site)
    await held(life)
    await life.live(until=Phase.Escalated, rounds=500)
    site.decide(Verb.Resume, life)
    assert await held(life) == "ConcurrentIncidents" and site.status.resumed and site.frontend.mitigations == []
    assert "how many are being mitigated is unknown: Incident" in site.status.message
    assert "lifted by a version of stanch that can read it" in site.status.message


def twice(playbook: Object) -> None:
    quick(playbook)
    steps = playbook["spec"]["options"][0]["steps"]
    steps.append({**steps[0], "name": "again"})


async def test_who_began_goes_on_beside_it() -> None:
    """The second step of the same option, not the next one: that is another beginning."""
    site = Site(twice)
    life = Life(site)

    def appears(write: Write) -> None:
        if write.ref.kind == "Deployment":
            life.world.illegible(LATER, Refused("NewerFormat", READ))

    site.server.after_write.append(appears)
    await life.live(until=Phase.Escalated, rounds=500)
    assert {step.name: str(step.state) for step in site.status.steps} == {"restart": "Done", "again": "Done"}
    assert site.options == {"restart": "Denied", "undo": "Failed"} and READ in site.status.message


async def test_a_tick_finds_out_whether_it_can_be_read_and_whether_it_can_be_again() -> None:
    site = Site()
    life = await primed(site)
    world, ref = life.world, unreadable(site)
    with pytest.raises(Refused):
        await life.ticker.tick(LATER)
    assert world.sight.illegible == {LATER: f"Incident {NAMESPACE}/unreadable: {READ}"}
    site.server.set_status(ref, {"formatVersion": 2, "phase": "Closed"})
    await life.ticker.tick(LATER)
    assert world.sight.illegible == {}
    site.server.set_status(ref, {"formatVersion": 99})
    with pytest.raises(Refused):
        await life.ticker.tick(LATER)
    site.server.remove(ref)
    await life.ticker.tick(LATER)
    assert world.sight.illegible == {}


async def test_a_start_that_is_tried_again_knows_no_one_who_has_gone_meanwhile() -> None:
    site = Site()
    ref = unreadable(site)
    life = await primed(site)
    site.server.remove(ref)
    await prime(life.world, ())
    assert life.world.sight.lacks() is None


async def test_one_that_the_start_could_not_read_is_looked_at_again_by_itself(tmp_path: Path) -> None:
    """Between that list and the watch's own it may have been deleted, and nobody would tell."""
    site = Site()
    operator, life = Operator(settings(tmp_path, "http://127.0.0.1:1")), Life(site)
    witness = Witness(DECISIONS, life.world.clusters.own, site.server.time, OPERATOR)
    operator.vouching = Vouching(witness, operator.metrics, lambda _: None, operator.look_again)
    ref = unreadable(site)
    await operator.prime(life.world)
    assert len(operator.queue) == 1 and await operator.queue.get() == LATER
    site.server.remove(ref)
    await life.ticker.tick(LATER)
    assert life.world.sight.lacks() is None


async def test_one_that_rests_and_cannot_be_read_is_looked_at_when_the_watch_tells_of_it(tmp_path: Path) -> None:
    site = Site()
    operator, life = Operator(settings(tmp_path, "http://127.0.0.1:1")), Life(site)
    operator.sweeper = Sweeper(life.world.clusters.own, site.server.time, operator.queue, operator.metrics, (), hear=lambda _: None)
    operator.ticker, operator.overdue = life.ticker, Overdue(site.server.time, operator.metrics)
    for version, looked_at in ((2, 0), (99, 1)):
        rests = {"formatVersion": version, "rests": True, "observedGeneration": site.incident["metadata"]["generation"]}
        operator.sink_incident(site.incident | {"status": rests}, False)
        assert len(operator.queue) == looked_at

"""What is decided is stored when somebody could need it: before a change, at a rest, and where something takes long."""

from __future__ import annotations

import asyncio

from stanch.domain.incident import Phase
from stanch.engine.ports import Object
from tests.unit.world import KEY, Life, Site, lean
from tests.unit.world_gates import Gate, Op


def one_option(playbook: Object) -> None:
    """The one that helps, and its checks do not hold."""
    lean(playbook)
    (undo,) = (option for option in playbook["spec"]["options"] if option["name"] == "undo")
    undo.pop("when", None)
    for check in undo["verify"]:
        check["holdFor"] = "0s"
    playbook["spec"]["options"] = [undo]


def status_writes(life: Life) -> int:
    return sum(op.kind == "write" and op.what.startswith("patch incident/") and "status" in op.what for op in life.passage.log)


async def test_an_incident_costs_two_status_writes_three_a_step_and_one_a_wait() -> None:
    site = Site(one_option)
    life, waits = Life(site), 0
    while (delay := await life.tick()) is not None:
        waits += 1
        site.passes(delay + 0.001)
    assert len(site.frontend.mitigations) == 1 and site.status.rests and site.verified().ok
    assert status_writes(life) <= 2 + 3 + waits and waits == 1, "one more for the rollout that it waits for"


class Slow(Gate):
    """Holds the first thing of this name until it is let."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.let = asyncio.Event()

    async def before(self, op: Op) -> None:
        if op.what == self.what:
            await self.let.wait()


async def test_what_takes_long_does_not_keep_people_from_seeing_what_was_decided() -> None:
    site = Site(lean)
    gate = Slow("get playbook/frontend-down")
    life = Life(site, gate=gate)
    life.ticker.patience = 0.0
    stored = asyncio.Event()
    site.server.after_write.append(lambda write: stored.set() if write.ref.kind == "Incident" else None)
    ticking = asyncio.ensure_future(life.tick())
    await stored.wait()
    assert site.status.message == "Looking for a playbook" and not ticking.done()
    gate.let.set()
    await ticking
    await life.live()
    assert site.status.phase is Phase.Resolved and site.verified().ok


async def test_the_watch_of_a_version_that_was_written_here_asks_for_no_tick() -> None:
    site = Site(lean)
    told: list[str] = []
    site.server.after_write.append(
        lambda write: told.append(site.incident["metadata"]["resourceVersion"]) if write.ref.kind == "Incident" else None
    )
    life = Life(site)
    await life.tick()
    own = list(dict.fromkeys(told))
    assert own and all(life.ticker.wrote(KEY, version) for version in own)
    assert not any(life.ticker.wrote(KEY, version) for version in own), "told twice is told by somebody else"
    site.server.patch(site.incident_ref, {"metadata": {"labels": {"by": "hand"}}}, "", "", dry_run=False)
    assert not life.ticker.wrote(KEY, site.incident["metadata"]["resourceVersion"])

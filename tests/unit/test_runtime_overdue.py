"""What is counted as late: what is owed and not taken back, and what has waited for longer than its deadline."""

from __future__ import annotations

from datetime import datetime

import pytest

from stanch.domain.incident import Phase
from stanch.engine.ports import Object
from stanch.runtime.metrics import Metrics
from stanch.runtime.overdue import Overdue, reverts
from tests.unit.test_runtime_reverts import BROKEN, MORE, SETTLE, SHORT, made, steps, suspend
from tests.unit.world import Life, Site, needs_commander


class Seen:
    """What Prometheus reads of an operator whose watch tells of the site's Incident."""

    def __init__(self, site: Site) -> None:
        self.site, self.metrics = site, Metrics()
        self.overdue = Overdue(site.server.time, self.metrics)

    def told(self, *, gone: bool = False) -> tuple[float | None, float | None]:
        self.overdue.told(self.site.incident, gone=gone)
        return self.read()

    def read(self) -> tuple[float | None, float | None]:
        value = self.metrics.registry.get_sample_value
        return value("stanch_reverts_overdue"), value("stanch_deadlines_missed")


async def test_what_is_owed_is_overdue_from_its_time_until_it_is_taken_back() -> None:
    site = made(steps(BROKEN | SHORT, SETTLE, MORE))
    seen, life = Seen(site), Life(site)
    assert seen.told() == (0, 0), "nothing is planned yet"
    while not site.status.reverts:
        site.passes((await life.tick() or 0) + 0.001)
    assert seen.told() == (0, 0)
    site.passes(9)
    assert seen.read() == (1, 0), "nobody ticked it: that its time is over needs no news"
    await life.live(Phase.Mitigated)
    while site.status.open_reverts > 1:
        site.passes((await life.tick() or 0) + 0.001)
    assert seen.told() == (0, 0), "of what is left the time has not come"


async def test_an_approval_that_nobody_ended_has_missed_its_deadline() -> None:
    site = Site(needs_commander)
    seen, life = Seen(site), Life(site)
    await life.live(Phase.AwaitingApproval)
    assert site.status.deadline and seen.told() == (0, 0)
    site.passes((site.status.deadline - site.server.time.now()).total_seconds() + 1)
    assert seen.read() == (0, 1)
    await life.tick()
    assert seen.told() == (0, 0), "silence was a no: the next option, or a person"


async def test_a_freeze_stops_the_time_of_an_option() -> None:
    site = made(steps(SETTLE, MORE))
    seen, life = Seen(site), Life(site)
    await life.live(Phase.Mitigating)
    suspend(site, True)
    while site.status.reason != "Frozen":
        site.passes((await life.tick() or 0) + 0.001)
    site.passes(7200)
    assert site.status.deadline and seen.told() == (0, 0)


def test_who_is_gone_is_late_with_nothing() -> None:
    site = Site()
    owed = [{"state": "Blocked", "dueAt": "2026-01-05T08:00:00Z"}, {"state": "Owed"}]
    told: Object = {**site.incident, "status": {"reverts": owed, "deadline": "2026-01-05T08:00:00Z"}}
    seen = Seen(site)
    seen.overdue.told(told)
    assert seen.read() == (1, 1), "blocked is owed all the same; what has no time is not late"
    seen.overdue.told(told, gone=True)
    assert seen.read() == (0, 0)


@pytest.mark.parametrize(
    ("phase", "before", "late"),
    [("Mitigated", "Owed", ["more"]), ("Mitigated", "Done", ["owner"]), ("Mitigating", "Done", [])],
    ids=["while something is owed", "when it is alone", "while an option goes on"],
)
def test_who_is_given_back_last_is_not_late_before_its_turn(phase: str, before: str, late: list[str]) -> None:
    times = {"more": "2026-01-05T09:10:00Z", "owner": "2026-01-05T09:00:00Z"}
    records = [{"state": "Owed", "dueAt": times["owner"], "last": True}, {"state": before, "dueAt": times["more"]}]
    assert reverts({"phase": phase, "reverts": records}) == tuple(datetime.fromisoformat(times[name]) for name in late)

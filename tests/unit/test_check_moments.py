"""What a check is told by the runtime: what it measured before the first change, and since when it is to judge."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from stanch.domain.incident import CheckRecord, RevertRecord, RevertState, Status, StepRecord, StepState, Verdict
from stanch.domain.plan import Check
from stanch.engine.ports import HttpCall, HttpReply, Object
from stanch.runtime.readings import after_change
from tests.unit.play import APP, T0, option, plan
from tests.unit.world import NAMESPACE, Life, Site, body

Clock = Callable[[], datetime]


def prometheus(site: Site, value: Callable[[], float], taken: Clock | None = None) -> None:
    """One with one series: what it gives, and when that was measured (left out: this moment)."""
    now = site.server.time.now
    taken = taken or now

    def answer(call: HttpCall) -> HttpReply:
        number = taken().timestamp() if call.query["query"].startswith("min(timestamp(") else value()
        result = [{"metric": {}, "value": [now().timestamp(), str(number)]}]
        return HttpReply(200, json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode(), 0.01)

    site.server.add(body("v1", "Service", "prometheus"))
    site.server.backends[NAMESPACE, "prometheus", "9090"] = answer


def comparing(expect: str, **more: Any) -> Callable[[Object], None]:
    """The playbook's second option alone, verified by a query."""
    asked = {"service": "prometheus", "port": "9090", "query": "backlog", "maxAge": "1h", "expect": expect}

    def edit(playbook: Object) -> None:
        (undo,) = playbook["spec"]["options"] = playbook["spec"]["options"][1:]
        undo["verify"] = [{"name": "backlog", "prometheus": asked, "within": "10s", "holdFor": "2s", **more}]

    return edit


def backlog_of(site: Site) -> float:
    return 400.0 if site.frontend.environment.get("RELEASE_BROKEN") else 12.0


@pytest.mark.parametrize(
    ("expect", "becomes"),
    [
        ("value < baseline / 10.0", {"undo": "Confirmed"}),
        ("value < baseline / 100.0", {"undo": "Denied"}),
        ("baseline == 400.0", {"undo": "Confirmed"}),
    ],
)
async def test_what_was_measured_before_the_first_change_is_compared_with(expect: str, becomes: dict[str, str]) -> None:
    site = Site(comparing(expect))
    prometheus(site, lambda: backlog_of(site))
    await Life(site).live()
    assert site.options == becomes
    (check,) = site.status.checks
    assert (float(check.baseline_value), float(check.value)) == (400.0, 12.0)
    measured = next(data for path, data in site.memory.objects.items() if "/checks/before-1" in path)
    assert float(json.loads(measured)["backlog"]["value"]) == 400.0


async def test_baseline_outlives_the_operator() -> None:
    site = Site(comparing("value < baseline / 10.0", holdFor="1m"))
    prometheus(site, lambda: backlog_of(site))
    await Life(site).tick()
    assert len(site.frontend.mitigations) == 1
    await Life(site, epoch=2).live()
    assert site.options == {"undo": "Confirmed"} and site.status.checks[0].baseline_value == "400.0"


async def test_a_sample_from_before_the_change_never_confirms() -> None:
    """Its value would do, and it is young enough: it was taken before anything was changed."""
    site = Site(comparing("value < 500"))
    at = site.server.time.now() - timedelta(seconds=1)
    prometheus(site, lambda: 1.0, taken=lambda: at)
    await Life(site).live()
    assert site.options == {"undo": "Inconclusive"}
    assert "before the change" in site.status.options[0].message
    assert site.status.checks[0].baseline is Verdict.Confirmed, "before the first change there is none to be after"


async def test_what_speaks_of_facts_that_nobody_knows_yet_is_not_read() -> None:
    """The baseline is read before the diagnosis has found anything."""

    def edit(playbook: Object) -> None:
        comparing("value < 50")(playbook)
        question = {"service": "prometheus", "port": "9090", "query": "backlog", "maxAge": "1h"}
        playbook["spec"]["diagnosis"] = [{"name": "queue", "prometheus": question, "within": "10s"}]
        check = playbook["spec"]["options"][0]["verify"][0]["prometheus"]
        check |= {"query": "backlog{queue=$queue}", "variables": {"queue": "${string(facts.queue)}"}}

    site = Site(edit)
    prometheus(site, lambda: backlog_of(site))
    await Life(site).live()
    assert site.options == {"undo": "Confirmed"}
    (check,) = site.status.checks
    assert check.baseline is Verdict.Inconclusive and check.baseline_value == "" and check.value == "12.0"


CHECK = Check("backlog", "prometheus", {"query": "backlog"})
MEASURED = CheckRecord("backlog", Verdict.Denied, "12", Verdict.Denied, "400")


@pytest.mark.parametrize(
    ("other", "known"),
    [
        (replace(CHECK, within=timedelta(hours=1), hold_for=timedelta(minutes=1)), {"backlog": "400"}),
        (replace(CHECK, params={"query": "errors"}), {}),
        (replace(CHECK, target="app"), {}),
        (replace(CHECK, check="exec"), {}),
    ],
)
def test_a_baseline_that_two_checks_could_mean_is_nobodys(other: Check, known: dict[str, str]) -> None:
    two = plan(option("restart", verify=(CHECK,)), option("undo", verify=(other,)))
    assert after_change(two, Status(checks=(MEASURED,))).baseline == known


def test_what_measured_nothing_has_no_baseline() -> None:
    status = Status(checks=(CheckRecord("backlog", Verdict.Denied, "12", Verdict.Inconclusive, ""),))
    assert after_change(plan(option("undo", verify=(CHECK,))), status).baseline == {}


def minutes(number: int) -> datetime:
    return T0 + timedelta(minutes=number)


def step(name: str, written: int | None = None) -> StepRecord:
    at = None if written is None else minutes(written)
    return StepRecord("undo", name, StepState.Done, intended_at=T0, written_at=at, done_at=minutes(50))


def revert(state: RevertState, done: int) -> RevertRecord:
    return RevertRecord("undo", "a", state, APP, "token", "image", "sha256:0", done_at=minutes(done))


@pytest.mark.parametrize(
    ("status", "since"),
    [
        (Status(), None),
        (Status(steps=(step("waited"),)), None),
        (Status(steps=(step("a", 5), step("b", 3))), 5),
        (Status(steps=(step("a", 5),), reverts=(revert(RevertState.Done, 7),)), 7),
        (Status(steps=(step("a", 5),), reverts=(revert(RevertState.Kept, 7), revert(RevertState.Conflict, 8))), 5),
    ],
    ids=["nothing was done", "waiting changes nothing", "the latest", "taken back", "not taken back"],
)
def test_checks_judge_since_the_last_change(status: Status, since: int | None) -> None:
    assert after_change(plan(), status).since == (None if since is None else minutes(since))

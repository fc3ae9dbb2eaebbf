"""What the benchmark reads from the audit log, and what it makes of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.bench.audit import effects, log_of, of, openings
from tests.bench.lives import all_settled, seconds_to_mitigation, settled
from tests.bench.measurements.burst import outcome
from tests.bench.measurements.requests_per_incident import kind
from tests.stage.audit.log import event_of

SPACE = "bench-stanch"
STATUS = "incidents/status"


def at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def line(verb: str, resource: str, name: str, ended: float = 10.0, **more: Any) -> dict[str, Any]:
    main, _, sub = resource.partition("/")
    about = {"resource": main, "subresource": sub, "namespace": SPACE, "name": name}
    return {
        "stage": "ResponseComplete", "verb": verb, "requestURI": "/x", "objectRef": about, "user": {"username": "stanch"},
        "responseStatus": {"code": 200}, "requestReceivedTimestamp": at(ended - 1), "stageTimestamp": at(ended), **more,
    }  # fmt: skip


def requests(*lines: dict[str, Any]):
    return [event_of(one) for one in lines]


def changed(name: str, ended: float, **more: Any) -> dict[str, Any]:
    return line("patch", "configmaps", name, ended, **more)


def opened(name: str, ended: float = 10.0) -> dict[str, Any]:
    return line("create", "incidents", name, ended)


def test_a_request_is_told_by_who_sent_it():
    (found,) = requests(line("patch", STATUS, "one", impersonatedUser={"username": "remediator"}))
    assert (found.resource, found.user, found.answered - found.received) == (STATUS, "stanch", timedelta(seconds=1))


def test_what_is_not_about_an_object_is_told_too():
    plain = {key: value for key, value in line("get", "", "").items() if key not in ("objectRef", "responseStatus")}
    (found,) = requests(plain)
    assert (found.resource, found.name, found.done) == ("", "", False)


@pytest.mark.parametrize("more", [{"responseStatus": {"code": 409}}, {"requestURI": "/api/v1/x?fieldManager=stanch&dryRun=All"}])
def test_what_was_refused_or_only_tried_is_no_effect(more: dict[str, Any]):
    assert effects(requests(changed("one", 10, **more)), SPACE) == []


def test_effects_are_told_in_order_and_of_one_namespace():
    elsewhere = changed("far", 5) | {"objectRef": {"resource": "configmaps", "namespace": "other", "name": "far"}}
    found = effects(requests(changed("two", 12), changed("one", 11), elsewhere, line("create", "configmaps", "one")), SPACE)
    assert [one.name for one in found] == ["one", "two"]


def test_the_first_effect_counts_from_the_answer_to_the_creation():
    log = requests(opened("one", 10), changed("one", 12.5), changed("one", 20), opened("lost", 11))
    assert seconds_to_mitigation(log, SPACE) == {"one": pytest.approx(2.5)}


def test_requests_of_one_user():
    log = requests(opened("one"), opened("two") | {"user": {"username": "harness"}})
    assert [one.name for one in of(log, "stanch")] == ["one"] and openings(log, SPACE).keys() == {"one", "two"}


def test_a_burst_counts_what_was_lost_and_what_was_doubled():
    log = requests(opened("a", 11), opened("b", 12), opened("c", 13), changed("a", 12), changed("b", 14), changed("b", 19))
    found = outcome(log, SPACE, ["a", "b", "c"])
    assert (found.lost, found.doubled, found.rate) == (1, 1, pytest.approx(2 / 4))


def test_a_burst_of_which_nothing_was_mitigated_is_no_rate():
    with pytest.raises(AssertionError, match="nothing was mitigated"):
        outcome(requests(opened("a")), SPACE, ["a"])


def test_requests_have_classes():
    tried = changed("one", 10, requestURI="/x?dryRun=All")
    log = requests(line("patch", STATUS, "one"), changed("one", 10), tried, line("list", "incidents", ""))
    assert [kind(one) for one in log] == ["status writes", "effects", "patch configmaps (dry run)", "list incidents"]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({}, False),
        ({"phase": "Verifying"}, False),
        ({"phase": "Resolved"}, True),
        ({"phase": "Resolved", "pack": {"head": {"seq": 9}, "sealed": 8}}, False),
        ({"phase": "Resolved", "pack": {"head": {"seq": 9}, "sealed": 9}}, True),
    ],
)
def test_what_is_settled(status: dict[str, Any], told: bool):
    assert settled(status) is told


def test_all_are_settled_once_each_one_has_been():
    over = all_settled(["a", "b"])
    assert not over({"b": {"phase": "Resolved"}}) and not over({"b": {"phase": "Resolved"}, "a": {"phase": "Verifying"}})
    assert over({"a": {"phase": "Resolved"}})


def test_what_was_written_into_objects_is_not_kept(tmp_path: Path):
    path = tmp_path / "audit.log"
    path.touch()
    with log_of(path) as log:
        path.write_text(json.dumps(opened("one") | {"requestObject": {"spec": {}}}) + "\n")
        assert [(one.name, one.body) for one in log.read()] == [("one", None)]

"""`rolloutUndo` to the last stable revision: what decides, in which order, and when nobody can tell (A-13)."""

from __future__ import annotations

from typing import Any

import pytest

from stanch.actions.rollout_undo import ROLLOUT_UNDO, UndoParams
from stanch.engine.errors import Refused
from stanch.engine.parts import Change
from stanch.engine.ports import Object
from tests.unit import rollouts
from tests.unit.acting import on
from tests.unit.memory import MemoryCluster
from tests.unit.rollouts import before, controller_revision, deployment, pod, replica_set, template

pytestmark = pytest.mark.requirement("A-13")
V1, V2, V3, V4 = (template(f"web:v{number}") for number in (1, 2, 3, 4))


def last_stable(target: Object, *revisions: Object, after: str = "1h") -> Change:
    params = UndoParams.model_validate({"to": "LastStable", "stableAfter": after})
    return ROLLOUT_UNDO.plan(before(target, *revisions), params, "inc-1.undo")


def goes_to(change: Change) -> int:
    return int(change.summary.split(" -> ")[1].split(",")[0])


def refused(*args: Any, **more: Any) -> Refused:
    with pytest.raises(Refused) as refusal:
        last_stable(*args, **more)
    return refusal.value


def test_a_mark_on_the_workload_wins_over_everything_seen() -> None:
    target = deployment(V3, annotations={"stanch.dev/stable-revision": "1"})
    ready = {"replicas": 3, "readyReplicas": 3}
    change = last_stable(target, replica_set(3, V3, at=900), replica_set(2, V2, at=100, status=ready), replica_set(1, V1))
    assert goes_to(change) == 1
    assert change.why == "revision 1 is marked stable by annotation stanch.dev/stable-revision"


def test_the_newest_marked_revision_is_taken() -> None:
    marked = {"stanch.dev/stable": "true"}
    change = last_stable(
        deployment(V4),
        replica_set(4, V4, at=4),
        replica_set(3, V3, at=3, **{"stanch.dev/stable": "false"}),
        replica_set(2, V2, at=2, **marked),
        replica_set(1, V1, at=1, **marked),
    )
    assert goes_to(change) == 2
    assert change.why == "revision 2 is marked stable by annotation stanch.dev/stable"


def test_a_marked_revision_that_is_gone_is_not_replaced_by_a_guess() -> None:
    target = deployment(V3, annotations={"stanch.dev/stable-revision": "7"})
    refusal = refused(target, replica_set(3, V3, at=900), replica_set(2, V2))
    assert refusal.reason == "StableUndecidable"
    assert "names revision '7', which it does not have; its revisions: 3, 2" in refusal.message


def test_the_current_release_being_marked_is_refused() -> None:
    target = deployment(V3, annotations={"stanch.dev/stable-revision": "3"})
    assert refused(target, replica_set(3, V3, at=900), replica_set(2, V2)).reason == "StableIsCurrent"


def test_a_mark_that_the_controller_copies_to_every_revision_means_nothing() -> None:
    target = deployment(V3, annotations={"stanch.dev/stable": "true"})
    marked = {"stanch.dev/stable": "true"}
    refusal = refused(target, replica_set(3, V3, at=900, **marked), replica_set(2, V2, **marked))
    assert refusal.reason == "StableUndecidable"
    assert "copies it to every revision" in refusal.message


def test_the_newest_release_whose_pods_are_all_ready_is_taken_while_the_current_lacks_some() -> None:
    change = last_stable(
        deployment(V4),
        replica_set(4, V4, at=5, status={"replicas": 2, "availableReplicas": 1}),
        replica_set(3, V3, at=4, status={"replicas": 2, "readyReplicas": 1}),
        replica_set(2, V2, at=3, status={"replicas": 1, "readyReplicas": 1}),
        replica_set(1, V1, at=2, status={"replicas": 1, "readyReplicas": 1}),
    )
    assert goes_to(change) == 2
    assert change.why == "revision 2 still has 1 of 1 pods ready, while revision 4 has 1 of 4 available"


def test_ready_pods_of_an_old_release_say_nothing_once_the_current_one_is_fully_available() -> None:
    current = replica_set(2, V2, at=5, status={"replicas": 4, "availableReplicas": 4})
    old = replica_set(1, V1, status={"replicas": 1, "readyReplicas": 1})
    assert refused(deployment(V2), current, old).reason == "StableUndecidable"


@pytest.mark.parametrize(("kind", "mark"), [("StatefulSet", "web-h{}"), ("DaemonSet", "h{}")])
async def test_pods_of_sets_are_counted_by_revision(kind: str, mark: str) -> None:
    target = rollouts.workload(kind, V2)
    target["status"]["desiredNumberScheduled"] = 4
    new, old = mark.format(5), mark.format(0)
    server = rollouts.server_with(
        target,
        controller_revision(kind, 2, V2, at=5),
        controller_revision(kind, 1, V1, at=0),
        pod(target, "web-0", old, ready=True),
        pod(target, "web-1", old, ready=True),
        pod(target, "web-2", old, ready=False, deletionTimestamp="2026-11-21T00:06:00Z"),
        pod(target, "web-3", new, ready=False),
    )
    params = UndoParams(to="LastStable")
    state = await ROLLOUT_UNDO.read(on(MemoryCluster(server)), server.ref(target), params)
    change = ROLLOUT_UNDO.plan(state, params, "inc-1.undo")
    assert change.why.startswith("revision 1 still has 2 of 2 pods ready, while revision 2 has 0 of 4 available")


def test_the_newest_release_that_stood_long_enough_is_taken() -> None:
    change = last_stable(
        deployment(V4),
        replica_set(4, V4, at=500),
        replica_set(3, V3, at=490),
        replica_set(2, V2, at=400),
        replica_set(1, V1, at=0),
    )
    assert goes_to(change) == 2
    assert change.why == "revision 2 was the current one for 1h30m before a new one followed (stable after 1h)"


def test_a_revision_that_was_left_by_going_back_is_not_stable_however_long_ago() -> None:
    """1 stood for 2 h, 2 was bad and was left for 1 (now 3) after five minutes; 4 came hours later."""
    change = last_stable(
        deployment(V4),
        replica_set(4, V4, at=900),
        replica_set(3, V1, at=0, was="1"),
        replica_set(2, V2, at=120),
    )
    assert goes_to(change) == 3
    assert "for 2h before" in change.why


def test_one_that_was_gone_back_to_and_left_again_by_going_back_is_not_stable() -> None:
    """1, then 2, back to 1 (3), back to 2 (4), then 5: the first was left by going back once."""
    refusal = refused(
        deployment(V3),
        replica_set(5, V3, at=900),
        replica_set(4, V2, at=30, was="2"),
        replica_set(3, V1, at=0, was="1"),
        after="20m",
    )
    assert refusal.reason == "StableUndecidable"
    assert "left by going back" in refusal.message


def test_a_set_whose_revision_was_renumbered_does_not_show_how_long_that_one_stood() -> None:
    """1 (now 3) and 2 as above. ControllerRevisions do not keep the numbers they bore."""
    refusal = refused(
        rollouts.workload("StatefulSet", V4),
        controller_revision("StatefulSet", 4, V4, at=900),
        controller_revision("StatefulSet", 3, V1, at=0),
        controller_revision("StatefulSet", 2, V2, at=120),
    )
    assert refusal.reason == "StableUndecidable"


def test_a_gap_in_the_numbers_is_not_bridged() -> None:
    refusal = refused(deployment(V3), replica_set(9, V3, at=900), replica_set(4, V1, at=0))
    assert refusal.reason == "StableUndecidable"


def test_undecidable_says_what_is_known_and_how_to_mark_one() -> None:
    refusal = refused(deployment(V2), replica_set(2, V2, at=10), replica_set(1, V1))
    assert "revision 1 (web:v1) stood: 10m" in refusal.message
    assert "kubectl -n shop annotate deployment web stanch.dev/stable-revision=<number>" in refusal.message


def test_restarts_of_the_current_release_do_not_make_it_stable() -> None:
    """The bad release 2 stood for two hours before a restart made revision 3 of it."""
    restarted = template("web:v2", **{"stanch.dev/restarted-by": "inc-1.restart"})
    change = last_stable(
        deployment(restarted),
        replica_set(3, restarted, at=320),
        replica_set(2, V2, at=200),
        replica_set(1, V1),
    )
    assert goes_to(change) == 1

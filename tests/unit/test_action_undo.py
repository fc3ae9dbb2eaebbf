"""`rolloutUndo`: the merge patch makes exactly the wanted template, its inverse takes it back; which revision is chosen."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stanch.actions.effects import TOKEN, observe
from stanch.actions.registry import ACTIONS, by_name
from stanch.actions.rollout_undo import ROLLOUT_UNDO, UndoParams
from stanch.domain.plan import Pin
from stanch.engine.errors import Conflict, Refused, Retryable
from stanch.engine.mergepatch import difference, merged
from stanch.engine.parts import Before, Change, RevertConflict
from stanch.engine.workload import release_of, template_of
from tests.unit import rollouts
from tests.unit.acting import on
from tests.unit.memory import MemoryCluster
from tests.unit.memory.objects import merged as by_the_server
from tests.unit.rollouts import before, controller_revision, deployment, replica_set, template

leaves = st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "b"])
json = st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3))
objects = st.dictionaries(st.sampled_from("pqrs"), json, max_size=4)
words = st.dictionaries(st.sampled_from(["k", "l", "m"]), st.sampled_from(["1", "2"]), max_size=3)


@st.composite
def templates(draw: st.DrawFn) -> dict[str, Any]:
    metadata: dict[str, Any] = {"labels": {**draw(words), **rollouts.LABELS}}
    if annotations := draw(words):
        metadata["annotations"] = annotations
    containers = draw(st.lists(objects, min_size=1, max_size=2))
    named = [{**item, "name": f"c{at}", "image": draw(st.sampled_from("vw"))} for at, item in enumerate(containers)]
    return {"metadata": metadata, "spec": {**draw(objects), "containers": named}}


def undo(state: Before, **params: Any) -> Change:
    return ROLLOUT_UNDO.plan(state, UndoParams(**params), "inc-1.undo")


def image(state: Before, change: Change) -> str:
    return template_of(merged(state.target, change.patch))["spec"]["containers"][0]["image"]


@given(objects, objects)
def test_a_difference_applied_gives_the_other_object(old: dict, new: dict) -> None:
    patch = difference(old, new)
    assert by_the_server(old, patch) == merged(old, patch) == new
    assert difference(new, new) == {}


@st.composite
def histories(draw: st.DrawFn) -> Before:
    """A Deployment, StatefulSet or DaemonSet with two revisions."""
    now, then = draw(templates()), draw(templates())
    kind = draw(st.sampled_from(sorted(ROLLOUT_UNDO.kinds)))
    target = rollouts.workload(kind, now, minReadySeconds=3)
    if kind == "Deployment":
        return before(target, replica_set(2, now, at=9), replica_set(1, then, at=1))
    return before(target, controller_revision(kind, 2, now, at=9), controller_revision(kind, 1, then, at=1))


@pytest.mark.requirement("E-07")
@given(histories())
def test_the_patch_makes_exactly_the_revisions_template_and_its_inverse_the_one_from_before(state: Before) -> None:
    then = template_of(state.related[1])
    if release_of(state.related[1]) == release_of(state.target):
        with pytest.raises(Refused, match="NothingToUndo"):
            undo(state, to="Revision", revision=1)
        return
    original = deepcopy(state)
    change = undo(state, to="Revision", revision=1)
    after = by_the_server(state.target, change.patch)
    assert template_of(after) == then
    assert {**after["spec"], "template": 0} == {**state.target["spec"], "template": 0}
    assert by_the_server(after, change.patch) == after, "applying twice is the same"
    assert undo(state, to="Revision", revision=1) == change, "planning twice is the same"
    back = by_the_server(after, ROLLOUT_UNDO.inverse(state, change, after, "inc-1.undo.revert").patch)
    assert back["spec"] == state.target["spec"]
    assert without_token(back) == state.target["metadata"]["annotations"]
    assert state == original, "planning changes nothing that it was given"


def without_token(obj: dict) -> dict:
    return {key: value for key, value in obj["metadata"]["annotations"].items() if key != TOKEN}


@given(histories(), st.sampled_from([None, "release v1"]), st.sampled_from([None, "release v2"]))
def test_change_cause_of_a_deployment_goes_with_the_revision(state: Before, was: str | None, now: str | None) -> None:
    cause = "kubernetes.io/change-cause"
    target, revision = deployment(template("web:v2")), replica_set(1, template("web:v1"))
    for item, value in ((target, now), (revision, was)):
        if value:
            item["metadata"]["annotations"][cause] = value
    change = undo(before(target, revision), to="Previous")
    after = by_the_server(target, change.patch)
    assert after["metadata"]["annotations"].get(cause) == was
    back = by_the_server(after, ROLLOUT_UNDO.inverse(before(target, revision), change, after, "inc-1.undo.revert").patch)
    assert back["metadata"]["annotations"].get(cause) == now


def test_the_inverse_bears_a_token_of_its_own() -> None:
    state = before(deployment(template("web:v2")), replica_set(1, template("web:v1")))
    change = undo(state, to="Previous")
    after = by_the_server(state.target, change.patch)
    assert observe(after, "inc-1.undo")
    back = by_the_server(after, ROLLOUT_UNDO.inverse(state, change, after, "inc-1.undo.revert").patch)
    assert observe(back, "inc-1.undo.revert")
    assert not observe(back, "inc-1.undo")


@pytest.mark.requirement("E-07")
@pytest.mark.parametrize("mark", ["stanch.dev/restarted-by", "kubectl.kubernetes.io/restartedAt"])
def test_previous_passes_over_revisions_that_are_restarts_of_the_current_release(mark: str) -> None:
    bad, good = template("web:v2"), template("web:v1")
    restarted = template("web:v2", **{mark: "once"})
    twice = template("web:v2", **{mark: "twice"})
    state = before(
        deployment(twice),
        *(replica_set(number, pods, at=number) for number, pods in ((4, twice), (3, restarted), (2, bad), (1, good))),
    )
    change = undo(state, to="Previous")
    assert image(state, change) == "web:v1"
    assert "passed over 3, 2" in change.why
    assert change.summary == "revision 4 -> 1, image web:v2 -> web:v1"


@pytest.mark.requirement("E-07")
@pytest.mark.parametrize(
    ("made_by", "to"),
    [
        ("inc-1/2/tune/tune", "web:v1"),  # an option before this one
        ("inc-1/2/tune/revert", "web:v1"),  # its step is called so
        ("inc-1/2/tune/tune/revert", "web:v2"),  # what its revert went back to
        ("inc-1/2/undo/tune", "web:v2"),  # an earlier step of this option
        ("inc-1/1/undo/undo", "web:v2"),  # what helped in an earlier attempt
        ("inc-0/2/tune/tune", "web:v2"),  # another incident
        ("inc-12/2/tune/tune", "web:v2"),
        ("", "web:v2"),
    ],
)
@pytest.mark.parametrize("choice", ["Previous", "LastStable"])
def test_what_an_earlier_option_made_in_vain_is_nothing_to_go_back_to(made_by: str, to: str, choice: str) -> None:
    made = {TOKEN: made_by} if made_by else {}
    ready, lacking = {"replicas": 1, "readyReplicas": 1}, {"replicas": 1}
    state = before(
        deployment(template("web:v3")),
        replica_set(3, template("web:v3"), at=3, status=lacking),
        replica_set(2, template("web:v2"), at=2, status=ready, **made),
        replica_set(1, template("web:v1"), at=1, status=ready),
    )
    change = ROLLOUT_UNDO.plan(state, UndoParams(to=choice), "inc-1/2/undo/undo")
    assert image(state, change) == to
    assert ("passed over 2: this incident has tried it in vain" in change.why) == (to == "web:v1" and choice == "Previous")


@pytest.mark.requirement("E-07")
@pytest.mark.parametrize(("taken_back", "to"), [(True, "web:v1"), (False, "web:v2")])
def test_what_an_earlier_attempt_took_back_is_nothing_to_go_back_to(taken_back: bool, to: str) -> None:
    """The revision that the revert went back to bears its token."""
    made, back = "inc-1/1/tune/tune", {TOKEN: "inc-1/1/tune/tune/revert"} if taken_back else {}
    state = before(
        deployment(template("web:v3")),
        replica_set(4, template("web:v3"), at=3, was="2", **back),
        replica_set(3, template("web:v2"), at=4, **{TOKEN: made}),
        replica_set(1, template("web:v1"), at=1),
    )
    assert image(state, ROLLOUT_UNDO.plan(state, UndoParams(to="Previous"), "inc-1/2/undo/undo")) == to


def test_nothing_but_what_was_tried_in_vain_is_refused_and_said() -> None:
    state = before(
        deployment(template("web:v3")),
        replica_set(3, template("web:v3"), at=3),
        replica_set(2, template("web:v2"), at=2, **{TOKEN: "inc-1/1/tune/tune"}),
    )
    with pytest.raises(Refused, match=r"NoEarlierRevision.*apart from 2, which this incident has tried in vain"):
        ROLLOUT_UNDO.plan(state, UndoParams(to="Previous"), "inc-1/1/undo/undo")


def test_a_revision_is_found_by_a_number_that_it_bore_before() -> None:
    state = before(
        deployment(template("web:v3")),
        replica_set(4, template("web:v3"), at=9),
        replica_set(3, template("web:v1"), at=0, was="1"),
        replica_set(2, template("web:v2"), at=5),
    )
    assert image(state, undo(state, to="Revision", revision=1)) == "web:v1"
    with pytest.raises(Refused, match=r"NoSuchRevision: .* revision 7; its revisions: 4, 3, 2"):
        undo(state, to="Revision", revision=7)


@pytest.mark.parametrize("kind", sorted(ROLLOUT_UNDO.kinds))
@pytest.mark.parametrize("to", ["Previous", "LastStable"])
async def test_read_plan_and_apply_need_no_more_than_the_declared_rules(kind: str, to: str) -> None:
    def revision(number: int, tag: str) -> dict:
        pods = template(f"web:{tag}")
        owned = controller_revision(kind, number, pods, at=number)
        return replica_set(number, pods, at=number) if kind == "Deployment" else owned

    target = rollouts.workload(kind, template("web:v2"), annotations={"stanch.dev/stable-revision": "1"})
    stranger = revision(2, "v9")
    stranger["metadata"]["ownerReferences"][0]["uid"] = "somebody-else"
    stranger["metadata"]["name"] = "stranger"
    server = rollouts.server_with(target, revision(3, "v2"), stranger, revision(1, "v1"))
    ref, params = server.ref(target), UndoParams(to=to)
    server.grant("shop", "fixer", *ROLLOUT_UNDO.rules(params, "shop", ref))
    account = server.add({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "fixer", "namespace": "shop"}})
    cluster = MemoryCluster(server, "shop", Pin(account.name, account.uid))

    state = await ROLLOUT_UNDO.read(on(cluster), ref, params)
    change = ROLLOUT_UNDO.plan(state, params, "inc-1.undo")
    version = state.target["metadata"]["resourceVersion"]
    await ROLLOUT_UNDO.apply(on(cluster), change, version)
    written = server.read(ref)
    assert template_of(written) == template("web:v1")
    assert ROLLOUT_UNDO.observe(written, "inc-1.undo")
    with pytest.raises(Conflict):
        await ROLLOUT_UNDO.apply(on(cluster), change, version)
    assert len(server.writes) == 2


async def test_reading_waits_for_the_controller_to_see_the_latest_spec() -> None:
    target = deployment(template("web:v2"))
    target["metadata"]["generation"] = 5
    server = rollouts.server_with(target)
    with pytest.raises(Retryable, match="NotObserved"):
        await ROLLOUT_UNDO.read(on(MemoryCluster(server)), server.ref(target), UndoParams(to="Previous"))


async def test_applying_without_a_version_is_a_fault() -> None:
    state = before(deployment(template("web:v2")), replica_set(1, template("web:v1")))
    with pytest.raises(ValueError, match="compare-and-swap"):
        await ROLLOUT_UNDO.apply(MemoryCluster(rollouts.server_with()), undo(state, to="Previous"), "")


@pytest.mark.parametrize(
    "params",
    [{}, {"to": "Revision"}, {"to": "Previous", "revision": 2}, {"to": "Revision", "revision": 0}, {"to": "Newest"},
     {"to": "Previous", "image": "web:v1"}, {"to": "LastStable", "stableAfter": "-1h"}],
)  # fmt: skip
def test_parameters_that_say_too_little_or_too_much_are_refused(params: dict) -> None:
    with pytest.raises(ValidationError):
        UndoParams.model_validate(params)


def test_actions_that_share_a_name_stop_the_start() -> None:
    with pytest.raises(ValueError, match="two actions are named rolloutUndo"):
        by_name(*ACTIONS.values(), replace(ROLLOUT_UNDO, summary="another"))


def test_the_inverse_overwrites_nothing_that_came_later() -> None:
    state = before(deployment(template("web:v2")), replica_set(1, template("web:v1")))
    change = undo(state, to="Previous")
    meddled = by_the_server(state.target, change.patch)
    meddled["spec"]["template"]["spec"]["containers"][0]["image"] = "web:v3"
    with pytest.raises(RevertConflict, match="somebody changed it since"):
        ROLLOUT_UNDO.inverse(state, change, meddled, "inc-1.undo.revert")


def test_the_inverse_of_what_is_back_already_is_nothing() -> None:
    state = before(deployment(template("web:v2")), replica_set(1, template("web:v1")))
    assert ROLLOUT_UNDO.inverse(state, undo(state, to="Previous"), state.target, "inc-1.undo.revert") is None

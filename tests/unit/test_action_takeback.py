"""Taking back field by field: what was before comes back, what others changed beside it stays, what is not ours is not touched."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stanch.actions.effects import TOKEN, observe
from stanch.actions.registry import ACTIONS
from stanch.actions.telling import HIDDEN, shown, some
from stanch.actions.variables import values
from stanch.engine.errors import Refused
from stanch.engine.parts import Action, Before, Change, RevertConflict
from tests.unit import rollouts
from tests.unit.memory.objects import merged as by_the_server
from tests.unit.rollouts import autoscalers, before, config_map, template

STEP, REVERT = "inc-1.step", "inc-1.step.revert"
names = st.sampled_from(["A", "B", "C", "D"])
texts = st.sampled_from(["", "on", "off", "$(A)", "100%"])


@dataclass(frozen=True)
class Case:
    action: Action
    before: Before
    change: Change

    @property
    def after(self) -> dict:
        return server_form(by_the_server(self.before.target, self.change.patch))

    def inverse(self, seen: dict) -> Change | None:
        return self.action.inverse(self.before, self.change, seen, REVERT)


@st.composite
def containers(draw: st.DrawFn) -> list[dict[str, Any]]:
    made = []
    for name in draw(st.lists(st.sampled_from(["app", "proxy", "log"]), min_size=1, max_size=3, unique=True)):
        found = draw(st.dictionaries(names, texts, max_size=4))
        env = [{"name": key, "value": value} for key, value in found.items()]
        env += draw(st.sampled_from([[], [{"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]]))
        made.append({"name": name, "image": "web:v1", "env": env})
    return made


@st.composite
def words(draw: st.DrawFn) -> dict[str, Any]:
    """What to set, and what to remove: never the same."""
    wanted = draw(st.dictionaries(names, texts, max_size=3))
    removed = draw(st.lists(names.filter(lambda name: name not in wanted), max_size=3, unique=True))
    assume(wanted or removed)
    return {"set": wanted, "remove": removed}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    name = draw(st.sampled_from(["scale", "setEnv", "setConfig", "rolloutPause", "rolloutResume"]))
    state, params = draw(STATES[name]())
    action = ACTIONS[name]
    state = Before(server_form(state.target), state.related)
    try:
        change = action.plan(state, action.params(**params), STEP)
    except Refused as refusal:
        assume(refusal.reason not in ("NothingToChange", "OutOfBounds"))
        raise
    return Case(action, state, change)


@st.composite
def scaled(draw: st.DrawFn) -> tuple[Before, dict[str, Any]]:
    kind = draw(st.sampled_from(["Deployment", "StatefulSet"]))
    target = rollouts.workload(kind, template("web:v1"), replicas=draw(st.integers(0, 9)))
    ways = {"replicas": st.integers(0, 9), "by": st.integers(-9, 9), "percent": st.integers(0, 300)}
    way = draw(st.sampled_from(sorted(ways)))
    return before(target, autoscalers()), {way: draw(ways[way])}


@st.composite
def with_variables(draw: st.DrawFn) -> tuple[Before, dict[str, Any]]:
    pods = template("web:v1")
    pods["spec"]["containers"] = draw(containers())
    kind = draw(st.sampled_from(["Deployment", "StatefulSet", "DaemonSet"]))
    return before(rollouts.workload(kind, pods)), draw(words())


@st.composite
def configured(draw: st.DrawFn) -> tuple[Before, dict[str, Any]]:
    wanted = draw(words())
    target = config_map(draw(st.dictionaries(names, texts, max_size=4)))
    return before(target), {"data": wanted["set"], "remove": wanted["remove"]}


def paused(was: bool) -> st.SearchStrategy[tuple[Before, dict[str, Any]]]:
    spec = {"paused": True} if was else {}
    return st.builds(lambda: (before(rollouts.deployment(template("web:v1"), **spec)), {}))


STATES = {
    "scale": scaled,
    "setEnv": with_variables,
    "setConfig": configured,
    "rolloutPause": lambda: paused(False),
    "rolloutResume": lambda: paused(True),
}


def server_form(obj: dict) -> dict:
    """As the API server keeps it: empty maps, lists and values of variables are left out."""
    obj = deepcopy(obj)
    if not obj.get("data", True):
        del obj["data"]
    for item in containers_in(obj):
        item["env"] = [{key: value for key, value in entry.items() if value != ""} for entry in item.get("env", [])]
        if not item["env"]:
            del item["env"]
    return obj


def containers_in(obj: dict) -> list[dict[str, Any]]:
    return obj.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])


def without_token(obj: dict) -> dict:
    annotations = {key: value for key, value in obj["metadata"]["annotations"].items() if key != TOKEN}
    return {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}


def back(case: Case, seen: dict) -> dict:
    inverse = case.inverse(seen)
    assert inverse is not None
    result = server_form(by_the_server(seen, inverse.patch))
    assert observe(result, REVERT) and not observe(result, STEP), "the taking back bears its own token"
    return without_token(result)


@given(cases())
def test_applied_and_taken_back_the_object_is_as_before(case: Case) -> None:
    original = deepcopy(case)
    after = case.after
    assert observe(after, STEP)
    assert without_token(after) != case.before.target, "it changes something"
    assert by_the_server(after, case.change.patch) == by_the_server(case.before.target, case.change.patch), "twice is once"
    assert back(case, after) == case.before.target
    assert case == original, "planning and taking back change nothing that they were given"


@given(cases(), st.data())
def test_what_others_change_beside_it_survives(case: Case, data: st.DataObject) -> None:
    edits = [edit for edit in BESIDE if edit(deepcopy(case.before.target))]
    chosen = data.draw(st.lists(st.sampled_from(edits), min_size=1, unique=True))
    meddled, expected = case.after, deepcopy(case.before.target)
    for edit in chosen:
        edit(meddled)
        edit(expected)
    assert in_any_order(back(case, meddled)) == in_any_order(expected)


def in_any_order(obj: dict) -> dict:
    """Where a variable that comes back stands among those that others have put there since is for nobody to say."""
    for item in containers_in(obj):
        item.get("env", []).sort(key=lambda entry: entry["name"])
    return obj


def relabel(obj: dict) -> bool:
    obj["metadata"]["labels"] = {"by": "somebody"}
    return True


def another_key(obj: dict) -> bool:
    if obj["kind"] == "ConfigMap":
        obj.setdefault("data", {})["theirs"] = "kept"
    return obj["kind"] == "ConfigMap"


def another_image(obj: dict) -> bool:
    for item in containers_in(obj):
        item["image"] = "web:v9"
    return bool(containers_in(obj))


def another_variable(obj: dict) -> bool:
    """Put first, so that a place in the list by number would be wrong."""
    for item in containers_in(obj):
        item["env"] = [{"name": "THEIRS", "value": "kept"}, *item.get("env", [])]
    return bool(containers_in(obj))


def another_container(obj: dict) -> bool:
    if containers_in(obj):
        obj["spec"]["template"]["spec"]["containers"].insert(0, {"name": "injected", "image": "mesh:v1"})
    return bool(containers_in(obj))


BESIDE = (relabel, another_key, another_image, another_variable, another_container)


@given(cases(), st.data())
def test_what_others_changed_in_ours_is_a_conflict(case: Case, data: st.DataObject) -> None:
    fields = list(OURS[case.action.name](case.change, case.before.target))
    assume(fields)
    field = data.draw(st.sampled_from(fields))
    meddled = case.after
    name = field(meddled)
    kept = deepcopy(meddled)
    with pytest.raises(RevertConflict, match="changed by somebody since") as conflict:
        case.inverse(meddled)
    assert name in str(conflict.value)
    assert meddled == kept


def meddle_replicas(change: Change, target: dict):
    def edit(obj: dict) -> str:
        obj["spec"]["replicas"] = 77
        return "spec.replicas"

    yield edit


def meddle_data(change: Change, target: dict):
    for key in change.patch["data"]:

        def edit(obj: dict, key: str = key) -> str:
            obj.setdefault("data", {})[key] = "theirs"
            return f"{key} is"

        yield edit


def meddle_env(change: Change, target: dict):
    for was, item in zip(containers_in(target), containers_in(change.patch), strict=True):
        for name in values(item).keys() - {name for name, value in values(was).items() if value == values(item).get(name)}:

            def edit(obj: dict, container: str = item["name"], name: str = name) -> str:
                mine = next(item for item in containers_in(obj) if item["name"] == container)
                mine["env"] = [{"name": name, "value": "theirs"} if entry["name"] == name else entry for entry in mine["env"]]
                return f"{container}/{name}"

            yield edit


# A field of two values cannot hold a third: whoever changes it takes it back.
OURS = {
    "scale": meddle_replicas,
    "setConfig": meddle_data,
    "setEnv": meddle_env,
    "rolloutPause": lambda change, target: (),
    "rolloutResume": lambda change, target: (),
}


@given(cases())
def test_what_is_back_already_is_left_alone(case: Case) -> None:
    assert case.inverse(case.before.target) is None


@given(st.text(max_size=400))
def test_values_are_told_in_sixty_characters_of_one_line(value: str) -> None:
    told = shown("MODE", value)
    assert len(told) <= 60
    assert "\n" not in told


@pytest.mark.parametrize(
    ("name", "value"),
    [("DB_PASSWORD", "hunter2"), ("api-key", "x"), ("DATABASE_URL", "postgres://shop:hunter2@db/shop"), ("MODE", "Bearer abc"),
     ("app.properties", "a=b\npassword: hunter2"), ("CERT", "-----BEGIN PRIVATE KEY-----\nabc"), ("ID", "AKIAABCDEFGH12345678")],
)  # fmt: skip
def test_what_may_be_a_secret_is_not_told(name: str, value: str) -> None:
    assert shown(name, value) == HIDDEN


def test_a_long_list_is_cut_and_says_so() -> None:
    assert some([str(count) for count in range(9)]) == "0, 1, 2, 3, 4, 5 and 3 more"

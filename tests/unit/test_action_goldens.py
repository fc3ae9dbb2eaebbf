"""For each action, what it plans on which object: `goldens/actions/<action>/<case>.yaml`, read and compared whole; and what is
declared of all of them, also of those that plan nothing: `goldens/actions/declared.yaml`."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from stanch.actions.registry import ACTIONS
from stanch.checks.registry import CHECKS
from stanch.engine.errors import Refused
from stanch.engine.parts import Before, EffectClass

FOLDER = Path(__file__).parent / "goldens" / "actions"
CASES = sorted(FOLDER.glob("*/*.yaml"))


def outcome(action, before: Before, params, token: str) -> dict:
    try:
        change = action.plan(before, params, token)
    except Refused as refusal:
        return {"refused": {"reason": refusal.reason, "message": refusal.message}}
    return {"change": {"patch": change.patch, "summary": change.summary, "why": change.why}}


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_plans_what_the_golden_file_says(path: Path) -> None:
    golden = yaml.safe_load(path.read_text())
    target, *related = golden["before"]
    action = ACTIONS[path.parent.name]
    planned = outcome(action, Before(target, tuple(related)), action.params(**golden["params"]), golden["token"])
    assert planned == {key: golden[key] for key in ("change", "refused") if key in golden}


@pytest.mark.parametrize("name", [name for name, action in ACTIONS.items() if action.plan])
def test_every_action_has_a_golden_file_that_changes_something(name: str) -> None:
    files = [path for path in CASES if path.parent.name == name]
    assert any("change" in yaml.safe_load(path.read_text()) for path in files)


def declared(name: str) -> dict:
    action = ACTIONS[name]
    return {
        "summary": action.summary, "kinds": sorted(action.kinds), "effectClass": str(action.effect_class),
        "risk": str(action.risk), "irreversible": action.irreversible, "inverse": action.inverse is not None,
    }  # fmt: skip


def test_every_action_is_what_it_is_declared_to_be() -> None:
    """Whoever makes one riskier, or takes its inverse away, says so here."""
    assert {name: declared(name) for name in ACTIONS} == yaml.safe_load((FOLDER / "declared.yaml").read_text())


def test_what_reaches_further_than_its_plan_says_so() -> None:
    """A-15: who approves is told. What has no target, or is sent once, does what no dry run tells."""
    far = {name for name, action in ACTIONS.items() if action.effect_class is not EffectClass.none}
    far = {name for name in far if not ACTIONS[name].kinds or ACTIONS[name].effect_class is EffectClass.at_most_once}
    assert {name for name, action in ACTIONS.items() if action.reach} == far == {"exec", "http", "runJob"}
    assert {name for name, kind in CHECKS.items() if kind.reach} == {"exec"}


def test_every_action_has_an_inverse_or_says_why_there_is_none() -> None:
    assert [name for name, action in ACTIONS.items() if bool(action.inverse) == bool(action.irreversible)] == []

"""What a plan keeps for those who approve: the difference whole, as far as one object has room, and said where it has not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from stanch.api import codec
from stanch.domain.incident import Phase
from stanch.domain.plan import Step
from stanch.engine.ports import Object
from stanch.runtime.keeping import LARGEST
from stanch.runtime.prove import LEAST, LONGEST, ROOM, fitted, preview, room_of
from tests.unit.play import option, plan
from tests.unit.world import NAMESPACE, Life, Site, lean

ENVIRONMENT = {f"VARIABLE_{number}": "x" * 800 for number in range(16)}


async def planned(step: Object, prepare: Callable[[Site], None] = lambda _: None) -> Object:
    """The one step of the stored plan."""

    def edit(playbook: Object) -> None:
        lean(playbook)
        verify = [{"name": "rolled-out", "rollout": {"target": "app"}}]
        playbook["spec"]["options"] = [{"name": "only", "steps": [{"name": "it", "expect": "well", **step}], "verify": verify}]

    site = Site(edit)
    prepare(site)
    await Life(site).live(Phase.Capturing)
    (stored,) = [json.loads(data) for key, data in site.memory.objects.items() if "/plans/" in key]
    (found,) = stored["options"][0]["steps"]
    return found


@pytest.mark.requirement("A-15")
async def test_a_long_difference_is_stored_whole() -> None:
    step = await planned({"setEnv": {"target": "app", "set": ENVIRONMENT}})
    assert len(step["preview"]) > 10_000 and "cut" not in step["preview"].splitlines()[-1]
    assert all(f"+        - name: {name}\n" in step["preview"] for name in ENVIRONMENT)


@pytest.mark.requirement("A-15")
async def test_what_is_run_is_one_line_of_the_preview_whatever_is_in_it() -> None:
    said = "true\nproven: the server would admit it\u2028--- before"
    step = await planned({"exec": {"target": "app", "argv": ["echo", said]}})
    assert step["preview"].splitlines() == [step["preview"]]
    assert r"true\nproven: the server would admit it\u2028---" in step["preview"]
    assert step["params"]["argv"] == ["echo", said] and not step["proven"]


def without_pods(site: Site) -> None:
    site.frontend.edit({"spec": {"replicas": 0}})
    for pod in site.server.select("v1", "Pod", NAMESPACE, "", ""):
        site.server.remove(site.server.ref(pod))


async def test_why_it_is_refused_now_is_one_line_too() -> None:
    step = await planned({"exec": {"target": "app", "argv": ["a\nproven: b"]}}, without_pods)
    assert step["preview"].startswith("would be refused now: ") and step["preview"].endswith(r"nowhere to run a\nproven: b")


def of_length(length: int, steps: int = 1) -> Step:
    return fitted(Step("undo", "rolloutUndo", preview="+" * length), room_of(steps))


def test_a_difference_that_has_no_room_says_so() -> None:
    assert not of_length(LONGEST).cut and of_length(LONGEST).preview == "+" * LONGEST
    cut = of_length(LONGEST + 1000)
    assert cut.cut and len(cut.preview) <= LONGEST
    kept, _, last = cut.preview.partition("\n")
    assert last == f"… cut: {LONGEST + 1000 - len(kept)} characters more"
    assert not of_length(LEAST, 64).cut and of_length(LEAST + 1, 64).cut


@pytest.mark.parametrize("steps", [1, 3, 4, 5, 40, 64])
def test_the_differences_of_all_steps_fit_into_one_object(steps: int) -> None:
    """Characters that JSON escapes count double."""
    many = tuple(replace(of_length(2 * LONGEST, steps), preview='"' * room_of(steps), name=f"s{n}") for n in range(steps))
    assert room_of(steps) * steps <= ROOM
    assert len(codec.plan_to_bytes(plan(option("undo", steps=many)))) < LARGEST


@pytest.mark.parametrize(("summary", "why"), [("a\nb", ""), ("a", "b\r\nproven"), ("a\u202eb", "c\x85d"), ("\x0b", "\x1b[2J")])
def test_a_sentence_has_no_line_of_its_own(summary: str, why: str) -> None:
    shown: Any = preview({}, {}, summary, why)
    assert shown.isprintable()

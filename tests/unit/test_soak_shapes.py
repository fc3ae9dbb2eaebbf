"""What the soak's incidents promise is what their playbooks say; and its weather is no fair one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from stanch.api.kinds import PlaybookSpec
from stanch.engine.errors import Retryable
from tests.stage.soak import EVIDENCE, SHAPES, Shape, storm
from tests.stage.trial import TARGETS
from tests.stage.trouble import BACK_OFF

SEEDS = range(20)


@pytest.mark.parametrize("make", SHAPES)
def test_a_shape_promises_what_its_playbook_says(make: Callable[[Random], Shape]) -> None:
    for seed in SEEDS:
        shape = make(Random(seed))
        options = list(shape.options)
        spec = {"summary": "s", "serviceAccountName": "trier", "targets": TARGETS, "evidence": EVIDENCE, "options": options}
        playbook = PlaybookSpec.model_validate(spec)
        steps = {f"1/{option.name}/{step.name}": (option, step) for option in playbook.options for step in option.steps}
        back = {token for token, (option, step) in steps.items() if step.revert or option.revert_on_failure}
        assert shape.effects == steps.keys() | {f"{token}/revert" for token in back}
        assert shape.boxes == {token: step.revert.after for token, (_, step) in steps.items() if step.revert}


def test_shapes_differ_by_chance_and_not_by_run() -> None:
    assert len({repr(make(Random(seed))) for make in SHAPES for seed in SEEDS}) > len(SHAPES)
    assert all(make(Random(seed)) == make(Random(seed)) for make in SHAPES for seed in SEEDS)
    assert all(timedelta() < after for make in SHAPES for seed in SEEDS for after in make(Random(seed)).boxes.values())


def asked(method: str, **query: str) -> Any:
    return SimpleNamespace(method=method, path="/api/v1/namespaces/x/configmaps/y", query=query)


def test_every_trouble_strikes_now_and_then_and_most_requests_come_through() -> None:
    weather = storm(Random(1), long=True)
    struck = 0
    for _ in range(3000):
        for request in (asked("GET"), asked("PATCH"), asked("GET", watch="true")):
            # What is to be done is not done here: a coroutine that nobody awaits is closed.
            for wrong in (weather.before(request), weather.after(request)):
                struck += wrong is not None
                getattr(wrong, "close", lambda: None)()
            weather.during(request, SimpleNamespace())
    assert all(weather.counted.values()), weather.counted
    assert struck < 3000


def test_what_a_fault_makes_the_operator_wait_is_told_to_the_judge_and_no_more() -> None:
    weather = storm(Random(1), long=False)
    struck = [wrong for _ in range(3000) for wrong in (weather.before(asked("PATCH")), weather.after(asked("PATCH"))) if wrong]
    for wrong in struck:
        getattr(wrong, "close", lambda: None)()
    late = weather.counted["answers 0.3 s late"]
    waits = Counter(end - begin for begin, end in weather.outages)
    assert late and waits == {timedelta(seconds=0.3): late, BACK_OFF: len(struck) - late}
    assert Retryable("Timeout", "no answer").after == BACK_OFF.total_seconds()

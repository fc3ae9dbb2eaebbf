"""Decisions about a step, as the models read them. The API server's half is in tests/contract/test_admission.py."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from stanch.api import codec
from stanch.api.decision import DEMANDS, Decision
from tests.unit import api_examples as examples
from tests.unit.decision_examples import BAD, GOOD, spec


@pytest.mark.parametrize("name", GOOD)
def test_a_good_one_is_read(name: str) -> None:
    assert Decision.model_validate(spec(GOOD[name])).verb == GOOD[name]["verb"]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_one_is_refused(name: str) -> None:
    change, says = BAD[name]
    with pytest.raises(ValidationError, match=f"{says}|extendBy"):
        Decision.model_validate(spec(change))


def test_every_demand_is_tried() -> None:
    tried = [demand for demand in DEMANDS if any(says in demand.message for _, says in BAD.values())]
    assert len(tried) == len(DEMANDS)


def test_the_engine_gets_what_was_said() -> None:
    extend = {**examples.decision(), "spec": spec(GOOD["extend"])}
    found = codec.decision_of(examples.served(extend))
    assert (found.option, found.step, found.extend_by, found.plan_digest) == ("undo", "scale", timedelta(hours=1), "")
    assert codec.decision_of(examples.served(examples.decision())).step == ""

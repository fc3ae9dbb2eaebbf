"""The matrix of bad input (tests/unit/bad_cases.py) on a real API server: refused at its place, or left to the operator."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.model import ClusterError
from tests.contract.bad_stage import create, names, whoami
from tests.contract.installed import install
from tests.stage.kubectl import Kubectl
from tests.unit.bad_cases import BAD, TAKEN, taken
from tests.unit.bad_input import Bad


@pytest.fixture(scope="module", autouse=True)
def stanch(cluster: Any) -> None:
    install(cluster)


@pytest.fixture(scope="module")
def me(cluster: Any) -> str:
    return whoami(cluster)


@pytest.fixture
def here(cluster: Any, namespace: str) -> Kubectl:
    return Kubectl(cluster.kubectl).inside(namespace)


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad.api], ids=str)
def test_the_api_server_refuses_it_at_its_place(here: Kubectl, me: str, bad: Bad) -> None:
    with pytest.raises(ClusterError) as refused:
        create(here, bad.pair(by=me))
    said = str(refused.value)
    assert bad.where in said and bad.api in said, said[:2000]
    assert len(names(here)) < 2, "what was refused is not there"


@pytest.mark.parametrize("attack", TAKEN)
def test_its_neighbour_is_taken(here: Kubectl, me: str, attack: str) -> None:
    create(here, taken(attack, by=me))
    assert len(names(here)) == 2


def test_what_only_the_operator_can_judge_is_admitted(here: Kubectl, me: str) -> None:
    """So that tests/contract/test_bad_input_served.py meets it."""
    create(here, *(bad.pair(f"bad-{number}", me) for number, bad in enumerate(BAD) if bad.reason), dry=True)

"""Which policy an Incident gets that names none: the only default; none or two are a refusal that can be followed."""

from __future__ import annotations

import pytest

from stanch.engine.errors import Refused
from stanch.runtime.matching import find_policy
from tests.unit.memory import MemoryClusters, MemoryServer
from tests.unit.play import facts

LEVELS = [{"name": "P0", "description": "all users"}]


def server(**defaults: bool) -> MemoryServer:
    made = MemoryServer()
    made.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "aureus"}})
    for name, default in defaults.items():
        spec = {"default": default, "levels": LEVELS}
        made.add({"apiVersion": "stanch.dev/v1alpha1", "kind": "ResponsePolicy", "metadata": {"name": name}, "spec": spec})
    return made


async def chosen(cluster: MemoryServer) -> str:
    return (await find_policy(MemoryClusters(cluster).own, facts(), {}))[0].name


async def test_the_only_default_holds() -> None:
    assert await chosen(server(a=False, b=True)) == "b"


@pytest.mark.parametrize(
    ("defaults", "says"), [({"a": False}, "0 policies"), ({}, "0 policies"), ({"a": True, "b": True}, "2 policies")]
)
async def test_none_or_two_are_refused_with_a_way_out_for_this_incident(defaults: dict[str, bool], says: str) -> None:
    cluster = server(**defaults)
    with pytest.raises(Refused, match=r"stanch\.dev/policy=NAME") as refused:
        await chosen(cluster)
    assert says in str(refused.value) and refused.value.reason == "PolicyAmbiguous"

"""`stanch freeze` and `unfreeze`: which policies, what is said before, what is done when one of them fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stanch.cli.ending import Code, Ending
from stanch.cli.freezing import Asking, Switch, turn
from stanch.cli.session import API_VERSION
from stanch.domain.plan import Ref
from stanch.engine.errors import NotFound, Refused
from tests.unit.cli_kit import session
from tests.unit.memory import MemoryServer


def policy(server: MemoryServer, name: str, **spec: Any) -> Ref:
    metadata = {"name": name}
    return server.add({"apiVersion": API_VERSION, "kind": "ResponsePolicy", "metadata": metadata, "spec": {"levels": [], **spec}})


def suspended(server: MemoryServer, *refs: Ref) -> list[bool]:
    return [server.read(ref)["spec"].get("suspended", False) for ref in refs]


def unasked(what: str) -> bool:
    raise AssertionError(f"asked: {what}")


async def freeze(server: MemoryServer, name: str = "", everything: bool = False, yes: bool = True, suspended: bool = True) -> None:
    await turn(session(server), Switch(suspended, name, everything), Asking(yes, unasked))


async def test_the_only_policy_is_frozen_and_unfrozen(capsys: pytest.CaptureFixture[str]) -> None:
    server = MemoryServer()
    ref = policy(server, "aureus", default=True)
    await freeze(server)
    assert suspended(server, ref) == [True] and server.read(ref)["spec"]["default"]
    out = capsys.readouterr().out
    assert "Nothing further is written" in out and "still taken back at its time: `stanch reverts -A`" in out
    assert out.splitlines()[-1] == "responsepolicy/aureus frozen"
    await freeze(server)
    assert capsys.readouterr().out == "responsepolicy/aureus is frozen already\n"
    await freeze(server, suspended=False)
    assert suspended(server, ref) == [False] and "write again" in capsys.readouterr().out


async def test_which_of_several_must_be_said() -> None:
    server = MemoryServer()
    refs = policy(server, "aureus"), policy(server, "borealis")
    with pytest.raises(Ending, match=r"which one.*responsepolicy/aureus, responsepolicy/borealis") as ending:
        await freeze(server)
    assert ending.value.code is Code.Unusable and suspended(server, *refs) == [False, False]
    await freeze(server, "borealis")
    assert suspended(server, *refs) == [False, True]
    await freeze(server, everything=True)
    assert suspended(server, *refs) == [True, True]


async def test_what_makes_no_sense() -> None:
    server = MemoryServer()
    with pytest.raises(Ending, match="there is no ResponsePolicy"):
        await freeze(server)
    policy(server, "aureus")
    with pytest.raises(Ending, match="give one of them"):
        await freeze(server, "aureus", everything=True)
    with pytest.raises(NotFound):
        await freeze(server, "nope")


async def test_nobody_is_taken_to_have_agreed_off_a_terminal() -> None:
    server = MemoryServer()
    ref = policy(server, "aureus")
    with pytest.raises(Ending, match="Freeze responsepolicy/aureus needs a person's yes"):
        await freeze(server, yes=False)
    assert suspended(server, ref) == [False]


async def test_one_that_fails_does_not_keep_the_others_from_being_frozen(capsys: pytest.CaptureFixture[str]) -> None:
    server = MemoryServer()
    refs = policy(server, "aureus"), policy(server, "borealis")

    def forbid(write: Any) -> None:
        if write.ref.name == "aureus":
            raise Refused("Forbidden", "bob may not patch it")

    server.before_write.append(forbid)
    with pytest.raises(Ending, match="1 of 2 policies are as they were: responsepolicy/aureus") as ending:
        await freeze(server, everything=True)
    assert ending.value.code is Code.Problems and suspended(server, *refs) == [False, True]
    assert "responsepolicy/aureus: bob may not patch it" in capsys.readouterr().err


async def test_a_field_that_the_api_server_dropped_is_no_freeze(capsys: pytest.CaptureFixture[str]) -> None:
    server = MemoryServer()
    ref = policy(server, "aureus")

    class Older(type(session(server).cluster)):  # type: ignore[misc]
        async def patch(self, ref: Ref, patch: Any, **how: Any) -> Any:
            return await super().patch(ref, {"spec": {}}, **how)

    old = session(server)
    with pytest.raises(Ending, match="1 of 1 policies"):
        await turn(replace(old, cluster=Older(server, "bob")), Switch(True, "", False), Asking(True, unasked))
    assert suspended(server, ref) == [False] and "CRD does not know spec.suspended" in capsys.readouterr().err

"""What is still to be taken back: listed, and what people say about it and about steps that wait for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import yaml

from stanch.api.codec import decision_of
from stanch.cli import reverts
from stanch.cli.decide import Manner, Said
from stanch.cli.ending import Code, Ending
from stanch.cli.output import Format
from stanch.cli.speaking import Asking, speak
from stanch.domain.decision import Verb
from stanch.domain.incident import RevertRecord, RevertState, Status, StepRecord, StepState
from tests.unit.cli_kit import ESCAPE, answers, becomes, created, incident, parsed, session, sleeper
from tests.unit.memory import MemoryServer
from tests.unit.play import APP


class Site:
    """An incident with steps and reverts as a test says, by the server's clock."""

    def __init__(self) -> None:
        self.server = MemoryServer()
        self.ref = incident(self.server)
        self.now = self.server.time.now()

    def revert(self, step: str, state: RevertState, minutes: float | None, option: str = "undo", **changes: Any) -> RevertRecord:
        due = None if minutes is None else self.now + timedelta(minutes=minutes)
        base = RevertRecord(
            option=option, step=step, state=state, ref=APP, token=f"{option}/{step}", image="i", digest="d", due_at=due
        )
        return replace(base, **changes)

    def stands(self, *records: StepRecord | RevertRecord) -> None:
        steps = tuple(record for record in records if isinstance(record, StepRecord))
        owed = tuple(record for record in records if isinstance(record, RevertRecord))
        becomes(self.server, self.ref, replace(Status(), steps=steps, reverts=owed))

    async def speak(self, verb: Verb, step: str, yes: bool = True, output: Format = Format.text, **said: str) -> None:
        manner = Manner(False, output, sleeper(self.server))
        await speak(session(self.server), Said(verb, "frontend-502", "because", step=step, **said), Asking(yes, unasked), manner)

    def only(self) -> Any:
        (made,) = created(self.server)
        return decision_of(made)


def unasked(what: str) -> bool:
    raise AssertionError(f"asked: {what}")


@pytest.fixture
def site() -> Site:
    return Site()


def step(name: str, state: StepState, message: str = "", option: str = "undo") -> StepRecord:
    return StepRecord(option, name, state, message=message)


CONFIRMED: dict[str, tuple[Callable[[Site], StepRecord | RevertRecord], str]] = {
    "unknown outcome": (lambda _: step("purge", StepState.Indeterminate), "said to have happened. If it did not: stanch reject"),
    "asked": (lambda _: step("purge", StepState.Waiting, "is it well?"), "said to be so: is it well?"),
    "conflict": (
        lambda site: site.revert("purge", RevertState.Conflict, -1, message="replicas is 7"),
        "dealt with: stanch does not take it back any more",
    ),
    "blocked": (lambda site: site.revert("purge", RevertState.Blocked, -1), "deployment/frontend by undo/purge"),
}


class TestConfirm:
    @pytest.mark.parametrize("name", CONFIRMED)
    async def test_says_what_it_does_and_says_it(self, site: Site, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        make, expected = CONFIRMED[name]
        site.stands(make(site))
        await site.speak(Verb.Confirm, "undo/purge", role="dba")
        said = site.only()
        assert (said.verb, said.option, said.step, said.role, said.by) == (Verb.Confirm, "undo", "purge", "dba", "bob")
        assert expected in capsys.readouterr().out

    @pytest.mark.parametrize("state", [StepState.Done, StepState.Intended, StepState.Failed, StepState.Refused, StepState.Skipped])
    async def test_what_waits_for_nobody_is_not_confirmed(self, site: Site, state: StepState) -> None:
        site.stands(step("purge", state), site.revert("purge", RevertState.Owed, 5))
        with pytest.raises(Ending, match=f"waits for no Confirm: it is {state}; taking back deployment/frontend is Owed"):
            await site.speak(Verb.Confirm, "purge")
        assert not created(site.server)


class TestReject:
    @pytest.mark.parametrize("state", [StepState.Indeterminate, StepState.Waiting])
    async def test_a_step_did_not_happen(self, site: Site, state: StepState) -> None:
        site.stands(step("purge", state))
        await site.speak(Verb.Reject, "purge")
        assert (site.only().option, site.only().step, site.only().plan_digest) == ("undo", "purge", "")

    async def test_a_step_that_is_done_did_happen(self, site: Site) -> None:
        site.stands(step("purge", StepState.Done))
        with pytest.raises(Ending, match="waits for no yes or no: it is Done; nothing of it is still to be taken back"):
            await site.speak(Verb.Reject, "purge")


class TestExtend:
    async def test_the_times_before_and_after_are_shown(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        site.stands(site.revert("scale", RevertState.Owed, 40))
        await site.speak(Verb.Extend, "undo/scale", extend_by="0h90m")
        assert site.only().extend_by == timedelta(minutes=90)
        assert created(site.server)[0]["spec"]["extendBy"] == "1h30m"
        out = capsys.readouterr().out
        assert f"at {site.now + timedelta(minutes=130):%Y-%m-%d %H:%M:%S} UTC (in 2h10m), instead of" in out and "(in 40m)" in out

    @pytest.mark.parametrize("minutes", [None, -1, 0])
    async def test_there_must_be_a_time_ahead(self, site: Site, minutes: float | None) -> None:
        site.stands(site.revert("scale", RevertState.Owed, minutes))
        with pytest.raises(Ending, match="no time ahead to move: it was begun in an earlier attempt"):
            await site.speak(Verb.Extend, "scale", extend_by="1h")

    @pytest.mark.parametrize("by", ["59s", "169h", "-1h", "1d", "", "1.5h", "0s"])
    async def test_by_a_length_that_makes_sense(self, site: Site, by: str) -> None:
        site.stands(site.revert("scale", RevertState.Owed, 40))
        with pytest.raises(Ending, match="--by") as ending:
            await site.speak(Verb.Extend, "scale", extend_by=by)
        assert ending.value.code is Code.Unusable and not created(site.server)


class TestRevert:
    async def test_one(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        site.stands(site.revert("scale", RevertState.Owed, 40), site.revert("flag", RevertState.Owed, 50))
        await site.speak(Verb.Revert, "scale")
        assert (site.only().option, site.only().step) == ("undo", "scale")
        assert "by undo/scale is taken back now (Owed, due" in (out := capsys.readouterr().out) and "undo/flag" not in out

    async def test_all(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        site.stands(site.revert("scale", RevertState.Owed, 40), site.revert("flag", RevertState.Conflict, None),
                    site.revert("old", RevertState.Done, 1))  # fmt: skip
        await site.speak(Verb.Revert, "")
        assert (site.only().option, site.only().step) == ("", "")
        out = capsys.readouterr().out
        assert "undo/scale" in out and "undo/flag is taken back now (Conflict)" in out and "undo/old" not in out

    @pytest.mark.parametrize("name", ["", "old"])
    async def test_nothing_to_take_back(self, site: Site, name: str) -> None:
        site.stands(site.revert("old", RevertState.Kept, None))
        with pytest.raises(Ending, match="nothing is still to be taken back"):
            await site.speak(Verb.Revert, name)
        assert not created(site.server)


class TestNames:
    async def test_a_step_that_several_options_have_is_named_in_full(self, site: Site) -> None:
        site.stands(site.revert("scale", RevertState.Owed, 40), site.revert("scale", RevertState.Owed, 40, option="grow"))
        with pytest.raises(Ending, match="several steps; there are: undo/scale, grow/scale") as ending:
            await site.speak(Verb.Revert, "scale")
        assert ending.value.code is Code.Unusable
        await site.speak(Verb.Revert, "grow/scale")
        assert site.only().option == "grow"

    async def test_a_step_that_there_is_not(self, site: Site) -> None:
        site.stands(step("purge", StepState.Done))
        for name in ("nope", "undo", "/purge", "undo/", "grow/purge"):
            with pytest.raises(Ending, match="was begun; there are: undo/purge"):
                await site.speak(Verb.Confirm, name)


class TestAsking:
    async def test_off_a_terminal_nobody_has_agreed_and_the_decision_is_shown(
        self, site: Site, capsys: pytest.CaptureFixture[str]
    ) -> None:
        site.stands(site.revert("scale", RevertState.Owed, 40))
        with pytest.raises(Ending, match=r"Revert undo/scale needs a person's yes.*say --yes") as ending:
            await site.speak(Verb.Revert, "scale", yes=False)
        assert ending.value.code is Code.Unusable and not created(site.server)
        _, _, text = capsys.readouterr().out.partition("kubectl create -f -:\n")
        shown = yaml.safe_load(text)
        await site.speak(Verb.Revert, "scale")
        assert shown["spec"] == created(site.server)[0]["spec"]

    async def test_json_is_the_decision_alone(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        site.stands(site.revert("scale", RevertState.Owed, 40))
        await site.speak(Verb.Revert, "scale", output=Format.json)
        assert parsed(capsys.readouterr().out)["spec"]["step"] == "scale"

    async def test_what_follows_is_said(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        site.stands(step("purge", StepState.Indeterminate))
        answers(site.server, "Counted", "step purge is not so")
        said = Said(Verb.Reject, "frontend-502", "because", step="purge")
        await speak(session(site.server), said, Asking(True, unasked), Manner(sleep=sleeper(site.server)))
        assert "counted: step purge is not so; the option goes no further" in capsys.readouterr().out


class TestList:
    async def show(self, capsys: pytest.CaptureFixture[str], site: Site, everywhere: bool = False, **how: Format) -> str:
        await reverts.show(session(site.server), everywhere, how.get("output", Format.text))
        return capsys.readouterr().out

    @pytest.mark.requirement("A-05")
    async def test_the_next_one_first_and_only_open_ones(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        states = [site.revert(f"s{place}", state, 20 - place) for place, state in enumerate(RevertState)]
        site.stands(*states, site.revert("late", RevertState.Owed, -5), site.revert("asked", RevertState.Owed, None),
                    site.revert("recovery", RevertState.Owed, None, on_recovery=True, message="a\x1b[2Jb"))  # fmt: skip
        heads, *lines = (await self.show(capsys, site)).splitlines()
        assert heads.split() == ["INCIDENT", "STEP", "OBJECT", "DUE", "STATE", "MESSAGE"]
        names = ("late", "s3", "s2", "s1", "s0", "asked", "recovery")
        assert [line.split()[1] for line in lines] == [f"undo/{name}" for name in names]
        assert lines[0].split()[2] == "deployment/frontend" and "UTC (5m late)   Owed" in lines[0]
        assert "UTC (in 17m)" in lines[1] and "Blocked" in lines[1]
        assert "when asked" in lines[-2] and "on recovery" in lines[-1] and ESCAPE not in lines[-1]

    async def test_other_namespaces_only_when_asked(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        elsewhere = incident(site.server, namespace="other")
        becomes(site.server, elsewhere, replace(Status(), reverts=(site.revert("scale", RevertState.Owed, 1),)))
        assert await self.show(capsys, site) == "nothing is to be taken back in namespace aureus\n"
        assert (await self.show(capsys, site, everywhere=True)).splitlines()[1].split()[:3] == [
            "other",
            "frontend-502",
            "undo/scale",
        ]

    async def test_json(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        site.stands(site.revert("scale", RevertState.Owed, 1))
        found = parsed(await self.show(capsys, site, output=Format.json))
        (item,) = found["items"]
        assert (item["namespace"], item["incident"], item["step"], item["state"], found["cut"]) == (
            "aureus", "frontend-502", "scale", "Owed", False,
        )  # fmt: skip

    async def test_a_state_of_a_later_version_counts_as_open(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        odd = {"option": "undo", "step": "scale", "state": "Postponed", "ref": {"kind": "Deployment", "name": "x"}}
        site.server.set_status(site.ref, {"formatVersion": 99, "reverts": [odd]})
        assert "Postponed" in await self.show(capsys, site)

    async def test_bounded(self, site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reverts, "MAX_ROWS", 2)
        site.stands(*(site.revert(f"s{number}", RevertState.Owed, number) for number in range(3)))
        assert "more than 2 open reverts" in await self.show(capsys, site)

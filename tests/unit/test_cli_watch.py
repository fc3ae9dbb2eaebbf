"""`stanch watch` and `stanch list`: once, followed to the end, through an API server that does not answer, off a terminal."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from rich.console import Console

from stanch.cli import listing, watch
from stanch.cli.ending import Code, Ending
from stanch.cli.output import Format
from stanch.cli.watch import View
from stanch.domain.decision import Verb
from stanch.domain.incident import Phase, Status
from stanch.domain.said import GlassRecord
from stanch.engine.errors import NotFound, Retryable
from tests.unit.cli_kit import ESCAPE, becomes, incident, parsed, session, sleeper
from tests.unit.memory import MemoryServer
from tests.unit.play import NO, Play


def view(terminal: bool = False, height: int = 40) -> View:
    console = Console(file=io.StringIO(), width=80, height=height, force_terminal=terminal, markup=False, legacy_windows=False)
    return View(console)


def printed(shown: View) -> str:
    assert isinstance(shown.console.file, io.StringIO)
    return shown.console.file.getvalue()


class Life:
    """An incident that goes on by one status each time the watcher sleeps."""

    def __init__(self, play: Play) -> None:
        self.server = MemoryServer()
        self.play = play
        self.ref = incident(self.server)
        self.left = list(play.statuses)
        self.naps: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.server.time.move(seconds)
        if self.left:
            becomes(self.server, self.ref, self.left.pop(0))

    async def follow(self, shown: View) -> None:
        await watch.follow(session(self.server), "frontend-502", shown, self.sleep)


def ended(*phases: Phase, abort: bool = False, **given: object) -> Play:
    play = Play(**given)  # type: ignore[arg-type]
    if abort:
        play.say(Verb.Abort)
    play.until(*phases)
    play.tick()
    return play


async def test_once_shows_the_picture() -> None:
    server = MemoryServer()
    incident(server, ended(Phase.Resolved))
    shown = view()
    await watch.once(session(server), "frontend-502", shown)
    assert "✔ Resolved  P0  aureus/frontend-502" in printed(shown) and ESCAPE not in printed(shown)


@pytest.mark.parametrize("terminal", [False, True])
async def test_follows_until_it_is_resolved(terminal: bool) -> None:
    life, shown = Life(ended(Phase.Resolved)), view(terminal)
    await life.follow(shown)
    phases = ["Opened", "Capturing", "Mitigating", "Holding", "Resolved"]
    places = [printed(shown).index(f" {phase}  ") for phase in phases if f" {phase}  " in printed(shown)]
    assert places == sorted(places) and "Resolved" in printed(shown)
    assert (ESCAPE in printed(shown)) == terminal
    assert not [status for status in life.left if status.phase is not Phase.Resolved]


async def test_resolved_is_not_the_end_before_the_pack_is_sealed() -> None:
    play = ended(Phase.Resolved)
    resolved = [place for place, status in enumerate(play.statuses) if status.phase is Phase.Resolved]
    sealed = next(place for place in resolved if watch.settled(play.statuses[place]))
    life = Life(play)
    await life.follow(view())
    assert sealed > resolved[0] and len(life.naps) == sealed + 1


@pytest.mark.parametrize(("play", "phase"), [(ended(Phase.Aborted, abort=True), Phase.Aborted)])
async def test_a_bad_end_has_an_exit_code_of_its_own(play: Play, phase: Phase) -> None:
    with pytest.raises(Ending) as ending:
        await Life(play).follow(view())
    assert ending.value.code is Code.Unhappy and str(phase) in ending.value.message


async def test_escalated_is_no_end() -> None:
    play = ended(Phase.Escalated, readings={"health": NO})
    play.say(Verb.Close)
    play.until(Phase.Closed)
    life, shown = Life(play), view()
    await life.follow(shown)
    assert "Escalated" in printed(shown) and "Closed" in printed(shown) and not life.left


@pytest.mark.parametrize("terminal", [False, True])
async def test_no_blanks_at_the_ends_of_lines_off_a_terminal(terminal: bool) -> None:
    server, shown = MemoryServer(), view(terminal)
    incident(server, ended(Phase.Escalated, readings={"health": NO}))
    await watch.once(session(server), "frontend-502", shown)
    assert any(line.endswith(" ") for line in printed(shown).splitlines()) == terminal


async def test_prints_a_change_once_off_a_terminal() -> None:
    play = ended(Phase.Resolved)
    life, shown = Life(play), view()
    life.left = [status for status in play.statuses for _ in range(3)]
    await life.follow(shown)
    changes = sum(before != after for before, after in pairwise([Status(), *play.statuses]))
    assert printed(shown).count("aureus/frontend-502") == 1 + changes


async def test_an_api_server_that_does_not_answer_is_said_and_waited_for() -> None:
    life, shown = Life(ended(Phase.Resolved)), view()
    failures = [Retryable("Unreachable", "no connection")] * 3 + [Retryable("TooManyRequests", "slow down", after=20)]

    def fail(verb: str, ref: object) -> None:
        if life.naps and failures:
            raise failures.pop(0)

    life.server.before_read.append(fail)
    await life.follow(shown)
    assert printed(shown).count("not up to date: no connection") == 3 and "slow down" in printed(shown)
    assert life.naps[:5] == [1, 2, 4, 8, 20]
    assert "Resolved" in printed(shown)


async def test_a_deleted_or_re_created_incident_ends_the_watch() -> None:
    life = Life(ended(Phase.Escalated, readings={"health": NO}))

    def replaced(_: float) -> None:
        life.server.remove(life.ref)
        incident(life.server)

    with pytest.raises(NotFound, match="re-created"):
        await watch.follow(session(life.server), "frontend-502", view(), sleeper(life.server, replaced))


@pytest.mark.parametrize("height", [6, 12, 18, 40])
async def test_stays_within_the_height_of_the_terminal(height: int) -> None:
    life, shown, drawn = Life(ended(Phase.Escalated, readings={"health": NO})), view(terminal=True, height=height), []
    becomes(life.server, life.ref, life.play.status)

    async def look(seconds: float) -> None:
        drawn.append(printed(shown))
        raise StopWatching

    with pytest.raises(StopWatching):
        await watch.follow(session(life.server), "frontend-502", shown, look)
    assert "Escalated" in drawn[0] and drawn[0].count("\n") < height


class StopWatching(Exception):
    pass


async def test_without_a_name_the_table_of_all_is_followed() -> None:
    server, shown = MemoryServer(), view()
    incident(server)

    def another(now: float) -> None:
        if now == 2:
            incident(server, name="database-down")
        if now == 4:
            raise StopWatching

    with pytest.raises(StopWatching):
        await watch.follow_all(session(server), False, shown, sleeper(server, another))
    assert printed(shown).count("frontend-502") == 2 and printed(shown).count("database-down") == 1


class TestList:
    async def show(self, capsys: pytest.CaptureFixture[str], server: MemoryServer, everywhere: bool = False, **how: Format) -> str:
        await listing.show(session(server), everywhere, how.get("output", Format.text))
        return capsys.readouterr().out

    async def test_as_kubectl_shows_it_newest_first(self, capsys: pytest.CaptureFixture[str]) -> None:
        server = MemoryServer()
        play = ended(Phase.Escalated, readings={"health": NO})
        play.status = replace(play.status, open_reverts=2)
        incident(server, play)
        server.time.move(150)
        incident(server, name="database-is-down-now")
        server.time.move(30)
        assert await self.show(capsys, server) == (
            "NAME                   SEV   PHASE       PLAYBOOK        AT          WAITS FOR                UNTIL   REVERTS   AGE\n"
            "database-is-down-now   P0    Opened                                                                             30s\n"
            "frontend-502           P0    Escalated   frontend-down   undo/undo   Resume, Close or Abort           2         3m\n"
        )

    async def test_until_when_it_waits(self, capsys: pytest.CaptureFixture[str]) -> None:
        server = MemoryServer()
        play = ended(Phase.Escalated, readings={"health": NO})
        play.status = replace(play.status, waits_for="sre 0/1", waits_until=server.time.now() + timedelta(minutes=15))
        incident(server, play)
        server.time.move(60)
        heads, line = (await self.show(capsys, server)).splitlines()
        assert line[heads.index("WAITS FOR") :].split() == ["sre", "0/1", "in", "14m", "1m"], "and how old it is"

    @pytest.mark.requirement("A-16")
    async def test_a_broken_glass_is_told_of_beside_the_phase(self, capsys: pytest.CaptureFixture[str]) -> None:
        server = MemoryServer()
        play = ended(Phase.Escalated, readings={"health": NO})
        play.status = replace(
            play.status, broken_glass=(GlassRecord("d", "undo", "sha256:a", "carol", "OPS-1", "sre 0/2", play.now),)
        )
        incident(server, play)
        incident(server, name="another")
        broken, whole = sorted((await self.show(capsys, server)).splitlines()[1:], key=lambda line: "another" in line)
        assert "Escalated, GLASS BROKEN" in broken and "GLASS" not in whole

    async def test_other_namespaces_only_when_asked(self, capsys: pytest.CaptureFixture[str]) -> None:
        server = MemoryServer()
        incident(server)
        incident(server, name="elsewhere", namespace="other")
        assert "elsewhere" not in await self.show(capsys, server)
        every = (await self.show(capsys, server, everywhere=True)).splitlines()
        assert every[0].startswith("NAMESPACE") and [line.split()[0] for line in every[1:]] == ["aureus", "other"]

    async def test_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert await self.show(capsys, MemoryServer()) == "no incidents in namespace aureus\n"

    async def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        server = MemoryServer()
        incident(server)
        found = parsed(await self.show(capsys, server, output=Format.json))
        assert [item["metadata"]["name"] for item in found["items"]] == ["frontend-502"] and found["cut"] is False

    async def test_one_odd_incident_does_not_hide_the_others(self, capsys: pytest.CaptureFixture[str]) -> None:
        server = MemoryServer()
        ref = incident(server, name="odd")
        server.set_status(ref, {"formatVersion": 99, "phase": "\x1b[31mNew", "at": {"step": 1}})
        incident(server)
        out = await self.show(capsys, server)
        assert "frontend-502" in out and "\\u001b[31mNew" in out and ESCAPE not in out

    async def test_bounded(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(listing, "MAX_ROWS", 2)
        server = MemoryServer()
        for number in range(3):
            incident(server, name=f"incident-{number}")
        assert "more than 2 incidents" in await self.show(capsys, server)

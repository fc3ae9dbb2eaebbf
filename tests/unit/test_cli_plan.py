"""`stanch plan`: the plan from the pack or from beside the operator, never one with another digest; how it is approved."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.cells import cell_len

from stanch.api import codec
from stanch.cli import plan as plans
from stanch.cli.ending import Ending
from stanch.cli.output import FOLD, Format, folded
from stanch.domain.plan import Check, FactType, Plan, Recovery, Revert, Step
from stanch.domain.said import GlassRecord
from tests.unit.cli_kit import ESCAPE, becomes, created, incident, parsed, session
from tests.unit.cli_story import DIFFERENCE, Story, a_plan, keep, permit
from tests.unit.memory import MemoryServer
from tests.unit.play import T0


async def test_whoever_approves_sees_when_the_playbook_is_the_wrong_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = Story(tmp_path)
    keep(tmp_path, story)
    shown = (await story.show(capsys)).splitlines()
    assert "Not when: The database is down too" in shown and "Controls: IR-4, IR-5" in shown
    assert not any(line.startswith("Use when") for line in shown), "what the playbook does not say takes no line"


async def test_shows_everything_that_would_be_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = Story(tmp_path)
    keep(tmp_path, story)
    out = await story.show(capsys)
    for line in (
        f"Plan {story.digest} (attempt 1), read from {tmp_path}",
        "Playbook frontend-down, generation 3, as ServiceAccount remediator",
        "Target app: deployment/frontend, UID uid-app",
        "First, evidence within 20s: logs(app), events; what is missing: Block",
        "1. option restart  risk Low, needs no approval  [Denied: health: 502]",
        "2. option undo  risk Medium, needs approval: 1 as incident-commander, 2 as sre, within 15m  [Running]",
        "   when facts.lastDeploy.age < duration('30m')",
        "   step undo: rolloutUndo of app, expecting: the release before serves",
        '     with to: "Previous"',
        "     cannot be taken back",
        "     proven: the server would admit it",
        "     foreseen: revision 3 -> 2, image app:v2 -> app:v1",
        "     -      image: app:v2",
        "   check health: http (path /health) within 2m, then for 1m",
        "   at most 30m; when it does not help, people are called",
    ):
        assert line in out.splitlines()
    assert ESCAPE not in out


END = "; rm -rf /data"
SCRIPT = f"set -e\n{'psql --command true && ' * 190}true{END}"
CALL = {
    "method": "POST", "service": "frontend", "port": 8080, "path": "/limits",
    "query": {"user": "u1"}, "headers": {"X-Why": "INC-1"},
    "secretHeaders": [{"name": "Authorization", "prefix": "Bearer ", "secretRef": {"key": "k", "name": "t"}}],
    "expect": [200],
}  # fmt: skip


def of(*steps: Step) -> Plan:
    """The story's plan, of which the option that waits runs these."""
    restart, undo = a_plan().options
    return replace(a_plan(), options=(restart, replace(undo, steps=steps)))


async def shown_of(folder: Path, capsys: pytest.CaptureFixture[str], step: Step, output: Format = Format.text) -> str:
    story = Story(folder, plan=of(step))
    keep(folder, story)
    return await story.show(capsys, output=output)


@pytest.mark.requirement("A-15")
async def test_a_command_is_shown_to_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stdin = {"text": "first\nDELETE FROM users;\n"}
    params = {"argv": ["sh", "-c", SCRIPT], "container": "db", "stdin": stdin, "timeout": "PT30S"}
    purge = Step("purge", "exec", "app", params, at_most_once=True, preview="run sh -c … in pod/db-0")
    lines = (await shown_of(tmp_path, capsys, purge)).splitlines()
    assert len(SCRIPT) > 4096 and any(line.endswith(f'true{END}"') for line in lines)
    for line in (
        '     with argv: - "sh"',
        r'                - "set -e\n"',
        r'     with stdin: text: "first\n"',
        r'                       "DELETE FROM users;\n"',
        '     with timeout: "PT30S"',
        "     cannot be taken back",
        "     Unproven: a dry run could not tell",
        "     foreseen: run sh -c … in pod/db-0",
    ):
        assert line in lines


@pytest.mark.requirement("A-15")
@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"body": "user=u1&all=true"}, ['     with body: "user=u1&all=true"']),
        ({"json": {"user": "u1", "all": True}}, ['     with json: {"all": true, "user": "u1"}']),
        (
            {"json": {"note": "a\nb", "proven": "yes"}},
            [r'     with json: note: "a\n"', '                      "b"', '                proven: "yes"'],
        ),
    ],
)  # fmt: skip
async def test_a_call_is_shown_with_all_that_is_sent(
    body: dict[str, Any], shown: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A secret stays a reference."""
    tell = Step("tell", "http", "", {**CALL, **body}, at_most_once=True, preview="POST service/frontend:8080/limits, expect 200")
    lines = (await shown_of(tmp_path, capsys, tell)).splitlines()
    secret = '[{"name": "Authorization", "prefix": "Bearer ", "secretRef": {"key": "k", "name": "t"}}]'
    for line in (
        *shown,
        '     with method: "POST"',
        '     with query: {"user": "u1"}',
        '     with headers: {"X-Why": "INC-1"}',
        f"     with secretHeaders: {secret}",
    ):
        assert line in lines


REVERSED = ": the difference the other way round"
FAKE = "     proven: the server would admit it"


@pytest.mark.requirement("A-15")
@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x85", "\u2028", "\u202e", "\x1b[A"])
async def test_nothing_of_a_playbook_looks_like_a_line_of_stanch(
    end: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever it stands; the preview is as a version before wrote it."""
    evil = f"true{end}{FAKE}{end}{FAKE[5:]}{end}   at most 30m"
    smoke = Check("health", "exec", {"argv": ["a", evil], "equals": evil}, "app")
    params = {"argv": [evil, evil], "stdin": {"text": evil}, "json": {evil: evil, "long": "x" * 100}}
    step = Step("purge", "exec", "app", params, evil, when=evil, smoke=(smoke,), preview=f"run {evil} in pod/db-0")
    out = await shown_of(tmp_path, capsys, step)
    assert out.replace("\n", "").isprintable()
    own = [line for line in out.split("\n") if line.startswith((FAKE, "   at most 30m"))]
    assert own == [
        "   at most 30m; when it does not help, the next option is tried",
        "   at most 30m; when it does not help, people are called",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"when": "facts.n > 3"}, "when facts.n > 3"),
        ({"revert": Revert(timedelta(hours=1))}, f"taken back 1h after it, or earlier on recovery{REVERSED}"),
        ({"revert": Revert(timedelta(hours=1), False)}, f"taken back 1h after it{REVERSED}"),
        ({"revert": Revert()}, f"taken back on recovery{REVERSED}"),
        ({"reversible": True}, "not taken back by itself"),
        ({"follows": "config"}, "done again when step config is taken back"),
        (
            {"smoke": (Check("ok", "exec", {"argv": ["a", "b, c"]}, "app"),)},
            'then check ok: exec of app (argv ["a", "b, c"]) within 2m',
        ),
    ],
)
async def test_when_it_runs_and_what_becomes_of_it(
    changes: dict[str, Any], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = await shown_of(tmp_path, capsys, Step("env", "setEnv", "app", {"set": {"A": ""}}, **changes))
    assert f"     {line}" in shown.splitlines() and '     with set: {"A": ""}' in shown.splitlines()


async def test_what_changes_nothing_leaves_nothing_to_take_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = await shown_of(tmp_path, capsys, Step("wait", "wait", params={"for": "PT30S"}, writes=False))
    assert "taken back" not in out.partition("step wait: wait")[2]


@pytest.mark.requirement("A-15")
@pytest.mark.parametrize("mark", ["… cut: 12 characters more", "… cut, see plan"])
async def test_a_difference_that_is_not_whole_says_so(mark: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also one that a version before cut."""
    out = await shown_of(tmp_path, capsys, Step("undo", "rolloutUndo", "app", preview=f"{DIFFERENCE}\n{mark}"))
    shown = out[out.index(mark) :].splitlines()[1]
    assert shown == "     what is left out is stored nowhere: see target app itself with kubectl get -o yaml"


async def test_json_has_the_difference_and_the_parameters_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = f"{DIFFERENCE}\n" + "+ x\n" * 10_000
    found = parsed(await shown_of(tmp_path, capsys, Step("u", "exec", "app", {"argv": [SCRIPT]}, preview=long), Format.json))
    (step,) = found["plan"]["options"][1]["steps"]
    assert (step["preview"], step["params"]["argv"]) == (long, [SCRIPT])


async def test_diagnosis_and_recovery_are_shown_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asks, ends = (Check(name, "exec", {"argv": ["psql", END]}, "app") for name in ("sessions", "recovered"))
    story = Story(tmp_path, plan=replace(a_plan(), diagnosis=(replace(asks, fact=FactType.String),), recovery=Recovery((ends,))))
    keep(tmp_path, story)
    lines = (await story.show(capsys)).splitlines()
    assert f'Then asked, sessions: exec of app (argv ["psql", "{END}"]) within 2m' in lines
    assert f'At last, check recovered: exec of app (argv ["psql", "{END}"]) within 2m' in lines


@pytest.mark.parametrize("width", [20, 80, 132])
def test_on_a_terminal_the_rest_of_a_line_is_no_line_of_its_own(width: int) -> None:
    text = f"     with argv: {'x' * (width - 16)}{FAKE * 3}"
    first, *rest = folded(text, width)
    margin = " " * min(5, width // 2) + FOLD
    assert all(cell_len(line) <= width for line in (first, *rest)) and all(line.startswith(margin) for line in rest)
    assert first + "".join(line.removeprefix(margin) for line in rest) == text
    assert list(folded(text, 0)) == [text] and list(folded("short", width)) == ["short"]
    assert len(list(folded(" " * 1000 + "x", width))) > 1


@pytest.mark.requirement("A-16")
async def test_a_broken_glass_is_said_before_anything_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = Story(tmp_path)
    keep(tmp_path, story)
    assert "GLASS" not in await story.show(capsys)
    glass = GlassRecord("d", "undo", story.digest, "carol", "OPS-1", "sre 0/2", T0)
    becomes(story.server, story.ref, replace(codec.status_of(story.server.read(story.ref)), broken_glass=(glass,)))
    shown = (await story.show(capsys)).splitlines()
    assert shown[3] == "GLASS BROKEN: undo without sre 0/2, by carol, ticket OPS-1"


async def test_prints_the_decision_that_an_approver_would_apply(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = Story(tmp_path)
    keep(tmp_path, story)
    out = await story.show(capsys)
    command = f"stanch approve frontend-502 -n aureus --option undo --role sre --plan {story.digest}"
    assert command in out
    text = out[out.index("  apiVersion:") : out.index("To approve option undo as sre")]
    body = yaml.safe_load(text)
    story.server.create(body, dry_run=False)
    decision = codec.decision_of(created(story.server)[0])
    assert (decision.by, decision.option, decision.role) == ("bob", "undo", "incident-commander")
    assert decision.plan_digest == story.digest
    assert decision.incident_uid == story.server.read(story.ref)["metadata"]["uid"]


async def test_who_opened_it_is_told_that_another_must_approve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = Story(tmp_path)
    keep(tmp_path, story)
    assert "alice opened this incident: somebody else must approve" in await story.show(capsys, user="alice")
    assert "somebody else" not in await story.show(capsys, user="bob")


async def test_reads_it_from_beside_the_operator_where_the_pack_is_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    """A-15: with the shipped roles, of which none reads a Secret."""
    story = Story()
    await story.in_vault()
    permit(story.server, "bob", "stanch-commander", "stanch-plan-reader")
    shown = await story.show(capsys, by="bob")
    assert "read from stanch-plan-" in shown and "     -      image: app:v2" in shown.splitlines()


async def test_one_that_a_version_before_kept_is_for_who_may_read_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    story = Story()
    await story.in_vault(earlier=True)
    assert story.digest in await story.show(capsys)
    permit(story.server, "bob", "stanch-commander", "stanch-plan-reader")
    with pytest.raises(Ending, match=r"not found; as versions before kept it: .*secrets"):
        await story.show(capsys, by="bob")


@pytest.mark.parametrize("altered", [True, False])
async def test_a_plan_with_another_digest_is_not_shown(altered: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = Story(tmp_path)
    keep(tmp_path, story, story.data.replace(b"Previous", b"LastGood") if altered else None)
    if not altered:
        assert story.digest in await story.show(capsys)
        return
    with pytest.raises(Ending, match=r"which does not hold it; beside the operator: .*not found"):
        await story.show(capsys)


async def test_one_that_can_be_read_nowhere_says_where_it_is_and_what_right_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    story = Story()
    await story.in_vault()
    permit(story.server, "bob", "stanch-commander")
    with pytest.raises(Ending, match="s3://evidence/aureus/frontend-502, which is no folder of this machine") as ending:
        await story.show(capsys, by="bob")
    assert "configmaps" in ending.value.message
    assert "the Role stanch-plan-reader, bound to you in the operator's namespace (stanch-system), lets" in ending.value.message


async def test_what_somebody_else_put_in_its_place_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    story = Story()
    await story.in_vault(story.data.replace(b"Previous", b"LastGood"))
    with pytest.raises(Ending, match="holds sha256:"):
        await story.show(capsys)


async def test_an_incident_without_a_plan_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    server = MemoryServer()
    incident(server)
    with pytest.raises(Ending, match="no plan: Opened: the operator has not looked at it yet"):
        await plans.show(session(server), "frontend-502", "stanch-system", Format.text)


async def test_json_is_the_plan_and_the_decisions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = Story(tmp_path)
    keep(tmp_path, story)
    found = parsed(await story.show(capsys, output=Format.json))
    assert found["planDigest"] == story.digest and found["plan"]["options"][1]["steps"][0]["preview"] == DIFFERENCE
    assert [body["spec"]["role"] for body in found["decisions"]] == ["incident-commander", "sre"]

"""`stanch plan`: the plan from the pack or from beside the operator, never one with another digest; how it is approved."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from stanch.api import codec
from stanch.cli import plan as plans
from stanch.cli.ending import Ending
from stanch.cli.output import Format
from tests.unit.cli_kit import ESCAPE, created, incident, parsed, session
from tests.unit.cli_story import DIFFERENCE, Story, keep
from tests.unit.memory import MemoryServer


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
        "     proven: the server would admit it",
        "     -      image: app:v2",
        "   check health: http (path /health) within 2m, then for 1m",
        "   at most 30m; when it does not help, people are called",
    ):
        assert line in out.splitlines()
    assert ESCAPE not in out


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
    story = Story()
    await story.in_vault()
    assert "read from secret/stanch-plan-" in await story.show(capsys)


@pytest.mark.parametrize("altered", [True, False])
async def test_a_plan_with_another_digest_is_not_shown(altered: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = Story(tmp_path)
    keep(tmp_path, story, story.data.replace(b"Previous", b"LastGood") if altered else None)
    if not altered:
        assert story.digest in await story.show(capsys)
        return
    with pytest.raises(Ending, match=r"which does not hold it; beside the operator: .*not found"):
        await story.show(capsys)


async def test_one_that_can_be_read_nowhere_says_where_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Ending, match="s3://evidence/aureus/frontend-502, which is no folder of this machine") as ending:
        await Story().show(capsys)
    assert "secrets" in ending.value.message


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

"""Messages in the whole runtime: drafted from the policy into the pack, released, told, and found out where one is changed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from stanch.api.base import API_VERSION
from stanch.cli.about_messages import one
from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from stanch.domain.messages import LONGEST, MessageRecord, MessageState
from stanch.engine.errors import Retryable
from stanch.packs.findings import ProblemKind
from stanch.packs.store import local_path
from tests.unit.memory import Write
from tests.unit.world import Life, Site, needs_commander

TEXT = "${incident.component} does not answer (${incident.severity}).\nWe are on it."
TEAM = "${incident.labels['team']}"
SAYS = "frontend does not answer (P0).\nWe are on it."


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return telling(Site(needs_commander, tmp_path), TEXT)


def telling(site: Site, *texts: str) -> Site:
    """Its policy has a message for each text."""
    (policy,) = site.server.select(API_VERSION, "ResponsePolicy", "", "", "")
    messages = [{"name": f"m{n}", "audience": "all customers", "text": text, "releasedBy": "comms"} for n, text in enumerate(texts)]
    site.server.patch(site.server.ref(policy), {"spec": {"messages": messages}}, "", "", dry_run=False)
    return site


def labelled(site: Site, team: str) -> Site:
    site.server.patch(site.incident_ref, {"metadata": {"labels": {"team": team}}}, "", "", dry_run=False)
    return site


def record(site: Site) -> MessageRecord:
    return site.status.messages[0]


def release(site: Site, life: Life, **said: Any) -> None:
    site.decide(Verb.Release, life, **{"by": "mia", "role": "comms", "message": "m0", "messageDigest": record(site).digest, **said})


def file_of(site: Site) -> Path:
    folder = local_path(site.status.pack.uri)
    assert folder is not None
    return folder / record(site).file


@pytest.mark.requirement("A-19", "A-28")
async def test_its_text_is_in_the_pack_and_on_the_incident_and_told_once_when_it_is_released(site: Site) -> None:
    told = list[str]()

    def hear(write: Write) -> None:
        if write.ref.kind == "Event" and write.body["reason"] == "MessageReleased":
            told.append(f"{write.body['type']} {write.body['message']}")

    site.server.after_write.append(hear)
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    drafted = record(site)
    assert (drafted.state, drafted.text) == (MessageState.Draft, SAYS)
    assert drafted.digest == "sha256:" + hashlib.sha256(SAYS.encode()).hexdigest()
    assert file_of(site).read_text() == SAYS and not told
    release(site, life)
    await life.tick()
    await life.tick()
    assert record(site).state is MessageState.Released and record(site).by == "mia"
    (message,) = told
    assert message.startswith("Normal Incident frontend-502: m0 for all customers was released by mia: people send it, stanch does")
    again = Life(site, 2)
    await again.tick()
    assert len(told) == 1, "the next leader tells it no second time"
    assert list(one(record(site), site.status)) == SAYS.splitlines()


@pytest.mark.requirement("A-19")
async def test_a_text_that_somebody_changes_in_the_pack_is_found_out(site: Site) -> None:
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    release(site, life)
    await life.tick()
    site.decide(Verb.Abort, life)
    await life.live(Phase.Aborted)
    assert site.verified().ok
    file_of(site).write_text(SAYS.replace("We are on it", "All is well"))
    found = [(problem.kind, problem.path) for problem in site.verified().problems]
    assert found == [(ProblemKind.Changed, record(site).file)]


@pytest.mark.requirement("A-19", "A-02")
async def test_classified_otherwise_it_says_so_and_what_was_read_before_releases_nothing(site: Site) -> None:
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    before = record(site).digest
    site.decide(Verb.Classify, life, severity="P1")
    await life.tick()
    await life.live(Phase.AwaitingApproval)
    assert record(site).text == SAYS.replace("P0", "P1") and file_of(site).read_text() == record(site).text
    release(site, life, messageDigest=before)
    await life.tick()
    assert record(site).state is MessageState.Draft
    assert [one["status"]["effect"] for one in site.said()] == ["Counted", "NoEffect"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("${params.user}", "undeclared reference to 'params.user'"),
        ("${incident.title}", "undeclared reference to 'incident.title'"),
        ("since ${facts.lastDeploy.at}", "it speaks of facts, and is drafted before any is known"),
        ("${incident.labels['teams']}", "teams"),
        ("${incident.name", "is not closed by"),
        ("${''}\n", "it comes to nothing"),
        ("x" * (LONGEST - len(TEAM)) + TEAM, f"it comes to {LONGEST - len(TEAM) + 63} characters, at most {LONGEST} are taken"),
    ],
)
async def test_a_template_that_cannot_be_filled_in_holds_nothing_up(tmp_path: Path, text: str, why: str) -> None:
    site = telling(labelled(Site(needs_commander, tmp_path), "y" * 63), text, TEXT)
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    void, good = site.status.messages
    assert void.state is MessageState.Void and why in void.why and not void.text + void.digest
    assert good.state is MessageState.Draft


async def test_a_value_that_looks_like_a_template_stays_what_it_is(tmp_path: Path) -> None:
    site = telling(labelled(Site(needs_commander, tmp_path), "${incident.name}"), f"of {TEAM}: $${{incident.name}}")
    await Life(site).live(Phase.AwaitingApproval)
    assert record(site).text == "of ${incident.name}: ${incident.name}"


async def test_killed_or_without_a_store_while_it_drafts_it_has_one_draft_at_last(site: Site) -> None:
    failed = list[str]()

    def fail(write: Write) -> None:
        if write.ref.kind == "Secret" and not failed:
            failed.append(write.ref.name)
            raise Retryable("Timeout", "no answer", 1.0)

    site.server.before_write.append(fail)
    await Life(site).live(Phase.AwaitingApproval)
    await Life(site, 2).live(Phase.AwaitingApproval)
    assert failed and len(site.status.messages) == 1
    assert [path.read_text() for path in file_of(site).parent.iterdir()] == [SAYS]
    told = [line for line in site.lines if line.action == "Draft messages"]
    assert len(told) == 1


async def test_what_was_released_stays_when_the_policy_has_it_no_more(site: Site) -> None:
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    release(site, life)
    await life.tick()
    was = record(site)
    telling(site)
    site.decide(Verb.Classify, life, severity="P1")
    await life.tick()
    await life.live(Phase.AwaitingApproval)
    assert site.status.attempt == 2 and site.status.messages == (was,)

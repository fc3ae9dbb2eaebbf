"""A broken glass in the whole runtime: whom it is told to, and that whoever takes it out of the pack is found out (A-16)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stanch.cli.ending import Ending
from stanch.cli.output import Format
from stanch.cli.verify import Known, check
from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from stanch.domain.timeline import BROKEN_GLASS
from stanch.engine.chain import encode, head_of, link
from stanch.packs.findings import Verification
from stanch.packs.store import local_path
from stanch.packs.timeline import read_entries
from stanch.packs.verify import verify
from tests.stage.kubectl import ROOT, documents
from tests.unit.memory import Write
from tests.unit.world import Life, Site, needs_commander


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(needs_commander, tmp_path)


async def broken(site: Site) -> Life:
    """Who opened it breaks the glass; then it goes to its end."""
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    status = site.status
    site.decide(Verb.BreakGlass, life, by="alice", option=status.option, planDigest=status.plan_digest, ticket="OPS-4711")
    await life.live(Phase.Resolved)
    site.decide(Verb.Close, life, postmortem="OPS-4712")
    await life.live()
    assert site.status.phase is Phase.Closed
    return life


@pytest.mark.requirement("A-16")
async def test_everybody_is_told_once(site: Site) -> None:
    told: list[tuple[str, str]] = []

    def hear(write: Write) -> None:
        if write.ref.kind == "Event" and write.body["reason"] == "BreakGlass":
            told.append((write.body["involvedObject"]["kind"], write.body["message"]))

    site.server.after_write.append(hear)
    life = await broken(site)
    message = "Incident frontend-502: BreakGlass by alice, ticket OPS-4711: option undo goes without incident-commander 0/1"
    assert told == [("Incident", message), ("Deployment", message)]
    assert life.metrics.registry.get_sample_value("stanch_glass_broken_total") == 1


@pytest.mark.requirement("A-16")
async def test_it_stands_in_the_pack_and_verify_names_it(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    await broken(site)
    folder = folder_of(site)
    (record,) = json.loads((folder / "breakglass.json").read_text())
    assert (record["by"], record["ticket"], record["without"]) == ("alice", "OPS-4711", "incident-commander 0/1")
    assert "BreakGlass undo, because, ticket OPS-4711" in (folder / "timeline.md").read_text()
    check(str(folder), Known(), Format.text)
    assert "the glass was broken: " in (out := capsys.readouterr().out) and "Option undo goes without incident-commander 0/1" in out


@pytest.mark.requirement("A-16")
@pytest.mark.parametrize("phase", [Phase.Mitigating, Phase.Resolved])
async def test_who_deletes_the_incident_leaves_the_pack_that_tells_of_it(site: Site, phase: Phase) -> None:
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    status = site.status
    site.decide(Verb.BreakGlass, life, by="alice", option=status.option, planDigest=status.plan_digest, ticket="OPS-4711")
    await life.live(phase)
    if phase is Phase.Resolved:
        await life.live()
    folder = folder_of(site)
    site.server.delete(site.incident_ref, "")
    if not site.gone:
        await life.live()
    assert site.gone and verify(folder).ok
    (record,) = json.loads((folder / "breakglass.json").read_text())
    assert record["ticket"] == "OPS-4711"


def test_no_ready_made_role_lets_people_delete_it() -> None:
    roles = [role for file in (ROOT / "manifests" / "roles").glob("*.yaml") for role in documents(file) if "rules" in role]
    verbs = {role["metadata"]["name"]: {verb for rule in role["rules"] for verb in rule["verbs"]} for role in roles}
    assert verbs and not [name for name, may in verbs.items() if may & {"delete", "deletecollection", "*"}]


def folder_of(site: Site) -> Path:
    folder = local_path(site.status.pack.uri)
    assert folder is not None
    return folder


def about_glass(site: Site) -> list[int]:
    """Numbers of the entries that tell of it: what was said, and what came of it."""
    return [entry.seq for entry in site.chain if BROKEN_GLASS in entry.line.key or entry.line.action.startswith("BreakGlass")]


def file_of(site: Site, seq: int) -> Path:
    return folder_of(site) / "chain" / f"{seq:06d}.json"


def removed(site: Site) -> None:
    for seq in about_glass(site):
        file_of(site, seq).unlink()


def reworded(site: Site) -> None:
    for seq in about_glass(site):
        file = file_of(site, seq)
        file.write_bytes(file.read_bytes().replace(b"OPS-4711", b"OPS-0000").replace(b"BreakGlass", b"Approve"))


def rewritten(site: Site) -> None:
    """The whole chain anew without it, each hash right: what a patient forger does."""
    left = [entry for entry in site.chain if entry.seq not in about_glass(site)]
    for entry in site.chain:
        file_of(site, entry.seq).unlink()
    head = None
    for entry in left:
        made = link(head or type(site.status.pack.head)(), entry.line, entry.at)
        file_of(site, made.seq).write_bytes(encode(made))
        head = head_of(made)


def cut(site: Site) -> None:
    """From its entry on."""
    for seq in range(about_glass(site)[0], len(site.chain) + 1):
        file_of(site, seq).unlink()


@pytest.mark.requirement("A-16")
@pytest.mark.parametrize("forge", [removed, reworded, rewritten, cut])
async def test_who_takes_it_out_is_found_out(site: Site, forge: Callable[[Site], None]) -> None:
    """With every right on what is stanch's; the manifest, too, was sealed with the entry."""
    await broken(site)
    first = about_glass(site)[0]
    assert judged(site).ok
    forge(site)
    found = judged(site)
    assert not found.ok and found.first_bad_entry and found.first_bad_entry <= first
    with pytest.raises(Ending):
        check(str(folder_of(site)), Known(), Format.text)


@pytest.mark.requirement("A-16")
async def test_who_seals_it_anew_is_found_out_by_what_the_incident_says(site: Site) -> None:
    await broken(site)
    rewritten(site)
    for file in (*folder_of(site).glob("manifest*.json"), *folder_of(site).glob("seal*.json")):
        file.unlink()
    pack = site.status.pack
    found = verify(folder_of(site), pack.head.hash, pack.manifest, allow_unsealed=True)
    assert not found.ok


def judged(site: Site) -> Verification:
    return verify(folder_of(site))


async def test_what_was_not_said_is_not_named(site: Site) -> None:
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    site.decide(Verb.Approve, life, role="incident-commander", option=site.status.option, planDigest=site.status.plan_digest)
    await life.live()
    assert judged(site).glass == () and [entry for entry in read_entries(folder_of(site))]

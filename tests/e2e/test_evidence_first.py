"""Invariant 1 on real pods: what cannot be stored stops every change."""

from __future__ import annotations

import pytest

from tests.e2e.test_frontend_down import quick
from tests.stage.operator import OperatorProcess
from tests.stage.scene import Scene


def begin(stage: Scene) -> None:
    stage.set(playbook=quick)
    stage.break_release()


@pytest.mark.requirement("E-04", "E-08")
def test_logs_that_cannot_be_stored_block_the_restart(stage: Scene, operator: OperatorProcess) -> None:
    begin(stage)
    name = stage.open()
    metadata = stage.incident(name)["metadata"]
    pack = operator.folder / "packs" / stage.namespace / f"{name}-{metadata['uid'][:8]}"
    pack.mkdir(parents=True)
    (pack / "logs").write_text("a file where the folder of the logs should be")
    before = stage.deployment()["metadata"]["generation"]
    operator.start()
    incident = stage.until(name, "Escalated")
    assert incident["status"]["reason"] == "EvidenceIncomplete"
    assert stage.deployment()["metadata"]["generation"] == before, "nothing was changed"
    # The positive control: with the obstacle gone and a person's Resume, the same incident is mitigated.
    (pack / "logs").unlink()
    stage.decide(stage.on_call, "Resume", incident)
    stage.until(name, "Resolved")


@pytest.mark.requirement("E-04")
def test_pack_that_cannot_be_written_at_all_stops_everything_and_says_so(stage: Scene, operator: OperatorProcess) -> None:
    begin(stage)
    operator.packs = operator.folder / "packs"
    operator.folder.mkdir(parents=True, exist_ok=True)
    operator.packs.mkdir()
    (operator.packs / stage.namespace).write_text("a file where the folder of the packs should be")
    before = stage.deployment()["metadata"]["generation"]
    operator.start()
    name = stage.open()
    stage.kubectl.wait(f"incident/{name}", '.status.conditions[?(@.type=="Stalled")].reason', "PackUnavailable")
    assert stage.deployment()["metadata"]["generation"] == before
    (operator.packs / stage.namespace).unlink()
    stage.until(name, "Resolved")

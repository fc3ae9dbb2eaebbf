"""Invariant 1 on real pods: what cannot be stored stops every change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_frontend_down import quick
from tests.stage.install import install_operator, uninstall_operator
from tests.stage.kubectl import Kubectl
from tests.stage.operator import OperatorProcess
from tests.stage.scene import Scene


@pytest.fixture
def own(installed: Kubectl, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator for this test alone, not started yet."""
    install_operator(installed, f"{namespace}-op")
    process = OperatorProcess(installed, tmp_path / "operator", (namespace,), namespace=f"{namespace}-op")
    yield process
    process.stop()
    uninstall_operator(installed, f"{namespace}-op")


@pytest.fixture
def stage(installed: Kubectl, own: OperatorProcess, namespace: str) -> Scene:
    scene = Scene(installed.inside(namespace), own.namespace)
    scene.set(playbook=quick)
    scene.break_release()
    return scene


@pytest.mark.requirement("E-04", "E-08")
def test_logs_that_cannot_be_stored_block_the_restart(stage: Scene, own: OperatorProcess) -> None:
    name = stage.open()
    metadata = stage.incident(name)["metadata"]
    pack = own.pack_folder / stage.namespace / f"{name}-{metadata['uid'][:8]}"
    pack.mkdir(parents=True)
    (pack / "logs").write_text("a file where the folder of the logs should be")
    before = stage.deployment()["metadata"]["generation"]
    own.start()
    incident = stage.until(name, "Escalated")
    assert incident["status"]["reason"] == "EvidenceIncomplete"
    assert stage.deployment()["metadata"]["generation"] == before, "nothing was changed"
    # The positive control: with the obstacle gone and a person's Resume, the same incident is mitigated.
    (pack / "logs").unlink()
    stage.decide(stage.on_call, "Resume", incident)
    stage.until(name, "Resolved")


@pytest.mark.requirement("E-04")
def test_pack_that_cannot_be_written_at_all_stops_everything_and_says_so(stage: Scene, own: OperatorProcess) -> None:
    own.packs = own.folder / "packs"
    own.folder.mkdir(parents=True, exist_ok=True)
    own.packs.mkdir()
    (own.packs / stage.namespace).write_text("a file where the folder of the packs should be")
    before = stage.deployment()["metadata"]["generation"]
    own.start()
    name = stage.open()
    stage.kubectl.wait(f"incident/{name}", '.status.conditions[?(@.type=="Stalled")].reason', "PackUnavailable")
    assert stage.deployment()["metadata"]["generation"] == before
    (own.packs / stage.namespace).unlink()
    stage.until(name, "Resolved")

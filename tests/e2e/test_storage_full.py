"""Scenario 3 of the Kubernetes runbook, option C, on a volume that is really full: only what has expired goes, once approved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cluster.model import ClusterError
from tests.stage.pack import folder_of, lines
from tests.stage.people import COMMANDER, ON_CALL
from tests.stage.scene import Scene

COMMANDERS = "incident-commander"
EXPIRED, YOUNG = ("2020.log", "91-days.log"), ("89-days.log", "today.log")
# In KiB. The young ones alone leave room; with the expired ones hardly any of the volume's 8 MiB is left.
BIG, SMALL = 3 * 1024 - 64, 1024


def quick(document: dict[str, Any]) -> None:
    document["spec"]["options"][0]["verify"][0]["holdFor"] = "1s"


def small_volume(document: dict[str, Any]) -> None:
    """One frontend that keeps its evidence in memory of its own: a file system of exactly that size."""
    if document["kind"] == "Deployment":
        document["spec"]["replicas"] = 1
        spec = document["spec"]["template"]["spec"]
        spec["volumes"] = [{"name": "evidence", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}}]
        spec["containers"][0]["volumeMounts"] = [{"name": "evidence", "mountPath": "/app/evidence"}]


def inside(scene: Scene, script: str) -> str:
    return scene.kubectl("exec", "deployment/frontend", "--", "sh", "-c", script)


def keep(scene: Scene, name: str, kibibytes: int, age: timedelta = timedelta()) -> None:
    """A file of that size, written so long ago."""
    at = (datetime.now(UTC) - age).strftime("%Y%m%d%H%M")
    path = f"/app/evidence/{name}"
    inside(scene, f"dd if=/dev/zero of={path} bs=1024 count={kibibytes} 2>/dev/null && TZ=UTC touch -t {at} {path}")


def saves(scene: Scene) -> bool:
    """Whether the application can save another piece of evidence, a mebibyte."""
    try:
        inside(scene, "dd if=/dev/zero of=/app/evidence/new bs=1024 count=1024 2>&1 || { rm /app/evidence/new; exit 1; }")
    except ClusterError as error:
        assert "exit code 1" in str(error), error
        return False
    inside(scene, "rm /app/evidence/new")
    return True


def files(scene: Scene) -> set[str]:
    return set(inside(scene, "ls /app/evidence").split())


def staged(scene: Scene) -> None:
    scene.play("storage-full", playbook=quick, stage=small_volume)
    for name, age in zip(YOUNG, (timedelta(days=89), timedelta()), strict=True):
        keep(scene, name, SMALL, age)


def full(scene: Scene) -> str:
    """An incident about a volume on which nothing fits any more."""
    staged(scene)
    for name, age in zip(EXPIRED, (timedelta(days=2000), timedelta(days=91, hours=1)), strict=True):
        keep(scene, name, BIG, age)
    assert not saves(scene)
    return scene.open("disk-full", type="storage", severity="P1")


@pytest.mark.requirement("E-16")
def test_what_has_expired_is_deleted_after_approval_and_nothing_younger(scene: Scene) -> None:
    name = full(scene)
    incident = scene.until(name, "AwaitingApproval")
    assert incident["status"]["waitsFor"] == f"{COMMANDERS} 0/1" and incident["status"]["facts"]["expiredFiles"] == "2"
    assert files(scene) == {*EXPIRED, *YOUNG} and not saves(scene), "nothing goes before it is approved"
    scene.approve(scene.commander, name, COMMANDERS, reason="the packs of today matter more")
    incident = scene.until(name, "Resolved")
    assert files(scene) == set(YOUNG) and saves(scene)
    assert int(next(c["value"] for c in incident["status"]["checks"] if c["name"] == "room")) < 80
    printed = "".join(path.read_text() for path in folder_of(incident).rglob("*.stdout.txt"))
    assert all(f"/app/evidence/{gone}\n" in printed for gone in EXPIRED), "what went is named in the pack"
    assert "\t/app/evidence/today.log\n" in printed and "Mounted on" in printed, "and how full it was, and of what"
    assert int(incident["status"]["facts"]["usedPercent"]) > 95
    told = lines(incident)
    decided = next(line for line in told.values() if line["action"] == "Approve delete-expired")
    assert decided["actor"] == COMMANDER and decided["expectation"] == "the packs of today matter more"


@pytest.mark.requirement("E-16")
def test_rejected_nothing_is_deleted(scene: Scene) -> None:
    name = full(scene)
    incident = scene.until(name, "AwaitingApproval")
    status = incident["status"]
    scene.decide(scene.commander, "Reject", incident, role=COMMANDERS, option=status["option"], planDigest=status["planDigest"])
    incident = scene.until(name, "Escalated")
    assert files(scene) == {*EXPIRED, *YOUNG} and not incident["status"].get("steps")


@pytest.mark.requirement("E-16")
def test_the_engineer_on_call_cannot_approve_it(scene: Scene) -> None:
    name = full(scene)
    with pytest.raises(ClusterError, match=f"'{ON_CALL}' may not approve as '{COMMANDERS}'"):
        scene.approve(scene.on_call, name, COMMANDERS)
    assert scene.incident(name)["status"]["phase"] == "AwaitingApproval" and files(scene) == {*EXPIRED, *YOUNG}


@pytest.mark.requirement("E-16")
def test_where_nothing_has_expired_people_are_called_and_nothing_is_deleted(scene: Scene) -> None:
    staged(scene)
    keep(scene, "yesterday.log", 2 * BIG, timedelta(days=1))
    assert not saves(scene)
    incident = scene.until(scene.open("disk-full", type="storage", severity="P1"), "Escalated")
    assert {option["name"]: option["state"] for option in incident["status"]["options"]} == {"delete-expired": "Skipped"}
    assert files(scene) == {"yesterday.log", *YOUNG}


@pytest.mark.requirement("E-16")
def test_a_volume_with_room_is_a_false_alarm(scene: Scene) -> None:
    staged(scene)
    keep(scene, EXPIRED[0], SMALL, timedelta(days=2000))
    scene.until_status(scene.open("disk-full", type="storage", severity="P1"), ".reason", "FalseAlarm")
    assert files(scene) == {EXPIRED[0], *YOUNG}

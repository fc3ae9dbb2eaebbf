"""Revisions with their differences, and the fact `lastDeploy`: what Kubernetes knows, and unknown for the rest."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from stanch.engine.ports import Object
from stanch.evidence.last_deploy import last_deploy
from stanch.evidence.managed_fields import writers
from tests.unit.evidence_world import (
    AT,
    IMAGE_FIELD,
    LABELS,
    Shop,
    before,
    collected,
    deployment,
    managed,
    meta,
    replica_set,
    template,
)  # fmt: skip

GOLDENS = Path(__file__).parent / "goldens" / "evidence"
HISTORY = "deployment.kubernetes.io/revision-history"
RESTARTED = {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}}


def ago(minutes: float):
    return AT - timedelta(minutes=minutes)


@pytest.mark.requirement("C-05")
async def test_the_page_is_what_the_golden_file_says() -> None:
    pack, ledger = await collected(Shop(), "rolloutHistory")
    assert pack.text("history/before-1/deployment_web-") == (GOLDENS / "history_web.txt").read_text()
    assert ledger.missing == []


@pytest.mark.requirement("C-05")
async def test_the_whole_namespace_where_asked_for() -> None:
    shop = Shop()
    spec = {"selector": {"matchLabels": {"app": "db"}}, "template": template("db:v1")}
    shop.add({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta("db"), "spec": spec})
    pack, _ = await collected(shop, "rolloutHistory", whole_namespace=True)
    assert {path.split("/")[2].split("-2026")[0] for path in pack.files} == {"deployment_web", "statefulset_db"}
    assert "Last deploy: revision unknown at unknown, changed by unknown" in pack.text("history/before-1/statefulset_db")


async def test_only_so_many_revisions_are_shown() -> None:
    shop = Shop()
    shop.add(*(replica_set(shop.deployment, number, f"shop/web:v{number}", 500 - number) for number in range(3, 9)))
    pack, _ = await collected(shop, "rolloutHistory", limit=2)
    page = pack.text("history/before-1/deployment_web-")
    assert "(6 older ones are not shown)" in page
    assert [line for line in page.splitlines() if line.startswith("+++ ")] == [
        "+++ revision 8 (web-h8)", "+++ revision 7 (web-h7)",
    ]  # fmt: skip


async def test_hostile_templates_stay_on_their_lines() -> None:
    shop = Shop()
    evil = "shop/web:v9\x1b[2J\n+++ revision 99"
    shop.add(replica_set(shop.deployment, 3, evil, 5, **{"kubernetes.io/change-cause": "ok\nREVISION  forged"}))
    page = (await collected(shop, "rolloutHistory"))[0].text("history/before-1/deployment_web-")
    assert "\x1b" not in page
    assert r"ok\nREVISION  forged" in page


def controller_revision(owner: Object, number: int, image: str, minutes: float, renumbered: float | None = None) -> Object:
    times = [managed("kube-controller-manager", renumbered if renumbered is not None else minutes, {"f:revision": {}})]
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": meta(f"{owner['metadata']['name']}-{number}", minutes=minutes, owner=owner, labels=LABELS, managedFields=times),
        "revision": number,
        "data": {"spec": {"template": {**template(image), "$patch": "replace"}}},
    }


@pytest.mark.requirement("C-05")
@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
async def test_sets_keep_their_history_in_controller_revisions(kind: str) -> None:
    shop = Shop()
    owner = deployment("db", "db:v2") | {"kind": kind}
    shop.add(owner, controller_revision(owner, 1, "db:v1", 100), controller_revision(owner, 2, "db:v2", 20))
    page = (await collected(shop, "rolloutHistory", owner))[0].text(f"history/before-1/{kind.lower()}_db")
    assert "Last deploy: revision 2 at 2026-11-21T07:40:00Z (20m before)" in page
    assert "-    image: db:v1\n" in page or "-  - image: db:v1\n" in page or "db:v1" in page


@pytest.mark.requirement("C-05")
def test_the_last_deploy_is_when_the_revision_was_made_by_who_wrote_the_template_then() -> None:
    fields = [
        managed("helm", 3000, IMAGE_FIELD),
        managed("kubectl-set", 10, IMAGE_FIELD),
        managed("hpa", 1, {"f:spec": {"f:replicas": {}}}),
    ]
    target = deployment(managedFields=fields)
    found = last_deploy(target, (replica_set(target, 2, "shop/web:v2", 10), replica_set(target, 1, "shop/web:v1", 3000)))
    assert (found.at, found.revision, found.target, found.changed_by) == (ago(10), "2", "deployment/web", "kubectl-set")
    assert found.facts()["lastDeploy.at"] == "2026-11-21T07:50:00Z"


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [managed("helm", 10, IMAGE_FIELD), managed("kubectl-edit", 10, IMAGE_FIELD)],
        [managed("helm", 5, IMAGE_FIELD)],
        [managed("helm", 3000, IMAGE_FIELD)],
    ],
)
def test_who_is_unknown_unless_exactly_one_manager_wrote_just_then(fields: list[Object]) -> None:
    target = deployment(managedFields=fields)
    assert last_deploy(target, (replica_set(target, 2, "shop/web:v2", 10),)).changed_by == "unknown"


def restarted(target: Object, number: int, image: str, minutes: float) -> Object:
    made = replica_set(target, number, image, minutes)
    made["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": before(minutes)}
    return made


@pytest.mark.requirement("D-06")
def test_a_restart_is_no_deploy() -> None:
    target = deployment(managedFields=[managed("kubectl-rollout", 2, {"f:spec": {"f:template": RESTARTED}})])
    target["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": before(2)}
    found = last_deploy(
        target,
        (
            restarted(target, 3, "shop/web:v2", 2),
            replica_set(target, 2, "shop/web:v2", 50),
            replica_set(target, 1, "shop/web:v1", 3000),
        ),
    )
    assert (found.at, found.revision) == (ago(50), "2")


def went_back(progressed: float, about: str = "web-h3") -> tuple[Object, tuple[Object, ...]]:
    """Revision 1 is used again as revision 3; the rollout last moved `progressed` minutes ago."""
    target = deployment(image="shop/web:v1", managedFields=[managed("helm", 3000, IMAGE_FIELD)])
    message = f'ReplicaSet "{about}" has successfully progressed.'
    progress = {"type": "Progressing", "lastUpdateTime": before(progressed), "message": message}
    target["status"]["conditions"] = [{"type": "Available"}, progress]
    again = replica_set(target, 3, "shop/web:v1", 3000, **{HISTORY: "1"})
    return target, (again, replica_set(target, 2, "shop/web:v2", 10))


@pytest.mark.requirement("D-06")
def test_going_back_to_an_old_replica_set_is_a_deploy_of_when_it_was_rolled_out() -> None:
    found = last_deploy(*went_back(5))
    assert (found.at, found.revision, found.changed_by) == (ago(5), "3", "unknown")


@pytest.mark.parametrize(("progressed", "about"), [(20, "web-h3"), (5, "web-h2")])
def test_going_back_without_a_word_of_it_in_the_status_happened_at_an_unknown_time(progressed: float, about: str) -> None:
    found = last_deploy(*went_back(progressed, about))
    assert found.at is None
    assert "lastDeploy.at" not in found.facts()


def test_a_set_that_went_back_tells_by_when_its_revision_was_numbered_anew() -> None:
    target = deployment("db", "db:v1") | {"kind": "StatefulSet"}
    again = controller_revision(target, 3, "db:v1", 3000, renumbered=4)
    found = last_deploy(target, (again, controller_revision(target, 2, "db:v2", 20)))
    assert (found.at, found.revision) == (ago(4), "3")


def test_a_revision_that_is_not_made_yet_is_unknown() -> None:
    target = deployment(image="shop/web:v3")
    found = last_deploy(target, (replica_set(target, 2, "shop/web:v2", 10),))
    assert (found.at, found.revision, found.changed_by) == (None, "unknown", "unknown")


def test_managed_fields_become_paths() -> None:
    fields = {
        "f:spec": {
            "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}, "k:broken": {}},
            "f:finalizers": {'v:"x"': {}},
        }
    }
    (entry,) = writers({"metadata": {"managedFields": [managed("helm", 1, fields)]}})
    assert entry.paths == ("spec.ports[port=80,protocol=TCP].port", "spec.ports[broken]", 'spec.finalizers["x"]')
    assert entry.owns("spec.ports")
    assert not entry.owns("spec.port")

"""Nothing that is cluster-scoped can be changed: no action takes it as its target, no playbook needs a right on it, and what was
let into the cluster all the same is not planned. The API server refuses it before: `tests/contract/test_attacks.py`."""

from __future__ import annotations

import pytest
import yaml

from stanch.actions.reconcilers import BY_KIND
from stanch.actions.registry import ACTIONS
from stanch.api.access import grants
from stanch.api.kinds import PlaybookSpec
from stanch.cli.rbac import Subject, objects
from stanch.domain.incident import Phase
from stanch.engine.ports import Object
from tests.unit.memory.kinds import KINDS
from tests.unit.source_tree import ROOT
from tests.unit.world import Life, Site

SCOPED = {kind.kind: kind.namespaced for kind in KINDS}
WIDE = {kind.plural for kind in KINDS if not kind.namespaced}
CLUSTER_SCOPED = ["Node", "Namespace", "ClusterRole"]
PLAYBOOKS = [
    document
    for path in sorted((ROOT / "playbooks").rglob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
    if document and document["kind"] == "Playbook"
]


@pytest.mark.requirement("A-15")
@pytest.mark.parametrize("name", ACTIONS)
def test_no_action_takes_a_cluster_scoped_target(name: str) -> None:
    assert all(SCOPED[kind] for kind in ACTIONS[name].kinds - set(BY_KIND))


def test_nobody_who_is_suspended_for_a_step_is_cluster_scoped() -> None:
    assert all(reconciler.ref("", "a").namespace for reconciler in BY_KIND.values())


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda playbook: playbook["metadata"]["name"])
def test_what_a_playbook_needs_stands_in_roles_of_namespaces(playbook: Object) -> None:
    """A Role permits nothing cluster-scoped, but to `bind` a ClusterRole within its namespace."""
    spec = PlaybookSpec.model_validate(playbook["spec"])
    made = objects(Subject(playbook["metadata"]["name"], "aureus", spec, "stanch-system"))
    assert {obj["kind"] for obj in made} <= {"ServiceAccount", "Role", "RoleBinding"}
    assert [grant for grant in grants(spec, "aureus") if grant.resource in WIDE and grant.verbs != ("bind",)] == []


@pytest.mark.requirement("A-15")
@pytest.mark.parametrize("kind", CLUSTER_SCOPED)
async def test_one_that_came_past_the_types_is_not_planned(kind: str) -> None:
    """As where somebody has loosened the CRD."""

    def loosened(playbook: Object) -> None:
        playbook["spec"]["targets"].append({"name": "wide", "kind": kind, "objectName": "wide"})

    site = Site(loosened)
    life = Life(site)
    await life.tick()
    assert site.status.phase is Phase.Waiting and "targets" in site.status.message and "RoleBinding" in site.status.message
    assert [op.what for op in life.passage.log if op.what.endswith("/wide")] == [], "it is not even read"

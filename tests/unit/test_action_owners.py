"""Never fight: who would take a write back is found out before it, and not knowing counts as owned."""

from __future__ import annotations

import pytest

from stanch.actions import reconcilers
from stanch.actions.owners import ARGO_LABEL, INSTANCE, argo_application, guard_owner, read_owner
from stanch.domain.plan import Ref
from stanch.engine.errors import Refused, Retryable
from stanch.engine.ports import Object
from tests.unit import rollouts
from tests.unit.memory import MemoryCluster, custom
from tests.unit.rollouts import before, template

TRACKED = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}
HELMS = {"app.kubernetes.io/managed-by": "Helm", INSTANCE: "shop"}


def wrote(*managers: str) -> list[Object]:
    """The managedFields of what these wrote; Argo CD does not hold a label that was there before it."""
    return [{"manager": manager, "operation": "Update", "fieldsV1": {"f:spec": {}}} for manager in managers]


ARGOS = wrote("helm", "argocd-controller")
# Each way in which an object is known to belong to Application argocd/shop.
MARKS = pytest.mark.parametrize(
    "mark", [{"annotations": TRACKED}, {"labels": {INSTANCE: "shop"}, "managedFields": ARGOS}], ids=["annotation", "label"]
)


def target(labels: dict | None = None, annotations: dict | None = None, **metadata) -> Object:
    found = rollouts.deployment(template("web:v1"), annotations=annotations)
    found["metadata"] |= {"labels": labels or {}, **metadata}
    return found


def application(**policy) -> Object:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "shop", "namespace": "argocd"},
        "spec": {"syncPolicy": policy, "source": {"repoURL": "https://git.example.com/shop"}},
    }


def server_with(*objects: Object):
    server = rollouts.server_with()
    server.register(custom("Application", "applications", "argoproj.io/v1alpha1"))
    for item in objects:
        server.add(item)
    return server


def refusal(*parts: Object) -> str:
    with pytest.raises(Refused) as refused:
        guard_owner(before(*parts))
    assert refused.value.reason == "OwnedByReconciler"
    return refused.value.message


def silent(verb: str, ref: object) -> None:
    raise Retryable("Timeout", "no answer")


@pytest.mark.parametrize(
    "mark",
    [
        {},
        {"labels": HELMS},
        {"labels": HELMS, "managedFields": wrote("helm", "argocd-server", "kubectl-client-side-apply")},
        {"managedFields": ARGOS},
    ],
    ids=["nobody", "Helm, who wrote is unknown", "Helm", "Argo CD without a mark"],
)
async def test_nobody_or_helm_is_normal_and_nothing_is_asked_for(mark: dict) -> None:
    server = server_with(application(automated={}))
    server.before_read.append(silent)
    assert await read_owner(MemoryCluster(server), target(**mark)) == ()
    assert guard_owner(before(target(**mark))) == ""


@pytest.mark.parametrize(
    ("fields", "parent"),
    [
        ({"f:status": {}, "f:metadata": {"f:annotations": {}}}, None),
        ({"f:metadata": {"f:labels": {f"f:{INSTANCE}": {}}}}, reconcilers.APPLICATION.ref("argocd", "apps")),
    ],
    ids=["state", "label"],
)
def test_an_application_belongs_to_another_where_argo_wrote_the_label(fields: dict, parent: Ref | None) -> None:
    """Into each Application Argo CD writes what has become of it, also where Helm installed it."""
    found = application()
    written = {"manager": "argocd-application-controller", "operation": "Update", "fieldsV1": fields}
    found["metadata"] |= {"labels": {INSTANCE: "apps"}, "managedFields": [written]}
    assert argo_application(found) == parent


def test_a_controlling_owner_refuses_and_one_that_does_not_control_does_not() -> None:
    owner = {"apiVersion": "shop.io/v1", "kind": "Shop", "name": "main", "uid": "u"}
    assert "controlled by Shop main" in refusal(target(ownerReferences=[{**owner, "controller": True}]))
    assert guard_owner(before(target(ownerReferences=[owner]))) == ""


@pytest.mark.parametrize(
    ("label", "off"),
    [
        ("kustomize.toolkit.fluxcd.io/name", {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}),
        ("helm.toolkit.fluxcd.io/name", {"helm.toolkit.fluxcd.io/driftDetection": "disabled"}),
    ],
)
def test_flux_refuses_unless_told_to_leave_the_object_alone(label: str, off: dict) -> None:
    key, value = next(iter(off.items()))
    assert f"kubectl -n shop annotate deployment web {key}={value}" in refusal(target({label: "shop"}))
    assert guard_owner(before(target({label: "shop"}, off))) == ""


@pytest.mark.parametrize(
    ("mark", "namespace", "name"),
    [
        ({"annotations": TRACKED}, "argocd", "shop"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "team_shop:apps/Deployment:shop/web"}}, "team", "shop"),
        ({"labels": {ARGO_LABEL: "shop"}}, "argocd", "shop"),
        ({"labels": {INSTANCE: "shop"}, "managedFields": wrote("argocd-controller")}, "argocd", "shop"),
        ({"labels": {INSTANCE: "team_shop"}, "managedFields": wrote("argocd-application-controller")}, "team", "shop"),
        ({"labels": {INSTANCE: "chart"}, "annotations": TRACKED, "managedFields": ARGOS}, "argocd", "shop"),
        ({"labels": {INSTANCE: "chart", ARGO_LABEL: "shop"}, "managedFields": ARGOS}, "argocd", "shop"),
    ],
)
def test_the_application_is_named_by_the_mark(mark: dict, namespace: str, name: str) -> None:
    found = argo_application(target(**mark))
    assert (found.namespace, found.name) == (namespace, name)


@MARKS
@pytest.mark.parametrize("policy", [{}, {"automated": {"enabled": False}}, {"syncOptions": ["Validate=true"]}])
async def test_argo_that_does_not_sync_by_itself_is_allowed_and_said(mark: dict, policy: dict) -> None:
    server = server_with(application(**policy))
    related = await read_owner(MemoryCluster(server), target(**mark))
    assert related[0]["spec"] == {"syncPolicy": policy}, "only what is judged is kept"
    assert guard_owner(before(target(**mark), *related)) == ("Argo CD Application argocd/shop does not sync by itself")


@MARKS
@pytest.mark.parametrize("automated", [{}, {"selfHeal": True}, {"enabled": True}])
async def test_argo_that_syncs_by_itself_is_refused(mark: dict, automated: dict) -> None:
    related = await read_owner(MemoryCluster(server_with(application(automated=automated))), target(**mark))
    assert "argocd app set shop --sync-policy none" in refusal(target(**mark), *related)


@MARKS
async def test_an_application_that_cannot_be_read_counts_as_syncing(mark: dict) -> None:
    for server in (server_with(), rollouts.server_with()):
        related = await read_owner(MemoryCluster(server), target(**mark))
        assert "could not be read, so it counts as syncing" in refusal(target(**mark), *related)


async def test_a_server_that_does_not_answer_is_asked_again() -> None:
    server = server_with(application())
    server.before_read.append(silent)
    with pytest.raises(Retryable):
        await read_owner(MemoryCluster(server), target(annotations=TRACKED))

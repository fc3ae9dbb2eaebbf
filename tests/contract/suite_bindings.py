"""What the API server promises about RoleBindings that are taken away and given back, and about trying that beforehand.

Run as `suite_cluster` is. Who gives access must be allowed to `bind` its role:
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#restrictions-on-role-binding-creation-or-update
"""

from __future__ import annotations

import pytest

from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.engine.errors import Conflict, NotFound, Refused
from stanch.engine.ports import Cluster, Object
from tests.contract.suite_cluster import World, config_map, everything, ref, service_account, version

RBAC = "rbac.authorization.k8s.io"
BINDINGS = Rule(("get", "create", "patch", "delete"), RBAC, "rolebindings")
BIND = Rule(("bind",), RBAC, "roles", ("reader",))


def role(world: World, name: str) -> Object:
    """Permits what nobody here holds."""
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    return {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": name, "namespace": world.namespace}, "rules": rules}


def binding(world: World, name: str) -> Object:
    reference = {"apiGroup": RBAC, "kind": "Role", "name": "reader"}
    subject = {"apiGroup": RBAC, "kind": "User", "name": "mallory"}
    metadata = {"name": name, "namespace": world.namespace, "labels": {"team": "shop"}, "annotations": {"why": "ticket 7"}}
    return {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": metadata, "roleRef": reference, "subjects": [subject]}


async def acting(world: World, *rules: Rule) -> Cluster:
    """As a ServiceAccount with these rules, once a role and a binding of it are there."""
    for body in (role(world, "reader"), binding(world, "readers")):
        await world.admin.create(body)
    return world.clusters.acting_as(world.namespace, await service_account(world, *rules))


class BindingContract:
    """Inherit, and provide the fixture `world`."""

    async def test_a_dry_run_of_delete_deletes_nothing(self, world: World) -> None:
        able = await everything(world)
        made = await able.create(config_map(world, "a"))
        await able.delete(ref(made), resource_version=version(made), dry_run=True)
        assert version(await able.get(ref(made))) == version(made)
        await able.patch(ref(made), {"data": {"b": "c"}})
        with pytest.raises(Conflict):
            await able.delete(ref(made), resource_version=version(made), dry_run=True)
        with pytest.raises(NotFound):
            await able.delete(Ref("v1", "ConfigMap", world.namespace, "absent"), dry_run=True)

    async def test_a_dry_run_of_delete_needs_the_right(self, world: World) -> None:
        cluster = await acting(world, Rule(("get",), RBAC, "rolebindings"))
        with pytest.raises(Refused, match="delete"):
            await cluster.delete(Ref(f"{RBAC}/v1", "RoleBinding", world.namespace, "readers"), dry_run=True)

    @pytest.mark.requirement("A-12")
    async def test_without_bind_access_is_neither_given_nor_touched(self, world: World) -> None:
        """Also where the name is taken: the dry run by which it is known beforehand."""
        cluster = await acting(world, BINDINGS)
        there = Ref(f"{RBAC}/v1", "RoleBinding", world.namespace, "readers")
        for attempt in (
            cluster.create(binding(world, "more")),
            cluster.create(binding(world, "readers"), dry_run=True),
            cluster.patch(there, {"metadata": {"annotations": {"a": "b"}}}),
        ):
            with pytest.raises(Refused, match="attempting to grant RBAC permissions not currently held") as caught:
                await attempt
            assert caught.value.reason == "Forbidden"

    @pytest.mark.requirement("A-12")
    async def test_with_bind_it_is_marked_taken_and_given_back_as_it_was(self, world: World) -> None:
        cluster = await acting(world, BINDINGS, BIND)
        there = Ref(f"{RBAC}/v1", "RoleBinding", world.namespace, "readers")
        seen = await cluster.patch(there, {"metadata": {"annotations": {"mark": "1"}}})
        with pytest.raises(Conflict) as caught:
            await cluster.create(binding(world, "readers"), dry_run=True)
        assert caught.value.reason == "AlreadyExists"
        await cluster.delete(ref(seen), resource_version=version(seen))
        made = await cluster.create(binding(world, "readers"))
        wanted = binding(world, "readers")
        assert (made["roleRef"], made["subjects"]) == (wanted["roleRef"], wanted["subjects"])
        assert (made["metadata"]["labels"], made["metadata"]["annotations"]) == (wanted["metadata"]["labels"], {"why": "ticket 7"})
        with pytest.raises(NotFound):
            await cluster.get(ref(seen))

    async def test_with_bind_on_another_role_it_is_refused(self, world: World) -> None:
        cluster = await acting(world, BINDINGS, Rule(("bind",), RBAC, "roles", ("writer",)))
        with pytest.raises(Refused, match="attempting to grant"):
            await cluster.create(binding(world, "more"))

"""What a playbook lacks, asked of a real authorizer: by the operator with the rights that are shipped, and by a person."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from stanch.api import codec
from stanch.api.kinds import PlaybookSpec
from stanch.api.needs import OPERATOR, Needs
from stanch.cli import permissions as checking
from stanch.cli.access import Wanted
from stanch.cli.ending import Code, Ending
from stanch.cli.kubeconfig import Asked, locate
from stanch.cli.output import Format
from stanch.cli.rbac import Subject, objects
from stanch.cli.session import connected
from stanch.controller.declared import Declared, Pace
from stanch.domain.conditions import Condition
from stanch.domain.plan import Pin, Ref
from stanch.kube.client import ApiServer, connect
from stanch.kube.identity import ApiClusters
from stanch.runtime import permissions
from stanch.runtime.permissions import Lack, Verdict
from tests.contract.installed import Object, grant, install, rule
from tests.contract.test_cli import kubeconfig
from tests.contract.world import until
from tests.stage.account import keep, kubeconfig_of
from tests.stage.install import role_of
from tests.stage.kubectl import Kubectl
from tests.unit import api_examples as examples
from tests.unit.permitted import needs_of

ACCOUNT = "frontend-remediator"
QUICK = Pace(ready=0.5, unready=0.5, request=0.01)


@pytest.fixture(scope="module", autouse=True)
def stanch(cluster: Any) -> None:
    install(cluster)


class Site:
    """A playbook in a namespace, and an operator that speaks under the ServiceAccount `stanch` of that namespace."""

    def __init__(self, kubectl: Kubectl, api: ApiServer) -> None:
        self.kubectl, self.clusters, self.clock = kubectl, ApiClusters(api), api.clock
        body = examples.playbook()
        metadata = {"name": "frontend-down", "namespace": kubectl.namespace}
        self.playbook: Object = {**body, "metadata": metadata}
        spec = codec.spec_of(PlaybookSpec, self.playbook)
        self.access = objects(Subject("frontend-down", kubectl.namespace, spec, kubectl.namespace))

    @property
    def needs(self) -> Needs:
        return needs_of(self.playbook)

    async def lacks(self) -> list[Lack]:
        acting = self.clusters.acting_as(self.needs.namespace, Pin(ACCOUNT))
        own = self.clusters.own
        asked = await permissions.ask(
            self.needs, own, permissions.operator(self.needs, own), permissions.account(self.needs, acting)
        )
        return asked.lacks

    async def becomes(self, *messages: str) -> list[Lack]:
        """The authorizer learns of a Role a moment after it was written."""

        async def so() -> bool:
            return {lack.message for lack in await self.lacks()} == set(messages)

        await until(so)
        return await self.lacks()

    def without(self, verb: str, resource: str) -> None:
        """The playbook's Role, less this right."""
        role = next(one for one in self.access if one["metadata"]["name"].startswith("stanch-playbook-"))
        kept = [self._less(one, verb) if resource in one["resources"] else one for one in role["rules"]]
        self.kubectl.apply([{**role, "rules": [one for one in kept if one["verbs"]]}])

    def _less(self, rule: Object, verb: str) -> Object:
        return {**rule, "verbs": [one for one in rule["verbs"] if one != verb]}


@pytest.fixture
async def site(shipped_rights: Kubectl, tmp_path: Path) -> AsyncIterator[Site]:
    async with connect(str(keep(tmp_path / "operator.yaml", kubeconfig_of(shipped_rights, OPERATOR)))) as api:
        yield Site(shipped_rights, api)


@pytest.fixture
async def granted(site: Site) -> Site:
    """All that `stanch rbac` prints is there."""
    site.kubectl.apply(site.access)
    assert await site.becomes() == []
    return site


MISSING = {
    ("patch", "deployments"): 'patch deployments.apps "frontend"',
    ("list", "events"): "list events",
    ("get", "pods/log"): "get pods/log",
    ("get", "services/proxy"): 'get services/proxy "http:frontend:80"',
}


@pytest.mark.parametrize(("right", "said"), MISSING.items(), ids=lambda part: "-".join(part) if isinstance(part, tuple) else "")
async def test_each_missing_right_is_named_and_nothing_else(granted: Site, right: tuple[str, str], said: str) -> None:
    granted.without(*right)
    (lack,) = await granted.becomes(f"ServiceAccount {ACCOUNT} may not {said}")
    assert lack.verdict is Verdict.Missing


async def test_the_account_that_is_missing_is_named_though_its_rights_are_there(granted: Site) -> None:
    granted.kubectl("delete", "serviceaccount", ACCOUNT)
    await granted.becomes(f"there is no ServiceAccount {ACCOUNT} in namespace {granted.kubectl.namespace}")


async def test_without_the_opt_in_it_is_named_and_the_rest_is_unknown(granted: Site) -> None:
    granted.kubectl("delete", "rolebinding", f"stanch-acts-as-{ACCOUNT}")
    missing = f'stanch may not get, impersonate serviceaccounts "{ACCOUNT}"'
    unread = f"whether there is a ServiceAccount {ACCOUNT} could not be read"
    found = await granted.becomes(missing, unread, f"not all that ServiceAccount {ACCOUNT} may do could be asked")
    assert [lack.verdict for lack in found] == [Verdict.Missing, Verdict.Unknown, Verdict.Unknown]


async def test_what_stanch_itself_lacks_is_named(granted: Site) -> None:
    role = granted.kubectl.get("clusterrole", role_of(granted.kubectl.namespace, "stanch-operator"))
    kept = [one for one in role["rules"] if one["resources"] != ["events"]]
    granted.kubectl("patch", "clusterrole", role["metadata"]["name"], "--type=merge", "-p", json.dumps({"rules": kept}))
    await granted.becomes("stanch may not create events")


async def test_ready_follows_what_is_granted_and_taken_away(site: Site) -> None:
    """Without a change of the Playbook."""
    made = site.kubectl.create(site.playbook)
    ref = Ref(made["apiVersion"], made["kind"], site.kubectl.namespace, "frontend-down")
    async with judging(site) as declared:
        declared.told(await site.clusters.own.get(ref), gone=False)
        await said(site, ref, "False", "PermissionMissing")
        site.kubectl.apply(site.access)
        await said(site, ref, "True", "Valid")
        site.without("patch", "deployments")
        condition = await said(site, ref, "False", "PermissionMissing")
    hint = "stanch rbac frontend-down prints the Role"
    assert condition.message == f'ServiceAccount {ACCOUNT} may not patch deployments.apps "frontend": {hint}'
    assert (await site.clusters.own.get(ref))["metadata"]["generation"] == 1


@asynccontextmanager
async def judging(site: Site) -> AsyncIterator[Declared]:
    declared = Declared(site.clusters, site.clock, QUICK)
    running = asyncio.ensure_future(declared.run())
    yield declared
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def said(site: Site, ref: Ref, status: str, reason: str) -> Condition:
    found: list[Condition] = []

    async def so() -> bool:
        found[:] = codec.declared_status_of(await site.clusters.own.get(ref)).conditions
        return [(one.status, one.reason) for one in found] == [(status, reason)]

    await until(so)
    return found[0]


# What a person who looks may: read the playbook's ServiceAccount, and act as it.
LOOKS = (rule("", "serviceaccounts", "get"), rule("stanch.dev", "playbooks", "get", "list"))
ACTS = rule("", "serviceaccounts", "impersonate", names=(ACCOUNT,))


async def linted(cluster: Any, namespace: str, config: str, paths: Sequence[str] = ()) -> Code:
    """As kubectl would know the person: `stanch lint --cluster`."""
    try:
        async with connected(locate(Asked(config, cluster.context, namespace), {})) as session:
            await checking.check(session, Wanted("", namespace, namespace), checking.Checked(tuple(paths), False, Format.text))
    except Ending as ending:
        return ending.code
    return Code.Fine


async def test_lint_names_it_to_an_administrator(
    granted: Site, cluster: Any, namespace: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(yaml.safe_dump(granted.playbook))
    config = str(cluster.kubeconfig)
    assert await linted(cluster, namespace, config, [str(file)]) is Code.Fine
    assert "0 errors, 0 warnings" in capsys.readouterr().out
    granted.without("list", "events")
    await granted.becomes(f"ServiceAccount {ACCOUNT} may not list events")
    assert await linted(cluster, namespace, config, [str(file)]) is Code.Problems
    assert f"error: ServiceAccount {ACCOUNT} may not list events (" in capsys.readouterr().out


async def test_who_may_not_ask_is_warned(
    granted: Site, cluster: Any, namespace: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kubeconfig's user is impersonated, so that its own right to act as the account is what counts."""
    granted.kubectl.create(granted.playbook)
    alice = kubeconfig(cluster, tmp_path, "alice")
    grant(cluster, namespace, "alice", *LOOKS)
    assert await linted(cluster, namespace, alice) is Code.Fine
    assert capsys.readouterr().out.splitlines()[-1].endswith("0 errors, 2 warnings")
    grant(cluster, namespace, "alice", *LOOKS, ACTS)
    assert await linted(cluster, namespace, alice) is Code.Fine
    found = capsys.readouterr().out
    assert "not all that stanch may do" in found and found.splitlines()[-1].endswith("0 errors, 1 warnings")

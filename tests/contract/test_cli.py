"""The command against a real API server: who the person is, what admission refuses, what RBAC refuses, what it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from stanch.api import codec
from stanch.cli import freezing, listing, plan, reverts, watch
from stanch.cli.access import Wanted, of_file
from stanch.cli.decide import Manner, Said, decide
from stanch.cli.ending import Ending, told
from stanch.cli.freezing import Switch, turn
from stanch.cli.kubeconfig import Asked, locate
from stanch.cli.output import Format, console
from stanch.cli.session import Session, connected
from stanch.cli.speaking import Asking, speak
from stanch.domain.decision import Verb
from stanch.domain.incident import Phase, RevertRecord, RevertState, StepRecord, StepState
from stanch.domain.plan import Ref
from stanch.kube.records import plans
from stanch.runtime.case import plan_name
from tests.contract.installed import create, grant, install, rule, until
from tests.stage.kubectl import ROOT
from tests.unit import api_examples as examples
from tests.unit.play import NO, Play

GROUP = "stanch.dev"
READ = (rule(GROUP, "incidents", "get", "list"), rule(GROUP, "decisions", "create", "get"))
READER = ROOT / "manifests" / "roles" / "plans.yaml"
AT_ONCE = Manner(wait=False)


@pytest.fixture(scope="module", autouse=True)
def stanch(cluster: Any) -> None:
    install(cluster)


def kubeconfig(cluster: Any, folder: Path, user: str) -> str:
    """The cluster's own, acting as `user`."""
    config = yaml.safe_load(Path(cluster.kubeconfig).read_text())
    for entry in config["users"]:
        entry["user"]["as"] = user
    path = folder / f"{user}.yaml"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    return str(path)


@pytest.fixture
async def alice(cluster: Any, namespace: str, tmp_path: Path) -> AsyncIterator[Session]:
    """May read incidents and write notes."""
    grant(cluster, namespace, "alice", *READ, rule(GROUP, "roles", "note", names=("-",)))
    async with connected(locate(Asked(kubeconfig(cluster, tmp_path, "alice"), cluster.context, namespace), {})) as session:
        yield session


@pytest.fixture
def incident(cluster: Any, namespace: str) -> dict[str, Any]:
    """Escalated, as an operator would have left it."""
    body = examples.incident()
    body["spec"]["openedBy"] = json.loads(cluster.kubectl("auth", "whoami", "-o", "json"))["status"]["userInfo"]["username"]
    made = create(cluster, namespace, body)
    play = Play(readings={"health": NO})
    play.until(Phase.Escalated)
    patch = json.dumps({"status": codec.status_to_json(play.status)})
    cluster.kubectl(
        "-n", namespace, "patch", "incident", made["metadata"]["name"], "--subresource=status", "--type=merge", "-p", patch
    )
    return made


async def test_a_note_bears_the_name_that_the_api_server_proves(
    alice: Session, incident: Any, cluster: Any, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await decide(alice, Said(Verb.Note, "frontend-502", "the pool is full"), AT_ONCE)
    (made,) = json.loads(cluster.kubectl("-n", namespace, "get", "decisions", "-o", "json"))["items"]
    assert made["spec"] == {
        "incidentRef": {"name": "frontend-502", "uid": incident["metadata"]["uid"]},
        "verb": "Note",
        "by": "alice",
        "reason": "the pool is full",
    }
    assert f"decision/{made['metadata']['name']} created: Note by alice" in capsys.readouterr().out


async def test_what_admission_refuses_reaches_the_person_in_one_line(alice: Session, incident: Any) -> None:
    with pytest.raises(Ending, match="'alice' may not abort as '-'") as ending:
        await ended(alice, decide(alice, Said(Verb.Abort, "frontend-502", "enough"), AT_ONCE))
    assert "\n" not in ending.value.message and "ask for a Role" in ending.value.message


OWED = RevertRecord(
    option="undo", step="scale", state=RevertState.Owed, ref=Ref("apps/v1", "Deployment", "x", "frontend", "u"), token="t",
    image="i", digest="d", due_at=datetime(2099, 1, 1, tzinfo=UTC),
)  # fmt: skip


@pytest.fixture
def owing(cluster: Any, namespace: str, incident: dict[str, Any]) -> dict[str, Any]:
    """The incident, with a change that is to be taken back and a step of which nobody knows whether it happened."""
    purge = StepRecord("undo", "purge", StepState.Indeterminate, message="the connection broke")
    status = replace(codec.status_of(incident), reverts=(OWED,), steps=(purge,), open_reverts=1)
    patch = json.dumps({"status": codec.status_to_json(status)})
    cluster.kubectl("-n", namespace, "patch", "inc", "frontend-502", "--subresource=status", "--type=merge", "-p", patch)
    return incident


def unasked(what: str) -> bool:
    raise AssertionError(f"asked: {what}")


SAID = {
    Verb.Confirm: ("purge", {}, {"option": "undo", "step": "purge"}),
    Verb.Reject: ("purge", {}, {"option": "undo", "step": "purge"}),
    Verb.Extend: ("undo/scale", {"extend_by": "90m"}, {"option": "undo", "step": "scale", "extendBy": "1h30m"}),
    Verb.Revert: ("", {}, {}),
}


@pytest.mark.usefixtures("owing")
@pytest.mark.parametrize("verb", SAID)
async def test_what_is_said_about_a_step_is_what_the_api_server_takes(
    alice: Session, cluster: Any, namespace: str, verb: Verb
) -> None:
    step, more, expected = SAID[verb]
    said, asking = Said(verb, "frontend-502", "seen by myself", "dba", step=step, **more), Asking(True, unasked)
    with pytest.raises(Ending, match=f"'alice' may not {verb.lower()} as 'dba'"):
        await ended(alice, speak(alice, said, asking, AT_ONCE))
    grant(cluster, namespace, "alice", *READ, rule(GROUP, "roles", verb.lower(), names=("dba",)))
    await speak(alice, said, asking, AT_ONCE)
    (made,) = json.loads(cluster.kubectl("-n", namespace, "get", "decisions", "-o", "json"))["items"]
    found = {key: made["spec"].get(key) for key in ("option", "step", "extendBy", "planDigest") if key in made["spec"]}
    assert found == expected and made["spec"]["by"] == "alice" and codec.decision_of(made).verb is verb


@pytest.mark.usefixtures("owing")
async def test_lists_what_is_to_be_taken_back(
    alice: Session, cluster: Any, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await reverts.show(alice, False, Format.text)
    (line,) = capsys.readouterr().out.splitlines()[1:]
    assert line.split()[:5] == ["frontend-502", "undo/scale", "deployment/frontend", "2099-01-01", "00:00:00"]
    with pytest.raises(Ending, match='cannot list resource "incidents"'):
        await ended(alice, reverts.show(alice, True, Format.text))
    await watch.once(alice, "frontend-502", watch.View(console()))
    out = capsys.readouterr().out
    assert "undo/scale  deployment/frontend  in" in out and "? Indeterminate  step purge" in out
    assert [line for line in out.splitlines() if line != line.rstrip()] == []
    heads, found = cluster.kubectl("-n", namespace, "get", "inc").splitlines()
    place = heads.index("REVERTS")
    assert heads.index("WAITS FOR") < place and found[place : place + 3].strip() == "1"


async def test_freezes_and_unfreezes_a_policy(
    cluster: Any, namespace: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the administrator; alice, who may not, changes nothing. It is no default: of two, no Incident of another test gets any."""
    name, policy = f"{namespace}-policy", examples.policy()
    create(cluster, namespace, {**policy, "metadata": {"name": name}, "spec": {**policy["spec"], "default": False}})
    asked = Asked(str(cluster.kubeconfig), cluster.context, namespace)
    try:
        async with connected(locate(Asked(kubeconfig(cluster, tmp_path, "alice"), cluster.context, namespace), {})) as alice:
            with pytest.raises(Ending, match='cannot get resource "responsepolicies"'):
                await ended(alice, turn(alice, Switch(True, name, False), freezing.Asking(True, unasked)))
        async with connected(locate(asked, {})) as admin:
            for suspended in (True, False):
                await turn(admin, Switch(suspended, name, False), freezing.Asking(True, unasked))
                found = json.loads(cluster.kubectl("get", "rp", name, "-o", "json"))
                assert found["spec"]["suspended"] is suspended
    finally:
        cluster.kubectl("delete", "rp", name, "--wait=false")
    assert f"responsepolicy/{name} frozen" in capsys.readouterr().out


async def test_a_plan_is_read_by_who_holds_the_shipped_role_for_it_and_by_nobody_else(
    alice: Session, incident: dict[str, Any], cluster: Any, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The namespace stands for the operator's own, too."""
    data = codec.plan_to_bytes(Play().plan)
    digest = codec.digest(data)
    patch = json.dumps({"status": {"planDigest": digest}})
    cluster.kubectl("-n", namespace, "patch", "inc", "frontend-502", "--subresource=status", "--type=merge", "-p", patch)
    async with connected(locate(Asked(str(cluster.kubeconfig), cluster.context, namespace), {})) as admin:
        await plans(admin.cluster, namespace).put(plan_name(incident["metadata"]["uid"], digest), data)
    with pytest.raises(Ending, match=r'cannot get resource "configmaps".*the Role stanch-plan-reader'):
        await plan.show(alice, "frontend-502", namespace, Format.text)
    grant(cluster, namespace, "alice", *READ, *yaml.safe_load(READER.read_text())["rules"])
    await plan.show(alice, "frontend-502", namespace, Format.text)
    assert f"Plan {digest}" in capsys.readouterr().out


async def ended(session: Session, question: Any) -> None:
    """As `ask` would end the command."""
    with told(str(session.where)):
        await question


async def test_shows_the_incident(alice: Session, incident: Any, namespace: str, capsys: pytest.CaptureFixture[str]) -> None:
    await watch.once(alice, "frontend-502", watch.View(console()))
    out = capsys.readouterr().out
    assert f"⚠ Escalated  P0  {namespace}/frontend-502" in out and "option restart" in out
    await listing.show(alice, False, Format.text)
    assert capsys.readouterr().out.splitlines()[1].split()[:4] == ["frontend-502", "P0", "Escalated", "frontend-down"]


async def test_failures_name_the_context_and_the_user(alice: Session, cluster: Any) -> None:
    for question, message in (
        (watch.once(alice, "nope", watch.View(console())), '"nope" not found'),
        (listing.show(alice, True, Format.text), 'User "alice" cannot list resource "incidents"'),
    ):
        with pytest.raises(Ending, match=message) as ending:
            await ended(alice, question)
        assert f"context {cluster.context} of " in ending.value.message


def test_the_api_server_takes_what_rbac_prints(
    cluster: Any, namespace: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "f.yaml").write_text(examples.PLAYBOOK)
    of_file(str(tmp_path / "f.yaml"), Wanted("", namespace, namespace), Format.text)
    cluster.kubectl("apply", "-f", "-", input=capsys.readouterr().out)
    account = f"system:serviceaccount:{namespace}:frontend-remediator"
    operator = f"system:serviceaccount:{namespace}:stanch"
    granted = [(account, "patch", "deployments/frontend"), (operator, "impersonate", "serviceaccounts/frontend-remediator")]
    for who, verb, what in granted:  # the authorizer learns of a Role a moment after it was written
        until(lambda who=who, verb=verb, what=what: can(cluster, namespace, who, verb, what) == "yes")
    for verb, what in (("patch", "deployments/other"), ("list", "secrets")):
        assert can(cluster, namespace, account, verb, what) == "no"
    assert can(cluster, namespace, operator, "impersonate", "serviceaccounts/default") == "no"


def can(cluster: Any, namespace: str, user: str, verb: str, what: str) -> str:
    """`kubectl auth can-i` ends with 1 for no: asked by the review itself."""
    resource, _, name = what.partition("/")
    group = "apps" if resource == "deployments" else ""
    attributes = {"namespace": namespace, "verb": verb, "group": group, "resource": resource, "name": name}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": attributes},
    }
    found = cluster.kubectl("create", "-f", "-", "-o", "json", input=json.dumps(review))
    return "yes" if json.loads(found)["status"]["allowed"] else "no"


def test_kubectl_finds_it_as_its_plugin(cluster: Any, namespace: str, incident: Any, tmp_path: Path) -> None:
    """As a person types it: kubectl looks for `kubectl-stanch` on the PATH, and hands on what stands behind the name."""
    grant(cluster, namespace, "alice", *READ, rule(GROUP, "roles", "note", names=("-",)))
    name = incident["metadata"]["name"]
    asked = [str(cluster.cluster.kubectl), "stanch", "note", name, "the shop answers again", "-n", namespace, "--no-wait"]
    environment = {"PATH": str(Path(sys.executable).parent), "KUBECONFIG": kubeconfig(cluster, tmp_path, "alice")}
    said = subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stderr
    (decision,) = json.loads(cluster.kubectl("-n", namespace, "get", "decisions", "-o", "json"))["items"]
    assert (decision["spec"]["reason"], decision["spec"]["by"]) == ("the shop answers again", "alice")

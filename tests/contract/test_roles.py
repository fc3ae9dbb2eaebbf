"""The ready-made rights of people, asked of the API server: what each of them may say, and what not."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from stanch.domain.decision import Verb
from tests.contract.installed import grant, install, why_refused
from tests.contract.test_cli import can
from tests.stage.kubectl import ROOT
from tests.unit import api_examples as examples
from tests.unit.decision_examples import NEEDS, spec

PEOPLE = {one["metadata"]["name"]: one for one in yaml.safe_load_all((ROOT / "manifests/roles/people.yaml").read_text())}
PLANS = yaml.safe_load((ROOT / "manifests/roles/plans.yaml").read_text())
NOT_COMMANDERS = (Verb.BreakGlass, Verb.Release)
# Who, as which role, may say this and may not say that.
SAY = [
    ("stanch-viewer", "-", (), (Verb.Note,)),
    ("stanch-on-call", "-", (Verb.Note, Verb.Abort, Verb.Revert, Verb.Resume, Verb.Confirm), (Verb.Close, Verb.Extend)),
    ("stanch-on-call", "on-call", (Verb.Reject, Verb.Acknowledge, Verb.Hold), (Verb.Approve, Verb.Classify, Verb.Assign)),
    ("stanch-on-call", "incident-commander", (), (Verb.Approve, Verb.Reject)),
    ("stanch-triage", "on-call", (Verb.Classify,), (Verb.Note, Verb.Approve, Verb.Assign)),
    ("stanch-triage", "incident-commander", (), (Verb.Classify,)),
    ("stanch-commander", "incident-commander", tuple(verb for verb in Verb if verb not in NOT_COMMANDERS), NOT_COMMANDERS),
    ("stanch-break-glass", "-", (Verb.BreakGlass,), (Verb.Note,)),
    ("stanch-break-glass", "on-call", (Verb.BreakGlass,), (Verb.Approve,)),
    ("stanch-break-glass", "incident-commander", (Verb.BreakGlass,), (Verb.Approve, Verb.Close)),
    ("stanch-break-glass", "security-team", (), (Verb.BreakGlass,)),
    ("stanch-commander", "security-team", (Verb.Assign,), (Verb.Approve,)),
    ("stanch-commander", "somebody-else", (), (Verb.Assign,)),
    ("stanch-security", "security-team", (Verb.Approve, Verb.Reject), (Verb.Close, Verb.Extend, Verb.Classify)),
    ("stanch-security", "incident-commander", (), (Verb.Approve,)),
    ("stanch-comms", "comms", (Verb.Note, Verb.Release), (Verb.Approve, Verb.Abort, Verb.Confirm)),
    ("stanch-comms", "incident-commander", (), (Verb.Release,)),
    ("stanch-on-call", "on-call", (), (Verb.Release,)),
    ("stanch-scribe", "scribe", (Verb.Note,), (Verb.Confirm, Verb.Approve)),
    ("stanch-scribe", "-", (), (Verb.Note,)),
]


@pytest.fixture(scope="module", autouse=True)
def stanch(cluster: Any) -> None:
    install(cluster)


def why_not(cluster: Any, namespace: str, user: str, kind: str, said: dict[str, Any]) -> str:
    body = {"kind": kind, "metadata": {"name": "probe"}, "spec": said}
    return why_refused(cluster, namespace, body, f"--as={user}", "--dry-run=server")


def decision(verb: Verb, role: str, by: str) -> dict[str, Any]:
    said = spec({**NEEDS.get(verb, {}), "verb": str(verb), "role": role, "by": by})
    return {key: value for key, value in said.items() if (key, value) != ("role", "-")}


def test_there_are_those_that_an_incident_needs() -> None:
    names = ("viewer", "on-call", "triage", "commander", "break-glass", "security", "comms", "scribe")
    assert set(PEOPLE) == {f"stanch-{name}" for name in names}


@pytest.mark.parametrize(("who", "role", "may", "may_not"), SAY)
def test_each_says_what_is_theirs_and_nothing_else(
    cluster: Any, namespace: str, who: str, role: str, may: tuple[Verb, ...], may_not: tuple[Verb, ...]
) -> None:
    grant(cluster, namespace, who, *PEOPLE[who]["rules"])
    for verb in may:
        assert why_not(cluster, namespace, who, "Decision", decision(verb, role, who)) == ""
    for verb in may_not:
        said = why_not(cluster, namespace, who, "Decision", decision(verb, role, who))
        assert f"may not {verb.lower()} as '{role}'" in said or 'cannot create resource "decisions"' in said


@pytest.mark.parametrize("who", PEOPLE)
def test_only_who_is_on_call_opens_incidents(cluster: Any, namespace: str, who: str) -> None:
    grant(cluster, namespace, who, *PEOPLE[who]["rules"])
    said = why_not(cluster, namespace, who, "Incident", {**examples.incident()["spec"], "openedBy": who})
    assert (said == "") == (who == "stanch-on-call")
    assert said == "" or 'cannot create resource "incidents"' in said


def test_nobody_picks_a_policy(cluster: Any, namespace: str) -> None:
    """Not even who opens incidents: the namespace's label says which one holds, or there is a default."""
    who = "stanch-on-call"
    grant(cluster, namespace, who, *PEOPLE[who]["rules"])
    opened = {**examples.incident()["spec"], "openedBy": who}
    assert why_not(cluster, namespace, who, "Incident", opened) == ""
    assert f"'{who}' may not use responsepolicy 'wide'" in why_not(
        cluster, namespace, who, "Incident", {**opened, "policyRef": {"name": "wide"}}
    )


def test_who_reads_plans_gets_one_whose_name_they_know_and_nothing_else_there(cluster: Any, namespace: str) -> None:
    grant(cluster, namespace, "reader", *PLANS["rules"])
    assert can(cluster, namespace, "reader", "get", "configmaps/stanch-plan-1") == "yes"
    refused = [(verb, "configmaps") for verb in ("list", "watch", "create", "delete", "patch")]
    for verb, what in (*refused, ("get", "secrets/stanch-before-1"), ("list", "secrets"), ("get", "leases/stanch-leader")):
        assert can(cluster, namespace, "reader", verb, what) == "no", f"{verb} {what}"
    assert can(cluster, "default", "reader", "get", "configmaps/stanch-plan-1") == "no"


@pytest.mark.parametrize("who", PEOPLE)
def test_nobody_reads_or_changes_anything_else(who: str) -> None:
    """Neither what the operator keeps, nor workloads, nor what it wrote."""
    for rule in PEOPLE[who]["rules"]:
        assert rule["apiGroups"] == ["stanch.dev"]
        assert not {"*", "update", "patch", "delete", "deletecollection", "impersonate", "use"} & set(rule["verbs"])
        assert "*" not in rule["resources"]

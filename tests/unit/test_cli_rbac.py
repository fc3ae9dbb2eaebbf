"""`stanch rbac`: exactly what the playbook needs, narrowed where RBAC can, and why where it cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from stanch.api.access import Grant, grants, merge
from stanch.api.kinds import PlaybookSpec
from stanch.cli.access import Wanted, of_cluster, of_file
from stanch.cli.ending import Code, Ending
from stanch.cli.output import Format
from stanch.cli.rbac import Subject, objects, render
from stanch.domain.access import Rule
from tests.unit.api_examples import PLAYBOOK, playbook
from tests.unit.cli_kit import session
from tests.unit.memory import MemoryServer

SHIPPED = Path(__file__).parents[2] / "playbooks" / "aureus"


def needed(**changes: Any) -> dict[tuple[str, str], list[Grant]]:
    spec = {**playbook()["spec"], **changes}
    found: dict[tuple[str, str], list[Grant]] = {}
    for grant in grants(PlaybookSpec.model_validate(spec), "aureus"):
        found.setdefault((grant.group, grant.resource), []).append(grant)
    return found


def target(**how: Any) -> list[dict[str, Any]]:
    return [{"name": "app", "kind": "Deployment", **how}]


@pytest.mark.parametrize(
    "targets", [target(objectName="frontend"), target(nameFrom="${incident.component}")], ids=["named", "by component"]
)
def test_writes_are_narrowed_to_the_object(targets: list[dict[str, Any]]) -> None:
    assert needed(targets=targets)["apps", "deployments"] == [Grant("apps", "deployments", ("get", "patch"), ("frontend",), ())]


def test_each_component_that_the_playbook_matches() -> None:
    found = needed(match={"components": ["web", "api"]}, targets=target(nameFrom="${incident.component}-v1"))
    assert found["apps", "deployments"][0].names == ("api-v1", "web-v1")


@pytest.mark.parametrize(
    ("targets", "match", "why"),
    [
        (target(nameFrom="${incident.labels.app}"), {"components": ["web"]}, "comes from the Incident (${incident.labels.app})"),
        (target(nameFrom="${incident.component}"), {"types": ["x"]}, "comes from the Incident (${incident.component})"),
        (target(selector={"matchLabels": {"a": "b"}}), None, "its selector finds it"),
    ],
)
def test_a_name_that_nobody_knows_beforehand_makes_it_wider_and_says_so(targets: Any, match: Any, why: str) -> None:
    found = needed(targets=targets, match=match)["apps", "deployments"]
    patch = next(grant for grant in found if "patch" in grant.verbs)
    assert patch.names == () and any(why in reason for reason in patch.why)


def test_a_selector_needs_the_list() -> None:
    found = needed(targets=target(selector={"matchLabels": {"a": "b"}}))["apps", "deployments"]
    assert {verb for grant in found for verb in grant.verbs} == {"get", "list", "patch"}
    assert "list" not in needed(targets=target(objectName="web"))["apps", "deployments"][0].verbs


def test_the_proxy_is_narrowed_to_the_service_and_its_port() -> None:
    assert needed()["", "services/proxy"] == [Grant("", "services/proxy", ("get",), ("http:frontend:80",), ())]


def test_every_grant_without_names_says_why_and_none_takes_all() -> None:
    for found in needed().values():
        for grant in found:
            assert grant.names or grant.why
            assert "*" not in (grant.group, grant.resource, *grant.verbs, *grant.names)


def test_merges_what_is_said_twice() -> None:
    rules = [
        Rule(("get",), "", "pods", ("b",)),
        Rule(("get", "patch"), "", "pods", ("a",)),
        Rule(("list",), "", "pods", why="lists"),
        Rule(("list",), "", "pods", why="cannot"),
        Rule(("get",), "apps", "deployments", ("x",)),
        Rule(("get",), "apps", "deployments", why="all"),
    ]
    assert merge(rules) == merge(reversed(rules)) == (
        Grant("", "pods", ("list",), (), ("cannot", "lists")),
        Grant("", "pods", ("patch",), ("a",), ()),
        Grant("", "pods", ("get",), ("a", "b"), ()),
        Grant("apps", "deployments", ("get",), (), ("all",)),
    )  # fmt: skip


def subject(**changes: Any) -> Subject:
    named = {"name": "frontend-down", "namespace": "aureus", "operator_namespace": "ops", **changes}
    return Subject(playbook=PlaybookSpec.model_validate(playbook()["spec"]), **named)


def test_yaml_and_json_are_the_same_objects_and_each_wide_rule_has_its_comment() -> None:
    text = render(subject())
    assert list(yaml.safe_load_all(text)) == objects(subject())
    wide = [rule for rule in objects(subject())[1]["rules"] if "resourceNames" not in rule]
    assert wide and text.count("# not narrowed to names: ") >= len(wide)


def test_the_opt_in_is_for_this_account_and_the_operators_alone() -> None:
    _, _, _, role, binding = objects(subject())
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["serviceaccounts"],
            "resourceNames": ["frontend-remediator"],
            "verbs": ["get", "impersonate"],
        }
    ]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "stanch", "namespace": "ops"}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


def test_a_name_cannot_end_its_comment() -> None:
    text = render(subject(name="x\n- evil"))
    assert text.splitlines()[0].startswith("# What playbook aureus/x - evil needs")


def test_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(f"{PLAYBOOK}---{PLAYBOOK.replace('frontend-down', 'other')}")
    of_file(str(file), Wanted("", "aureus", "ops"), Format.json)
    names = [item["metadata"]["name"] for item in json.loads(capsys.readouterr().out)["items"] if item["kind"] == "Role"]
    assert "stanch-playbook-frontend-down" in names and "stanch-playbook-other" in names
    of_file(str(file), Wanted("other", "", "ops"), Format.text)
    found = list(yaml.safe_load_all(capsys.readouterr().out))
    assert {item["metadata"]["namespace"] for item in found} == {"default"} and len(found) == 5


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("a: [", Code.Problems, "not YAML"),
        (PLAYBOOK, Code.Unusable, "no Playbook other"),
        (PLAYBOOK.replace("frontend-down", "other").replace("summary:", "sumary:"), Code.Problems, "stanch lint"),
    ],
)
def test_of_a_file_that_does_not_serve(text: str, code: Code, message: str, tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(text)
    with pytest.raises(Ending, match=message) as ending:
        of_file(str(tmp_path / "f.yaml"), Wanted("other", "", "ops"), Format.text)
    assert ending.value.code is code


async def test_of_the_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    server = MemoryServer()
    body = playbook()
    server.add({**body, "metadata": {**body["metadata"], "namespace": "aureus"}})
    await of_cluster(session(server), Wanted("frontend-down", "", "ops"), Format.text)
    assert list(yaml.safe_load_all(capsys.readouterr().out)) == objects(subject())


def test_the_shipped_access_covers_what_the_shipped_playbook_needs() -> None:
    body = yaml.safe_load((SHIPPED / "frontend-down.yaml").read_text())
    shipped = list(yaml.safe_load_all((SHIPPED / "access.yaml").read_text()))
    rules = [rule for item in shipped if item["kind"] == "Role" for rule in item["rules"]]
    for grant in grants(PlaybookSpec.model_validate(body["spec"]), "aureus"):
        for verb in grant.verbs:
            assert any(covers(rule, grant, verb) for rule in rules), f"{verb} {grant} is missing in access.yaml"


def covers(rule: dict[str, Any], grant: Grant, verb: str) -> bool:
    names = rule.get("resourceNames")
    enough = names is None or (grant.names and set(grant.names) <= set(names))
    return bool(grant.group in rule["apiGroups"] and grant.resource in rule["resources"] and verb in rule["verbs"] and enough)

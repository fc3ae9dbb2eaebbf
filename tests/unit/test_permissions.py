"""What a playbook lacks in a cluster: each right that is missing is named, and what could not be asked is not taken for granted."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import yaml

from stanch.api.access import Grant
from stanch.api.needs import OPERATOR_RULES, Needs, opt_in, user_of
from stanch.domain.access import Question, Rights, Rule
from stanch.domain.plan import Pin, Ref
from stanch.engine.errors import Refused, Retryable
from stanch.engine.ports import Object
from stanch.runtime import permissions
from stanch.runtime.permissions import AT_MOST, Asking, Lack, Verdict
from tests.stage.kubectl import documents
from tests.unit.api_examples import playbook
from tests.unit.memory import MemoryClusters, MemoryServer
from tests.unit.permitted import less, needs_of, permit, rules
from tests.unit.source_tree import ROOT

ACCOUNT = "frontend-remediator"
USER = user_of("aureus", ACCOUNT)
RIGHTS = [(verb, rule.resource) for rule in rules(needs_of(playbook() | {"metadata": {"name": "p", "namespace": "aureus"}}).granted)
          for verb in rule.verbs]  # fmt: skip


def example(**spec: Any) -> Object:
    body = playbook()
    return {**body, "metadata": {"name": "frontend-down", "namespace": "aureus"}, "spec": {**body["spec"], **spec}}


def by_selector() -> Object:
    return example(targets=[{"name": "app", "kind": "Deployment", "selector": {"matchLabels": {"a": "b"}}}])


async def asked(server: MemoryServer, needs: Needs, user: str = "") -> Asking:
    clusters = MemoryClusters(server)
    acting = clusters.own if user else clusters.acting_as(needs.namespace, Pin(needs.account))
    account = permissions.account(needs, acting, user)
    return await permissions.ask(needs, clusters.own, permissions.operator(needs, clusters.own), account)


async def lacks(server: MemoryServer, needs: Needs, user: str = "") -> list[Lack]:
    return (await asked(server, needs, user)).lacks


async def test_nothing_is_missing_and_two_questions_tell_it() -> None:
    server = MemoryServer()
    found = await asked(server, permit(server, example()))
    assert (found.lacks, found.requests) == ([], 3)


@pytest.mark.parametrize("blurred", [False, True], ids=["rules", "one by one"])
@pytest.mark.parametrize(("verb", "resource"), sorted(set(RIGHTS)))
async def test_each_right_that_is_missing_is_named(verb: str, resource: str, blurred: bool) -> None:
    server = MemoryServer()
    server.blurred = blurred
    needs = permit(server, example())
    server.restrict(USER)
    server.grant("aureus", ACCOUNT, *less(needs.granted, verb, resource))
    (lack,) = await lacks(server, needs)
    assert lack.message.startswith(f"ServiceAccount {ACCOUNT} may not {verb} ") and resource.partition("/")[0] in lack.message
    assert lack.hint == "stanch rbac frontend-down prints the Role"


async def test_the_words_are_those_of_an_administrator() -> None:
    server = MemoryServer()
    needs = permit(server, example())
    server.restrict(USER)
    server.grant("aureus", ACCOUNT, *(rule for rule in rules(needs.granted) if rule.resource != "deployments"))
    (lack,) = await lacks(server, needs)
    said, hint = str(lack).split(": ")
    assert said == 'ServiceAccount frontend-remediator may not get, patch deployments.apps "frontend"'
    assert hint == "stanch rbac frontend-down prints the Role" and lack.verdict is Verdict.Missing


async def test_without_the_account_only_it_is_missing() -> None:
    server = MemoryServer()
    (lack,) = await lacks(server, permit(server, example(), account=False))
    assert (lack.verdict, lack.message) == (Verdict.Missing, f"there is no ServiceAccount {ACCOUNT} in namespace aureus")


@pytest.mark.parametrize("verb", ["get", "impersonate"])
async def test_without_the_opt_in_what_the_account_may_is_unknown_at_most(verb: str) -> None:
    server = MemoryServer()
    needs = permit(server, example())
    server.restrict("")
    for rule in less(needs.operator, verb, "serviceaccounts"):
        server.permit_inside("aureus", "", rule)
    missing, *others = await lacks(server, needs)
    assert (missing.verdict, missing.message) == (Verdict.Missing, f'stanch may not {verb} serviceaccounts "{ACCOUNT}"')
    assert [lack.verdict for lack in others] == [Verdict.Unknown]


@pytest.mark.parametrize("needed", OPERATOR_RULES, ids=lambda grant: grant.resource)
async def test_what_stanch_itself_lacks_is_named(needed: Any) -> None:
    server = MemoryServer()
    needs = permit(server, example())
    server.restrict("")
    for rule in (rule for rule in rules(needs.operator) if rule.resource != needed.resource):
        server.permit_inside("aureus", "", rule)
    (lack,) = await lacks(server, needs)
    assert lack.message.startswith(f"stanch may not {', '.join(needed.verbs)} ") and "manifests/operator/rbac.yaml" in lack.hint


def test_what_stanch_looks_for_is_what_is_shipped() -> None:
    """A right more or less in manifests/operator/rbac.yaml is one here."""
    found = {(one["kind"], one["metadata"]["name"]): one for one in documents(ROOT / "manifests/operator/rbac.yaml")}
    role = found["ClusterRole", "stanch-operator"]
    shipped = {right for rule in role["rules"] for right in product(rule["apiGroups"], rule["resources"], rule["verbs"])}
    looked_for = {(grant.group, grant.resource, verb) for grant in OPERATOR_RULES for verb in grant.verbs}
    assert shipped == looked_for | {("", "namespaces", "get")}


async def test_rights_elsewhere_or_on_another_object_are_none_here() -> None:
    server = MemoryServer()
    needs = permit(server, example())
    server.restrict(USER)
    server.grant("aureus", ACCOUNT, *rules(needs.granted), inside="other")
    assert {lack.verdict for lack in await lacks(server, needs)} == {Verdict.Missing}
    server.grant(
        "aureus", ACCOUNT, *less(needs.granted, "patch", "deployments"), Rule(("patch",), "apps", "deployments", ("other",))
    )
    (lack,) = await lacks(server, needs)
    assert lack.message.endswith('may not patch deployments.apps "frontend"')


@pytest.mark.parametrize("failure", [Retryable("Timeout", "no answer"), Refused("Forbidden", "no")])
@pytest.mark.parametrize("kind", ["SelfSubjectRulesReview", "SelfSubjectAccessReview"])
async def test_what_could_not_be_asked_is_unknown(kind: str, failure: Exception) -> None:
    server = MemoryServer()
    server.blurred = kind == "SelfSubjectAccessReview"
    needs = permit(server, example())

    def fail(verb: str, ref: Ref) -> None:
        if (verb, ref.kind, ref.name) == ("review", kind, USER):
            raise failure

    server.before_read.append(fail)
    (lack,) = await lacks(server, needs)
    assert (lack.verdict, lack.message) == (Verdict.Unknown, f"not all that ServiceAccount {ACCOUNT} may do could be asked")


async def test_an_account_that_could_not_be_read_is_not_said_to_be_there() -> None:
    server = MemoryServer()
    needs = permit(server, example(), account=False)

    def fail(verb: str, ref: Ref) -> None:
        if ref.kind == "ServiceAccount":
            raise Retryable("Timeout", "no answer")

    server.before_read.append(fail)
    (lack,) = await lacks(server, needs)
    assert lack.verdict is Verdict.Unknown and "could not be read" in lack.message


async def test_a_name_that_only_the_incident_tells_depends_on_it_where_some_are_permitted() -> None:
    server = MemoryServer()
    needs = permit(server, by_selector())
    assert await lacks(server, needs) == []
    server.restrict(USER)
    server.grant("aureus", ACCOUNT, *less(needs.granted, "patch", "deployments"))
    (lack,) = await lacks(server, needs)
    assert (lack.verdict, lack.message) == (Verdict.Missing, f"ServiceAccount {ACCOUNT} may not patch deployments.apps")
    server.grant("aureus", ACCOUNT, Rule(("patch",), "apps", "deployments", ("web",)))
    (lack,) = await lacks(server, needs)
    assert lack.verdict is Verdict.Depends and "every one of deployments.apps, and the incident tells which" in lack.message


async def test_a_list_and_a_create_are_never_permitted_by_name() -> None:
    server = MemoryServer()
    job = {"name": "probe", "expect": "it ends", "runJob": {"image": "busybox", "argv": ["true"]}}
    body = example()
    body["spec"]["options"][0]["steps"] = [job]
    needs = permit(server, body)
    assert await lacks(server, needs) == []
    server.restrict(USER)
    named = [Rule(("create",), "batch", "jobs", ("probe",)), Rule(("list",), "", "events", ("a",))]
    kept = [rule for rule in less(needs.granted, "create", "jobs") if (rule.resource, rule.verbs) != ("events", ("list",))]
    server.grant("aureus", ACCOUNT, *kept, *named)
    found = await lacks(server, needs)
    assert {(lack.verdict, lack.message.split(" may not ")[1]) for lack in found} == {
        (Verdict.Missing, "create jobs.batch"),
        (Verdict.Missing, "list events"),
    }


async def test_of_somebody_else_each_right_is_asked_and_only_where_that_is_allowed() -> None:
    server = MemoryServer()
    needs = permit(server, example())
    found = await asked(server, needs, USER)
    assert found.lacks == [] and found.requests > 10
    server.restrict("")
    for rule in rules(needs.operator):
        server.permit_inside("aureus", "", rule)
    (lack,) = await lacks(server, needs, USER)
    assert lack.verdict is Verdict.Unknown and "subjectaccessreviews" in lack.hint


async def test_no_more_than_so_many_questions_are_asked_and_the_rest_is_not_granted() -> None:
    server = MemoryServer()
    server.blurred = True
    pods = Grant("", "pods", ("get",), tuple(f"web-{number}" for number in range(3 * AT_MOST)), ())
    needs = replace(permit(server, example()), granted=(pods,))
    server.grant("aureus", ACCOUNT, *rules(needs.granted))
    found = await asked(server, needs)
    assert [lack.verdict for lack in found.lacks] == [Verdict.Unknown] and AT_MOST < found.requests < 1.5 * AT_MOST


@pytest.mark.parametrize(
    ("rule", "question", "allowed"),
    [
        (Rule(("*",), "*", "*"), Question("patch", "apps", "deployments", "x"), True),
        (Rule(("get",), "", "*"), Question("get", "", "pods/log", "x"), True),
        (Rule(("get",), "", "*/log"), Question("get", "", "pods/log", "x"), True),
        (Rule(("get",), "", "*/log"), Question("get", "", "pods", "x"), False),
        (Rule(("get",), "", "pods"), Question("get", "", "pods/log", "x"), False),
        (Rule(("get",), "", "pods", ("x",)), Question("get", "", "pods"), False),
    ],
)
def test_rules_cover_what_the_authorizer_lets_pass(rule: Rule, question: Question, allowed: bool) -> None:
    assert Rights((rule,)).allow(question) is allowed


def test_stanch_needs_what_its_manifest_grants_and_nothing_else() -> None:
    documents = yaml.safe_load_all((ROOT / "manifests" / "operator" / "rbac.yaml").read_text())
    (role,) = [one for one in documents if one["kind"] == "ClusterRole" and one["metadata"]["name"] == "stanch-operator"]
    shipped = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    needed = {(grant.resource, verb) for grant in needs_of(example()).operator for verb in grant.verbs}
    assert needed - shipped == {("serviceaccounts", verb) for verb in opt_in(ACCOUNT).verbs} and shipped <= needed

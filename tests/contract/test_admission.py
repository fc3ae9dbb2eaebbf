"""Who may decide and write playbooks is proven by the API server. Beside each refusal stands what is let through."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stanch.domain.decision import Verb
from stanch.engine.shipped import DECISIONS, OTHERS, Shipped
from tests.contract.installed import Object, create, grant, install, refused, rule, until, why_refused
from tests.unit import api_examples as examples
from tests.unit.decision_examples import BAD, GOOD, NEEDS, spec

ALICE = "--as=alice"
GROUP = "stanch.dev"
ACCOUNT = "system:serviceaccount:kube-system"

CREATE = {kind: rule(GROUP, kind, "create", "get", "patch", "delete") for kind in ("decisions", "playbooks")}
IMPERSONATE = rule("", "serviceaccounts", "impersonate", names=("frontend-remediator",))


@pytest.fixture(scope="module", autouse=True)
def stanch(cluster: Any) -> None:
    install(cluster)


def decision(**spec: object) -> Object:
    obj = examples.decision()
    obj["spec"] = {**obj["spec"], "by": "alice", **spec}
    return obj


# Decisions


@pytest.fixture
def commander(cluster: Any, namespace: str) -> None:
    held = rule(GROUP, "roles", "approve", "reject", names=("incident-commander",))
    grant(cluster, namespace, "alice", CREATE["decisions"], held)


@pytest.mark.usefixtures("commander")
class TestDecisions:
    def test_who_holds_the_role_approves(self, cluster: Any, namespace: str) -> None:
        assert create(cluster, namespace, decision(), ALICE)["spec"]["by"] == "alice"

    def test_nobody_speaks_for_another(self, cluster: Any, namespace: str) -> None:
        with refused("spec.by is 'bob', but you are 'alice': set spec.by to your own name"):
            create(cluster, namespace, decision(by="bob"), ALICE)

    def test_the_administrator_neither(self, cluster: Any, namespace: str) -> None:
        with refused("spec.by is 'alice', but you are"):
            create(cluster, namespace, decision())

    def test_a_role_that_one_does_not_hold_is_refused(self, cluster: Any, namespace: str) -> None:
        with refused(r"'alice' may not approve as 'security' in namespace .* ask for a Role there"):
            create(cluster, namespace, decision(role="security"), ALICE)

    def test_a_verb_that_the_role_does_not_give_is_refused(self, cluster: Any, namespace: str) -> None:
        assert why_refused(cluster, namespace, decision(verb="Reject", reason="wrong"), ALICE, "--dry-run=server") == ""
        with refused("'alice' may not abort as 'incident-commander'"):
            create(cluster, namespace, decision(verb="Abort", reason="wrong"), ALICE)

    def test_a_role_of_another_namespace_does_not_count(self, cluster: Any, namespace: str, other: str) -> None:
        grant(cluster, other, "alice", CREATE["decisions"])
        with refused(f"may not approve as 'incident-commander' in namespace {other}"):
            create(cluster, other, decision(), ALICE)

    def test_without_a_role_the_dash_is_asked_for(self, cluster: Any, namespace: str) -> None:
        note = decision(verb="Note", reason="saw it too")
        del note["spec"]["role"]
        with refused("'alice' may not note as '-'"):
            create(cluster, namespace, note, ALICE)
        grant(cluster, namespace, "alice", CREATE["decisions"], rule(GROUP, "roles", "note", names=("-",)))
        assert create(cluster, namespace, note, ALICE)["spec"]["verb"] == "Note"

    @pytest.mark.parametrize("verb", [verb for verb in Verb if verb is not Verb.Note])
    def test_a_service_account_does_not_decide(self, cluster: Any, namespace: str, verb: Verb) -> None:
        robot = f"system:serviceaccount:{namespace}:robot"
        verbs = [verb.lower() for verb in Verb]
        grant(cluster, namespace, robot, CREATE["decisions"], rule(GROUP, "roles", *verbs))
        said = {**NEEDS.get(verb, {}), "verb": str(verb)}
        with refused(f"a ServiceAccount may only say Note, not {verb}"):
            create(cluster, namespace, about_step(said, by=robot), f"--as={robot}")
        note = decision(by=robot, verb="Note", reason="alert resolved")
        assert create(cluster, namespace, note, f"--as={robot}")["spec"]["by"] == robot

    def test_what_was_said_stays_said(self, cluster: Any, namespace: str) -> None:
        create(cluster, namespace, decision(), ALICE)
        with refused("a Decision is fixed when the object is created"):
            patch(cluster, namespace, "decision/approve-undo", '{"spec":{"role":"security"}}', ALICE)
        patch(cluster, namespace, "decision/approve-undo", '{"metadata":{"labels":{"a":"b"}}}', ALICE)

    @pytest.mark.requirement("A-17")
    def test_nobody_gives_it_to_an_owner_with_whom_it_would_go(self, cluster: Any, namespace: str) -> None:
        """The garbage collector would delete it for them."""
        owned = {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "gone"}]}
        with refused("a Decision is given an owner, with whom it goes, by stanch alone"):
            create(cluster, namespace, {**decision(), "metadata": {"name": "owned", **owned}}, ALICE)
        create(cluster, namespace, decision(), ALICE)
        change = ("decision/approve-undo", json.dumps({"metadata": owned}), ALICE, "--dry-run=server")
        with refused("a Decision is given an owner, with whom it goes, by stanch alone"):
            patch(cluster, namespace, *change)
        grant(cluster, namespace, "alice", CREATE["decisions"], rule(GROUP, "decisions/status", "record"))
        patch(cluster, namespace, *change)

    @pytest.mark.requirement("A-17")
    def test_nobody_makes_it_stay_when_its_namespace_goes(self, cluster: Any, namespace: str) -> None:
        kept = {"finalizers": ["example.org/never"]}
        with refused("a Decision waits for nobody when it goes"):
            create(cluster, namespace, {**decision(), "metadata": {"name": "kept", **kept}}, ALICE)
        create(cluster, namespace, decision(), ALICE)
        with refused("a Decision waits for nobody when it goes"):
            patch(cluster, namespace, "decision/approve-undo", json.dumps({"metadata": kept}), ALICE)

    @pytest.mark.requirement("A-17")
    @pytest.mark.parametrize("who", [[ALICE], [], [f"--as={ACCOUNT}:deployment-controller", "--as-group=system:masters"]])
    def test_a_decision_is_not_deleted(self, cluster: Any, namespace: str, who: list[str]) -> None:
        create(cluster, namespace, decision(), ALICE)
        with refused("a Decision cannot be deleted, it is part of the record"):
            cluster.kubectl("-n", namespace, "delete", "decision", "approve-undo", *who)

    def test_nor_are_all_at_once(self, cluster: Any, namespace: str) -> None:
        create(cluster, namespace, decision(), ALICE)
        with refused("a Decision cannot be deleted"):
            cluster.kubectl("delete", "--raw", f"/apis/stanch.dev/v1alpha1/namespaces/{namespace}/decisions")

    @pytest.mark.parametrize("controller", ["namespace-controller", "generic-garbage-collector"])
    def test_it_goes_with_its_namespace_or_owner(self, cluster: Any, namespace: str, controller: str) -> None:
        create(cluster, namespace, decision(), ALICE)
        cluster.kubectl("-n", namespace, "delete", "decision", "approve-undo", f"--as={ACCOUNT}:{controller}",
                        "--as-group=system:masters", "--wait=false")  # fmt: skip
        until(lambda: not cluster.kubectl("-n", namespace, "get", "decisions", "-o", "name"))


# Decisions about a step


STEPS = {Verb.Confirm: GOOD["confirm under a role"], Verb.Extend: GOOD["extend"], Verb.Revert: GOOD["revert"]}


def about_step(said: dict[str, Any], **more: Any) -> Object:
    return {**examples.decision(), "metadata": {"name": "about-step"}, "spec": spec(said, **{"by": "alice", **more})}


class TestSteps:
    @pytest.fixture
    def keeper(self, cluster: Any, namespace: str) -> None:
        """May say everything about steps as `dba`, and nothing else."""
        held = rule(GROUP, "roles", "confirm", "extend", "revert", names=("dba",))
        grant(cluster, namespace, "alice", CREATE["decisions"], held)

    @pytest.mark.usefixtures("keeper")
    @pytest.mark.parametrize("verb", STEPS)
    def test_who_holds_the_role_says_it(self, cluster: Any, namespace: str, verb: Verb) -> None:
        made = create(cluster, namespace, about_step(STEPS[verb], role="dba"), ALICE)
        assert (made["spec"]["verb"], made["spec"]["by"], made["spec"]["step"]) == (verb, "alice", "scale")

    @pytest.mark.usefixtures("keeper")
    @pytest.mark.parametrize("verb", STEPS)
    def test_nobody_says_it_for_another_or_under_another_role(self, cluster: Any, namespace: str, verb: Verb) -> None:
        with refused("spec.by is 'bob', but you are 'alice': set spec.by to your own name"):
            create(cluster, namespace, about_step(STEPS[verb], role="dba") | {"spec": spec(STEPS[verb], role="dba")}, ALICE)
        with refused(f"'alice' may not {verb.lower()} as 'incident-commander' in namespace .* ask for a Role there"):
            create(cluster, namespace, about_step(STEPS[verb], role="incident-commander"), ALICE)
        with refused(f"'alice' may not {verb.lower()} as '-'"):
            create(cluster, namespace, about_step(STEPS[verb], role=None), ALICE)

    @pytest.mark.parametrize("verb", STEPS)
    def test_each_verb_is_granted_by_itself(self, cluster: Any, namespace: str, verb: Verb) -> None:
        others = [other.lower() for other in Verb if other is not verb]
        grant(cluster, namespace, "alice", CREATE["decisions"], rule(GROUP, "roles", *others))
        with refused(f"'alice' may not {verb.lower()} as 'dba'"):
            create(cluster, namespace, about_step(STEPS[verb], role="dba"), ALICE)
        note = about_step({"verb": "Note"})
        assert create(cluster, namespace, note, ALICE, "--dry-run=server")["spec"]["verb"] == "Note"

    @pytest.fixture
    def everybody(self, cluster: Any, namespace: str) -> None:
        grant(cluster, namespace, "alice", CREATE["decisions"], rule(GROUP, "roles", *(verb.lower() for verb in Verb)))

    @pytest.mark.usefixtures("everybody")
    def test_what_is_complete_is_taken(self, cluster: Any, namespace: str) -> None:
        for name, said in GOOD.items():
            assert why_refused(cluster, namespace, about_step(said), ALICE, "--dry-run=server") == "", name

    @pytest.mark.usefixtures("everybody")
    def test_what_is_incomplete_or_too_much_is_refused(self, cluster: Any, namespace: str) -> None:
        for name, (said, says) in BAD.items():
            assert says in why_refused(cluster, namespace, about_step(said), ALICE, "--dry-run=server"), name


def patch(cluster: Any, namespace: str, what: str, body: str, *arguments: str) -> None:
    cluster.kubectl("-n", namespace, "patch", what, "--type=merge", "-p", body, *arguments)


# Playbooks


class TestPlaybooks:
    def test_who_may_impersonate_its_service_account_writes_it(self, cluster: Any, namespace: str) -> None:
        grant(cluster, namespace, "alice", CREATE["playbooks"], IMPERSONATE)
        assert create(cluster, namespace, examples.playbook(), ALICE)["kind"] == "Playbook"

    def test_who_may_not_does_not(self, cluster: Any, namespace: str) -> None:
        grant(cluster, namespace, "alice", CREATE["playbooks"])
        with refused("'alice' may not impersonate ServiceAccount 'frontend-remediator' .* ask for a Role there"):
            create(cluster, namespace, examples.playbook(), ALICE)

    def test_a_change_is_a_write_too(self, cluster: Any, namespace: str) -> None:
        create(cluster, namespace, examples.playbook())
        grant(cluster, namespace, "alice", CREATE["playbooks"])
        with refused("may not impersonate ServiceAccount 'frontend-remediator'"):
            patch(cluster, namespace, "playbook/frontend-down", '{"spec":{"suspend":true}}', ALICE)
        patch(cluster, namespace, "playbook/frontend-down", '{"metadata":{"labels":{"team":"web"}}}', ALICE)
        grant(cluster, namespace, "alice", CREATE["playbooks"], IMPERSONATE)
        patch(cluster, namespace, "playbook/frontend-down", '{"spec":{"suspend":true}}', ALICE)

    def test_another_service_account_must_be_allowed_too(self, cluster: Any, namespace: str) -> None:
        grant(cluster, namespace, "alice", CREATE["playbooks"], IMPERSONATE)
        create(cluster, namespace, examples.playbook(), ALICE)
        with refused("may not impersonate ServiceAccount 'default'"):
            patch(cluster, namespace, "playbook/frontend-down", '{"spec":{"serviceAccountName":"default"}}', ALICE)


# All of them


def test_every_policy_fails_closed_and_denies(cluster: Any) -> None:
    selected = ("-l", "app.kubernetes.io/part-of=stanch", "-o")
    policies = cluster.kubectl("get", "validatingadmissionpolicies", *selected, "jsonpath={.items[*].spec.failurePolicy}")
    assert set(policies.split()) == {"Fail"}
    bindings = cluster.kubectl(
        "get", "validatingadmissionpolicybindings", *selected, "jsonpath={.items[*].spec.validationActions[*]}"
    )
    assert set(bindings.split()) == {"Deny"}
    assert len(bindings.split()) == len(policies.split()) == 5


@pytest.mark.parametrize("policy", [policy for policy in (DECISIONS, *OTHERS) if policy.spec], ids=lambda policy: policy.kind)
def test_what_the_operator_forges_is_refused_in_the_policy_s_words(cluster: Any, namespace: str, policy: Shipped) -> None:
    """Also to who may do everything, as the administrator here."""
    assert policy.denial in why_refused(cluster, namespace, policy.probe(namespace), "--dry-run=server")


def test_the_policies_fit_the_kinds(cluster: Any) -> None:
    """The API server type-checks their expressions against the CRDs."""
    found = cluster.kubectl(
        "get", "validatingadmissionpolicies", "-l", "app.kubernetes.io/part-of=stanch",
        "-o", "jsonpath={.items[*].status.typeChecking.expressionWarnings}",
    )  # fmt: skip
    assert found.strip() == ""

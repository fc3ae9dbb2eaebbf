"""What somebody may try in order to have more done than they are allowed to: which test proves that it fails, and for which reason.

`PROVEN` lists them; each has a control beside it that shows the same thing succeeding where it is allowed. Those that are nowhere
else are here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from stanch.api.needs import OPERATOR
from stanch.engine.errors import Refused
from stanch.kube.client import ApiServer, connect
from stanch.kube.cluster import ApiCluster
from stanch.kube.discovery import Discovery
from tests.contract.installed import Object, install, why_refused
from tests.contract.test_permissions import ACCOUNT, Site
from tests.stage.account import keep, kubeconfig_of
from tests.stage.kubectl import Kubectl
from tests.unit import api_examples as examples

HERE = "contract/test_attacks.py"
ADMISSION, OPENING = "contract/test_admission.py", "contract/test_opening.py"
BAD_INPUT, SUITE = "contract/test_bad_input.py", "contract/suite_cluster.py"
WEB, PATHS, ESCAPES = "unit/test_kube_web.py", "unit/test_packs_paths.py", "unit/test_escapes.py"
TESTS = Path(__file__).parents[1]

# By attempt: file and test.
PROVEN: Mapping[str, tuple[tuple[str, str], ...]] = {
    "a Playbook names a stronger ServiceAccount than its author may act as": (
        (ADMISSION, "test_another_service_account_must_be_allowed_too"),
        (ADMISSION, "test_a_change_is_a_write_too"),
        (HERE, "test_stanch_acts_as_the_account_that_it_was_let_and_as_nobody_else"),
        ("unit/test_action_job.py", "test_it_runs_as_the_playbooks_account_and_as_nobody_else"),
    ),
    "a target, account, playbook or service of another namespace": (
        (BAD_INPUT, "test_the_api_server_refuses_it_at_its_place"),
        ("contract/test_bad_input_served.py", "test_all_of_it_at_once_is_refused_with_its_reason_while_others_are_served"),
    ),
    "a cluster-scoped target": ((HERE, "test_a_cluster_scoped_target_is_refused"),),
    "a ServiceAccount that was deleted and made again": (
        (SUITE, "test_a_write_as_a_service_account_that_is_another_one_now_is_refused"),
        (SUITE, "test_a_call_as_a_service_account_that_is_another_one_now_is_not_sent"),
        ("e2e/test_reverts.py", "test_without_its_service_account_a_person_is_called_and_may_release_it"),
    ),
    "a person, or another account, whom stanch is to act as": (
        (HERE, "test_stanch_acts_as_the_account_that_it_was_let_and_as_nobody_else"),
        (HERE, "test_a_playbook_names_no_person_to_act_as"),
        (OPENING, "test_nobody_opens_in_another_name"),
        ("contract/test_forged.py", "test_none_of_two_hundred_forged_decisions_is_accepted"),
    ),
    "an Incident opened, or pointed elsewhere, by somebody without `run`": (
        (OPENING, "test_who_may_not_does_not"),
        (OPENING, "test_without_a_name_every_playbook_must_be_allowed"),
        (OPENING, "test_who_points_it_elsewhere_must_be_allowed_to"),
    ),
    "another's Incident, pointed elsewhere and then approved": (
        (OPENING, "test_nobody_but_who_opened_it_points_it_elsewhere"),
        ("contract/test_loosened.py", "test_who_opened_it"),
        ("contract/test_forged.py", "test_none_of_two_hundred_forged_decisions_is_accepted"),
    ),
    "an approval, a broken glass or a judged Decision, written into a status": (
        ("contract/test_statuses.py", "test_who_may_patch_alone_records_nothing"),
        ("contract/test_statuses.py", "test_to_record_on_one_kind_is_not_to_record_on_another"),
        ("contract/test_forged.py", "test_none_of_two_hundred_forged_decisions_is_accepted"),
    ),
    "a policy with wider limits, or other approvers, than the namespace's": (
        (OPENING, "test_who_may_not_use_it_leaves_it_to_the_namespace"),
        (OPENING, "test_another_policy_must_be_allowed_too"),
        (OPENING, "test_who_may_use_it_elsewhere_may_not_here"),
        ("contract/test_roles.py", "test_nobody_picks_a_policy"),
    ),
    "HTTP checks that reach what is behind the operator": (
        (WEB, "test_anything_else_is_refused"),
        (WEB, "test_a_glob_allows_no_denied_address"),
        (WEB, "test_a_number_that_each_reads_as_they_like_is_refused"),
        (WEB, "test_a_name_may_lead_anywhere_but_there"),
        (WEB, "test_what_only_looks_like_the_allowed_place_is_refused"),
        (WEB, "test_a_redirect_is_an_answer"),
        ("contract/test_kube_faults.py", "test_a_redirect_is_not_followed"),
    ),
    "a path in a pack that climbs": (
        (PATHS, "test_a_bad_path_is_refused"),
        (PATHS, "test_an_allowed_path_stays_inside"),
        ("contract/suite_packs.py", "test_paths_outside_and_those_of_the_chain_are_refused"),
    ),
    "a template that reads the environment": (
        (ESCAPES, "test_a_value_is_filled_in_once_and_breaks_out_of_nothing"),
        (ESCAPES, "test_no_expression_reaches_what_it_was_not_given"),
        (BAD_INPUT, "test_the_api_server_refuses_it_at_its_place"),
        ("e2e/test_actions_cas.py", "test_a_value_is_data_and_reaches_for_no_other_variable"),
    ),
}


@pytest.mark.parametrize("attempt", PROVEN)
def test_what_is_said_to_prove_it_is_there(attempt: str) -> None:
    assert [test for file, test in PROVEN[attempt] if f"def {test}(" not in (TESTS / file).read_text()] == []


@pytest.fixture
def kinds(cluster: Any) -> None:
    install(cluster)


def judged(cluster: Any, namespace: str, spec: Object, target: Object) -> str:
    """Why the API server refuses a Playbook with these changes; empty: it does not."""
    playbook = examples.playbook()
    playbook["spec"] |= spec
    playbook["spec"]["targets"][0] |= target
    return why_refused(cluster, namespace, playbook, "--dry-run=server")


@pytest.mark.usefixtures("kinds")
@pytest.mark.requirement("A-15")
@pytest.mark.parametrize("kind", ["Node", "Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"])
def test_a_cluster_scoped_target_is_refused(cluster: Any, namespace: str, kind: str) -> None:
    said = judged(cluster, namespace, {}, {"kind": kind})
    assert "spec.targets[0].kind" in said and f'Unsupported value: "{kind}"' in said
    assert judged(cluster, namespace, {}, {"kind": "Deployment"}) == ""


@pytest.mark.usefixtures("kinds")
@pytest.mark.parametrize("who", ["system:admin", "alice@example.org", "system:serviceaccount:kube-system:default"])
def test_a_playbook_names_no_person_to_act_as(cluster: Any, namespace: str, who: str) -> None:
    said = judged(cluster, namespace, {"serviceAccountName": who}, {})
    assert "spec.serviceAccountName" in said and "should match" in said
    assert judged(cluster, namespace, {"serviceAccountName": "frontend-remediator"}, {}) == ""


@pytest.fixture
async def operator(kinds: None, shipped_rights: Kubectl, tmp_path: Path) -> AsyncIterator[ApiServer]:
    """Under an account with the rights that are shipped, in a namespace that lets it act as one ServiceAccount of two."""
    shipped_rights("create", "serviceaccount", "stronger")
    async with connect(str(keep(tmp_path / "operator.yaml", kubeconfig_of(shipped_rights, OPERATOR)))) as api:
        site = Site(shipped_rights, api)
        shipped_rights.apply(site.access)
        assert await site.becomes() == []
        yield api


async def test_stanch_acts_as_the_account_that_it_was_let_and_as_nobody_else(operator: ApiServer, namespace: str) -> None:
    """What a Playbook's author, or a bug of ours, would have it do: the API server is who refuses."""
    mine, theirs = f"system:serviceaccount:{namespace}", "system:serviceaccount:kube-system"
    assert await seen_as(operator, f"{mine}:{ACCOUNT}") == f"{mine}:{ACCOUNT}"
    for user, what in (
        (f"{mine}:stronger", 'serviceaccounts "stronger" is forbidden'),
        (f"{mine}:default", 'serviceaccounts "default" is forbidden'),
        (f"{theirs}:{ACCOUNT}", f'serviceaccounts "{ACCOUNT}" is forbidden'),
        (f"{theirs}:namespace-controller", 'serviceaccounts "namespace-controller" is forbidden'),
        ("alice", 'users "alice" is forbidden'),
        ("system:admin", 'users "system:admin" is forbidden'),
    ):
        with pytest.raises(Refused, match="cannot impersonate resource") as refused:
            await seen_as(operator, user)
        assert what in refused.value.message and refused.value.reason == "Forbidden"


async def seen_as(api: ApiServer, user: str) -> str:
    """Who the API server says it is that asks as this user."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}}
    found = await ApiCluster(api, Discovery(api), user=user).create(body)
    return found["status"]["userInfo"]["username"]

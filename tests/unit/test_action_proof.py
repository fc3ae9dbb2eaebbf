"""The digest of what was shown: the same for the same change, another one for another change."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest

from stanch.actions.autoscalers import API, LIST
from stanch.actions.effects import TOKEN
from stanch.actions.proof import NO_CHANGE, proof_of, shown
from stanch.actions.registry import ACTIONS
from stanch.engine.parts import EPOCH, Before
from stanch.engine.ports import Object
from tests.unit.rollouts import deployment, replica_set, template

TOKEN_HERE = "uid/1/option/step"
NO_AUTOSCALERS = {"apiVersion": API, "kind": LIST, "items": []}
UNDO = {"to": "Previous"}


def proof(action: str, params: Object, target: Object, *related: Object, token: str = TOKEN_HERE) -> str:
    verb = ACTIONS[action]
    before = Before(target, (*related, NO_AUTOSCALERS))
    assert verb.plan is not None
    return proof_of(verb.effect_class, before, verb.plan(before, verb.params.model_validate(params), token))


def web(image: str = "web:2", env: Mapping[str, str] | None = None, marks: Mapping[str, str] | None = None, **more: Any) -> Object:
    pods = template(image, **(marks or {}))
    pods["spec"]["containers"][0]["env"] = [{"name": name, "value": value} for name, value in (env or {}).items()]
    return deployment(pods, **more)


def undo(target: Object, *images: str) -> str:
    """Back from what runs, where these are the earlier revisions, oldest first."""
    numbered = [replica_set(number, template(image), at=number) for number, image in enumerate(images, 1)]
    current = replica_set(len(images) + 1, target["spec"]["template"], at=50)
    return proof("rolloutUndo", UNDO, target, current, *reversed(numbered))


class TestUndo:
    def test_another_release_to_go_back_to_is_another_change(self) -> None:
        now = deployment(template("web:3"))
        assert undo(now, "web:1") != undo(now, "web:1", "web:2")

    def test_another_release_to_go_back_from_is_another_change(self) -> None:
        assert undo(deployment(template("web:2")), "web:1") != undo(deployment(template("web:3")), "web:1")

    @pytest.mark.parametrize("mark", ["stanch.dev/restarted-by", "kubectl.kubernetes.io/restartedAt"])
    def test_a_restart_of_the_release_is_none(self, mark: str) -> None:
        restarted = deployment(template("web:2", **{mark: "now"}))
        assert undo(restarted, "web:1", "web:2") == undo(deployment(template("web:2")), "web:1")


class TestWhatTheStepDoesNotWrite:
    def test_marks_status_version_and_what_others_say_are_no_part_of_it(self) -> None:
        was, now = web(), web(annotations={"team": "pay", TOKEN: "other", EPOCH: "3-1"}, paused=False)
        now["status"] = {"observedGeneration": 9, "readyReplicas": 1}
        now["metadata"] |= {"resourceVersion": "999", "generation": 9, "labels": {"a": "b"}}
        for action, params in (("scale", {"replicas": 7}), ("rolloutRestart", {}), ("setEnv", {"set": {"A": "1"}})):
            assert proof(action, params, was) == proof(action, params, now), action

    def test_another_image_another_variable_another_container(self) -> None:
        was, now = web("web:2", {"B": "1"}), web("web:3", {"C": "2", "B": "1"})
        now["spec"]["template"]["spec"]["containers"].insert(0, {"name": "sidecar", "image": "proxy:1"})
        params = {"set": {"A": "1"}, "containers": ["app"]}
        assert proof("setEnv", params, was) == proof("setEnv", params, now)

    def test_another_key(self) -> None:
        maps = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "n", "uid": "u"}, "data": data}
                for data in ({"mode": "a"}, {"mode": "a", "other": "b"}, {"mode": "c"})]  # fmt: skip
        first, second, third = (proof("setConfig", {"data": {"mode": "safe"}}, one) for one in maps)
        assert first == second != third


class TestWhatItWrites:
    @pytest.mark.parametrize("params", [{"replicas": 7}, {"by": 1}, {"percent": 200}])
    def test_another_number_of_pods_before_it(self, params: Object) -> None:
        assert proof("scale", params, web(replicas=3)) != proof("scale", params, web(replicas=4))

    def test_nothing_is_not_the_same_as_none(self) -> None:
        empty, absent = web(env={"A": ""}), web(env={})
        assert proof("setEnv", {"set": {"A": "1"}}, empty) != proof("setEnv", {"set": {"A": "1"}}, absent)
        assert proof("scale", {"replicas": 5}, web(replicas=0)) != proof("scale", {"replicas": 5}, web(replicas=2))

    def test_the_order_in_which_variables_are_read(self) -> None:
        pairs = {"A": "1", "B": "$(A)"}
        old = [replica_set(1, web(env=env)["spec"]["template"], at=1) for env in (pairs, dict(reversed(pairs.items())))]
        now = web(env=pairs, marks={"colour": "blue"})
        same, turned = (proof("rolloutUndo", UNDO, now, replica_set(2, now["spec"]["template"], at=2), one) for one in old)
        assert same != turned


class TestWhole:
    def test_a_binding_by_its_role_and_subjects(self) -> None:
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
        bob, eve = ({"kind": "User", "name": name} for name in ("bob", "eve"))
        metadata = {"name": "b", "namespace": "n", "uid": "u"}
        binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata, "roleRef": role}
        account = {"kind": "ServiceAccount", "metadata": {"name": "sa", "namespace": "n"}}

        def taken(subjects: list[Object], **more: Any) -> str:
            target = deepcopy(binding | {"subjects": subjects})
            target["metadata"] |= more
            return proof("revokeAccess", {"role": {"kind": "ClusterRole", "name": "edit"}}, target, account)

        assert taken([bob]) == taken([bob], annotations={"team": "shop"}, labels={"a": "b"}, uid="other")
        assert taken([bob]) != taken([bob, eve])

    def test_a_command_by_its_words_not_by_the_pod_that_is_ready(self) -> None:
        def run(pod: str, container: str = "app") -> str:
            metadata = {"name": pod, "namespace": "shop", "uid": pod}
            spec = {"containers": [{"name": "app"}, {"name": "other"}]}
            made = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
            return proof("exec", {"argv": ["true"], "container": container}, web(), made)

        assert run("web-1") == run("web-2") != run("web-1", "other")

    def test_a_secret_is_a_reference(self) -> None:
        verb, stdin = ACTIONS["exec"], {"secretRef": {"name": "redis", "key": "password"}}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "uid": "p"}, "spec": {"containers": [{"name": "app"}]}}
        before = Before(web(), (pod,))
        change = verb.plan(before, verb.params.model_validate({"argv": ["redis-cli"], "stdin": stdin}), TOKEN_HERE)
        assert shown(verb.effect_class, before, change)["stdin"] == stdin

    @pytest.mark.parametrize(
        ("action", "params"),
        [("http", {"service": "app", "port": "80", "path": "/", "method": "POST"}), ("runJob", {"image": "job:1"})],
    )
    def test_a_call_and_a_job(self, action: str, params: Object) -> None:
        place = {"kind": "ServiceAccount", "metadata": {"name": "sa", "namespace": "shop"}}
        assert proof(action, params, {}, place) == proof(action, params, {}, deepcopy(place))
        other = {"path": "/other"} if action == "http" else {"image": "job:2"}
        assert proof(action, params | other, {}, place) != proof(action, params, {}, place)


def test_it_is_a_digest_and_no_change_is_none() -> None:
    found = proof("setEnv", {"set": {"PASSWORD": "hunter2"}}, web())
    assert len(found) == 71 and found.startswith("sha256:") and found != NO_CHANGE

"""An incident under way goes on under the next version of stanch, which reads what the previous one has written."""

from __future__ import annotations

import json
from typing import Any

from stanch.domain.incident import FORMAT_VERSION
from stanch.packs.verify import verify
from tests.e2e.test_actions_calls import job
from tests.stage.limits import LimitsScene, option, step
from tests.stage.operator import OperatorProcess
from tests.stage.pack import folder_of

Document = dict[str, Any]


def waiting(limits: LimitsScene, *argv: str) -> str:
    """An incident whose Job runs; under a step beside it that was done before."""
    raised = step("raise", setEnv={"target": "app", "set": {"RATE_LIMIT_QUERY": "20"}})
    name = limits.play(option("only", raised, step("report", **job(*argv))))

    def runs() -> bool:
        steps = limits.incident(name).get("status", {}).get("steps", [])
        return [one["state"] for one in steps] == ["Done", "Waiting"]

    limits.until_true("the Job runs", runs)
    return name


def rewritten(limits: LimitsScene, name: str, version: int) -> Document:
    """Its status as that version writes it; format 1 tells when a step was written once its Job has ended, and up to 2 the plan is
    kept as a Secret."""
    if version < FORMAT_VERSION:
        plan_as_secret(limits, limits.incident(name)["metadata"]["uid"])
    steps = limits.incident(name)["status"]["steps"]
    for one in steps:
        if one["state"] == "Waiting":
            one["writtenAt"] = None
    patch = json.dumps({"status": {"formatVersion": version, "steps": steps}})
    limits.kubectl("patch", "incident", name, "--subresource=status", "--type=merge", "-p", patch)
    return limits.incident(name)


def plan_as_secret(limits: LimitsScene, uid: str) -> None:
    beside = limits.kubectl.inside(limits.operator_namespace)
    (plan,) = beside.get("configmaps", "-l", f"stanch.dev/incident-uid={uid}")["items"]
    metadata = {key: plan["metadata"][key] for key in ("name", "namespace", "labels")}
    record = {"type": "stanch.dev/record", "immutable": True, "data": plan["binaryData"]}
    beside.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **record})
    beside("delete", "configmap", metadata["name"])


def test_what_the_first_format_tells_goes_on_under_this_one(limits: LimitsScene, operator: OperatorProcess) -> None:
    name = waiting(limits, "sleep", "8")
    operator.kill()
    before = rewritten(limits, name, 1)
    assert "writtenAt" not in before["status"]["steps"][1]
    operator.start()
    incident = limits.ended(name, only="Confirmed")
    assert incident["status"]["formatVersion"] == FORMAT_VERSION
    assert [one["state"] for one in incident["status"]["steps"]] == ["Done", "Done"]
    assert len(limits.kubectl.get("jobs")["items"]) == 1, "what was written before is not written again"
    limits.kubectl("wait", f"incident/{name}", "--for=jsonpath={.status.pack.manifest}", "--timeout=30s")
    pack = limits.incident(name)["status"]["pack"]
    found = verify(folder_of(incident), pack["head"]["hash"], pack["manifest"])
    assert found.ok, found.problems


def test_what_a_later_version_has_written_is_left_to_that_one(limits: LimitsScene, operator: OperatorProcess) -> None:
    name = waiting(limits, "sleep", "50")
    operator.kill()
    before = rewritten(limits, name, FORMAT_VERSION + 1)
    operator.start()

    def told() -> bool:
        assert limits.incident(name) == before
        return any("run the later version" in line.get("reason", "") for line in operator.lines())

    limits.until_true("the operator says why", told)

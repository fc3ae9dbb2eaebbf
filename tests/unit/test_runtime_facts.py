"""What diagnosis finds goes the whole way: question, fact, plan, approval, and at last the target."""

from __future__ import annotations

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from stanch.engine.ports import Object
from tests.unit.world import Life, Site, body, lean


def sized(playbook: Object) -> None:
    """One option, to be approved by the commander: its step writes what the question finds."""
    lean(playbook)
    spec = playbook["spec"]
    spec["targets"].append({"name": "limits", "kind": "ConfigMap", "objectName": "limits"})
    spec["diagnosis"] = [{"name": "size", "object": {"target": "limits", "value": "object.data.size"}, "within": "10m"}]
    change = {"target": "app", "set": {"POOL_SIZE": "${facts.size}"}}
    resize = {
        "name": "resize",
        "approval": {"roles": {"incident-commander": 1}},
        "steps": [{"name": "resize", "expect": "the pool is as large as the limits say", "setEnv": change}],
        "verify": [{"name": "rolled-out", "rollout": {"target": "app"}, "within": "2m"}],
    }
    spec["options"] = [resize]


async def test_a_fact_of_diagnosis_reaches_the_write_and_only_the_plan_with_it_can_be_approved() -> None:
    """The plan from before the answer says nothing of the value: whoever names that one has not seen what is written."""
    site = Site(sized)
    limits = site.server.add({**body("v1", "ConfigMap", "limits"), "data": {"other": "1"}})
    life = Life(site)
    await life.tick()
    before = site.status.plan_digest
    assert site.status.phase is Phase.Diagnosing and before and "size" not in site.status.facts, "no answer yet"
    site.server.patch(limits, {"data": {"size": "36"}}, "", "", dry_run=False)
    await life.live(Phase.AwaitingApproval)
    bound = site.status.plan_digest
    assert site.status.facts["size"] == "36" and bound not in ("", before)

    said = {"by": "carol", "role": "incident-commander", "option": "resize"}
    unseen = site.decide(Verb.Approve, life, **said, planDigest=before)
    await life.tick()
    told = site.server.read(unseen)["status"]
    assert (told["effect"], site.status.phase) == ("NoEffect", Phase.AwaitingApproval) and before in told["message"]
    assert site.frontend.mitigations == [] and "POOL_SIZE" not in site.frontend.environment

    seen = site.decide(Verb.Approve, life, **said, planDigest=bound)
    await life.live()
    assert site.server.read(seen)["status"]["effect"] == "Counted" and site.status.phase is Phase.Resolved
    assert site.frontend.environment["POOL_SIZE"] == "36" and len(site.frontend.mitigations) == 1

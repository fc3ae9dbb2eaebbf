"""The admission policies that stanch ships and relies on: how each is known again, and what it must refuse to be in force."""

from __future__ import annotations

from dataclasses import dataclass, field

from stanch.engine.ports import Object

# Who makes the forged object is the operator: certainly not this one.
FORGED = "stanch-probe-of-nobody"
NOT_PLANNED = "No Incident is planned until then: it waits. What was planned before goes on, and what is owed is taken back"


@dataclass(frozen=True)
class Shipped:
    """`policy` and `binding`: what the file in manifests/admission says, as `fingerprint` sees it; a test holds them together."""

    # Of the policy, and of the binding that puts it in force.
    name: str
    policy: str
    binding: str
    # What the API server proves by it.
    proves: str
    # What does not happen while it is not in force.
    meanwhile: str
    # Whether nothing is planned while it is not in force.
    bars: bool = False
    # What is forged; empty: nothing can be, as of a deletion, which needs an object that is there.
    kind: str = ""
    spec: Object = field(default_factory=dict)
    # In place of `spec`: forged is the status of one that is there, of a kind without which nothing is planned.
    status: Object = field(default_factory=dict)
    # How its refusal begins.
    says: str = ""

    @property
    def denial(self) -> str:
        return f"ValidatingAdmissionPolicy '{self.name}' with binding '{self.name}' denied request: {self.says}"

    @property
    def forgery(self) -> str:
        return f"status of a {self.kind}" if self.status else self.kind

    def probe(self, namespace: str) -> Object:
        """One that nobody has made, in the operator's own namespace, about nothing."""
        metadata = {"name": "stanch-probe", "namespace": namespace}
        return {"apiVersion": "stanch.dev/v1alpha1", "kind": self.kind, "metadata": metadata, "spec": self.spec}


DECISIONS = Shipped(
    name="decisions.stanch.dev",
    policy="sha256:17dd3c1489d9cd6df812c040de321c7fcb03433bfd93b48abab492fa29e0eed6",
    binding="sha256:677866c9529e073ad8335ac975a792e4cde5821b9c201c7158d18c35cdbedaa5",
    proves="who says a Decision",
    meanwhile="No Decision is accepted until then, an Abort neither; what was said waits. "
    "Deleting the Incident ends it all the same",
    kind="Decision",
    spec={"incidentRef": {"name": "stanch-probe", "uid": "stanch-probe"}, "verb": "Note", "by": FORGED, "reason": "a probe"},
    says=f"spec.by is '{FORGED}', but you are '",
)
INCIDENTS = Shipped(
    name="incidents.stanch.dev",
    policy="sha256:2e2f4f6bde00b439fb72c1d4ba23c9f8d42612bdc4ae0fa89f3f55d22663e7ec",
    binding="sha256:5e49957d24ce26798624dcc5511c02db4fa5fd0d69c9bef2e543f60a84da6903",
    proves="who opens an Incident, and that they may",
    meanwhile=NOT_PLANNED,
    bars=True,
    kind="Incident",
    spec={"openedBy": FORGED, "title": "a probe", "type": "probe", "severity": "probe"},
    says=f"spec.openedBy is '{FORGED}', but you are '",
)
PLAYBOOKS = Shipped(
    name="playbooks.stanch.dev",
    policy="sha256:7691dede14f25ac8029686d5b32f20f2fe8432ca6486c7b3e3b482a0c8a1b187",
    binding="sha256:c8d812bfd747d07946d8bc22d2aba84e34a52980391c57e70a41489280e0c84d",
    proves="that who writes a Playbook may act as its ServiceAccount",
    meanwhile=NOT_PLANNED,
    bars=True,
    kind="Playbook",
    spec={
        "summary": "a probe",
        "serviceAccountName": FORGED,
        "targets": [{"name": "nothing", "kind": "ConfigMap", "objectName": FORGED}],
        "evidence": {"collect": [{"events": {}}]},
        "options": [
            {
                "name": "nothing",
                "steps": [{"name": "nothing", "expect": "it is refused", "wait": {"for": "1s"}}],
                "verify": [{"name": "nothing", "object": {"target": "nothing", "expect": "false"}}],
            }
        ],
    },
    says=f"no Playbook acts as {FORGED}, ",
)
STATUSES = Shipped(
    name="statuses.stanch.dev",
    policy="sha256:087a345c0ce52dd2e8bbdd9c447933b6d0d5603d8eb8b3113ac379854745c109",
    binding="sha256:7d7e13ed26e163a55835d81d22014c6bdd21e285404f9c15ee91c3cec462775e",
    proves="that nobody but stanch writes what people said with effect",
    meanwhile=NOT_PLANNED,
    bars=True,
    kind="ResponsePolicy",
    status={"conditions": [{"type": "Ready", "status": "False", "reason": FORGED}]},
    says=f"no status says {FORGED}, ",
)
STAYING = Shipped(
    name="decisions-stay.stanch.dev",
    policy="sha256:479151b88694815998bd00413c926dd39307d8dc99b62ed7ca96148fc02bc40f",
    binding="sha256:f04402a6461b2fbf16a0472fc9158953ae9423be6152eebc55144678d44ace3e",
    proves="that no Decision is deleted",
    meanwhile="Decisions are accepted all the same: one that somebody deletes before it is recorded was never heard",
)
# Those beside the one for Decisions, which is looked at for each of them.
OTHERS = (INCIDENTS, PLAYBOOKS, STATUSES, STAYING)

"""An incident that waits for approval, with its plan stored as a test says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from stanch.api import codec
from stanch.cli import plan as plans
from stanch.cli.output import Format
from stanch.domain.access import Rule
from stanch.domain.incident import Phase
from stanch.domain.plan import Check, EvidencePlan, OnFailure, OnMissing, Plan, Purpose, Risk, Source, Step
from stanch.kube.records import before_images
from stanch.kube.records import plans as plan_store
from stanch.runtime.case import plan_name
from tests.unit.cli_kit import NAMESPACE, Person, incident, session
from tests.unit.memory import MemoryServer
from tests.unit.play import NO, Play, approval, option, plan
from tests.unit.source_tree import ROOT

DIFFERENCE = """revision 3 -> 2, image app:v2 -> app:v1
--- before
+++ after
@@ -1,3 +1,3 @@
     spec:
-      image: app:v2
+      image: app:v1"""


def a_plan() -> Plan:
    undo = option(
        "undo", when="facts.lastDeploy.age < duration('30m')", risk=Risk.Medium, approval=approval(incident_commander=1, sre=2),
        steps=(Step("undo", "rolloutUndo", "app", {"to": "Previous"}, "the release before serves",
                    preview=DIFFERENCE, proven=True),),
        verify=(Check("health", "http", {"path": "/health", "bodyContains": "", "orStatus": []}, hold_for=timedelta(minutes=1)),),
        on_failure=OnFailure.Stop,
    )  # fmt: skip
    evidence = EvidencePlan((Source("logs", {}, "app"), Source("events")), timedelta(seconds=20), OnMissing.Block)
    purpose = Purpose("502 on every page", "", "The database is down too", ("IR-4", "IR-5"))
    return plan(option("restart"), undo, evidence=evidence, purpose=purpose)


def permit(server: MemoryServer, user: str, *names: str) -> None:
    """As these of the shipped roles let them, each bound where people.yaml and plans.yaml say."""
    for path in ("people", "plans"):
        for role in yaml.safe_load_all((ROOT / f"manifests/roles/{path}.yaml").read_text()):
            if role["metadata"]["name"] in names:
                rules = [Rule(tuple(rule["verbs"]), group, resource, tuple(rule.get("resourceNames", ())))
                         for rule in role["rules"] for group in rule["apiGroups"] for resource in rule["resources"]]  # fmt: skip
                server.permit_inside(role["metadata"].get("namespace", NAMESPACE), user, *rules)


class Story:
    """An incident with a stored plan: `pack` is the folder that its status names."""

    def __init__(self, pack: Path | None = None, play: Play | None = None, plan: Plan | None = None) -> None:
        self.plan = plan or a_plan()
        self.data, self.digest = b"", ""
        self.write()
        self.server = MemoryServer()
        self.server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "stanch-system"}})
        play = play or Play(plan=self.plan, readings={"health": NO}, found={"lastDeploy.at": "2026-11-21T02:50:00Z"})
        play.until(Phase.AwaitingApproval)
        uri = pack.as_uri() if pack else "s3://evidence/aureus/frontend-502"
        play.status = replace(play.status, plan_digest=self.digest, pack=replace(play.status.pack, uri=uri))
        self.ref = incident(self.server, play)

    def write(self) -> None:
        self.data = codec.plan_to_bytes(self.plan)
        self.digest = codec.digest(self.data)

    def replan(self, summary: str) -> None:
        """Another plan, that no status names yet."""
        self.plan = replace(self.plan, purpose=replace(self.plan.purpose, summary=summary))
        self.write()

    async def in_vault(self, data: bytes | None = None, earlier: bool = False) -> None:
        """`earlier`: as versions before have kept it."""
        uid = self.server.read(self.ref)["metadata"]["uid"]
        store = (before_images if earlier else plan_store)(Person(self.server, "stanch"), "stanch-system")
        await store.put(plan_name(uid, self.digest), data or self.data)

    async def show(self, capsys: pytest.CaptureFixture[str], user: str = "bob", output: Format = Format.text, by: str = "") -> str:
        await plans.show(session(self.server, user, by), "frontend-502", "stanch-system", output)
        return capsys.readouterr().out


def keep(folder: Path, story: Story, data: bytes | None = None) -> None:
    (folder / "plans").mkdir()
    (folder / "plans" / f"1-{story.digest[7:19]}.json").write_bytes(data or story.data)

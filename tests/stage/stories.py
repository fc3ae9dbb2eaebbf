"""Stories beside the whole one: what people say with authority, an owner that is suspended, a target that two incidents want.

None of them rolls a release out: what they are about is written by stanch alone, and their lives are short.
"""

from __future__ import annotations

from collections import Counter

from stanch.actions.suspend_owner import SUSPENDED_BY
from stanch.engine.outcomes import LOCKED
from stanch.engine.pausing import ON_HOLD
from tests.stage.pack import timeline
from tests.stage.people import COMMANDER, ON_CALL, SECURITY, glass_breakers
from tests.stage.proxy import Door
from tests.stage.reconcilers import AUTOMATED, NAME, OWNED, belonging, owned_by, owner
from tests.stage.trial import ROLLED_OUT, SETTINGS, TrialScene, check, option, step, writing
from tests.stage.whole import Document, Story, closed, heard

LEAD, SECOND = "incident-commander", "security-team"
TWO = {"roles": {LEAD: 1, SECOND: 1}, "timeout": "20m"}
# So long that a person, whom a crash keeps waiting, still says in time that it stays longer.
BOX = {"after": "30s", "onRecovery": False}


# Longer than a crash keeps anybody waiting.
PATIENT = {"timeout": "20m"}


def sees(key: str, value: str) -> Document:
    """Whether the settings say so."""
    return check(value, object={"target": "settings", "expect": f"object.data['{key}'] == '{value}'"})


def fresh(scene: TrialScene) -> None:
    """Settings that no life before has changed."""
    scene.kubectl("delete", "configmap", SETTINGS, "--ignore-not-found")
    scene.prepare()


def locks(scene: TrialScene) -> list[str]:
    """The incidents that hold a target."""
    held = (lease["metadata"] for lease in scene.kubectl.inside(scene.operator_namespace).get("leases")["items"])
    return [lease["annotations"]["stanch.dev/incident"] for lease in held if lease["name"].startswith("stanch-target-")]


def order(door: Door) -> list[str]:
    """The changes, as the API server took them."""
    return [written.token.partition("/")[2] for written in door.written if written.token]


# What people say.

ASKED = option(
    "asked",
    sees("read-only", "never"),
    steps=[step("asked", setConfig=writing({"read-only": "true"}), revert=BOX)],
    approval=TWO,
    **PATIENT,
)
LET = option(
    "let",
    sees("let", "helped"),
    steps=[step("let", setConfig=writing({"let": "helped"}), revert={"onRecovery": True})],
    approval=TWO,
)


def people(scene: TrialScene) -> None:
    fresh(scene)
    scene.kubectl.apply(glass_breakers())


def say(scene: TrialScene) -> tuple[Document, ...]:
    """Classified otherwise, so planned anew; held up, approved by two, resumed; extended; the next option by one who breaks the
    glass; what was extended is taken back. A yes to the plan before, and a no when all is over, are recorded without effect."""
    name = scene.run(ASKED, LET)
    before = asked(scene, name, "asked")
    heard(scene, scene.commander, "Classify", before, role=LEAD, severity="P1")
    scene.until_status(name, ".attempt", "2", 240)
    incident = asked(scene, name, "asked")
    judge(scene, COMMANDER, "Approve", before)
    heard(scene, scene.commander, "Hold", incident, role=LEAD)
    judge(scene, COMMANDER, "Approve", incident)
    judge(scene, SECURITY, "Approve", incident)
    scene.until_status(name, ".reason", ON_HOLD, 240)
    heard(scene, scene.commander, "Resume", incident, role=LEAD)
    scene.until_status(name, ".reverts[0].state", "Owed", 240)
    heard(scene, scene.commander, "Extend", incident, option="asked", step="asked", extendBy="1m")
    plan = asked(scene, name, "let")["status"]["planDigest"]
    heard(scene, scene.on_call, "BreakGlass", incident, role="on-call", option="let", planDigest=plan, ticket="OPS-4711")
    heard(scene, scene.on_call, "Revert", incident, option="asked", step="asked")
    scene.until(name, "Resolved", 240)
    judge(scene, SECURITY, "Reject", incident)
    return (closed(scene, name, postmortem="OPS-4712"),)


def asked(scene: TrialScene, name: str, about: str) -> Document:
    """The incident, once this option waits for people."""
    scene.until_status(name, ".option", about, 240)
    return scene.until(name, "AwaitingApproval", 240)


def judge(scene: TrialScene, who: str, verb: str, incident: Document) -> None:
    """About the first option, of the plan as it stands there."""
    role, plan = {COMMANDER: LEAD, SECURITY: SECOND}[who], incident["status"]["planDigest"]
    heard(scene, scene.kubectl.acting_as(who), verb, incident, role=role, option="asked", planDigest=plan)


def said(scene: TrialScene, incidents: tuple[Document, ...], door: Door) -> Document:
    """Who said what, in order, and whether it counted."""
    status = incidents[0]["status"]
    told = [f"{line['actor']} {line['action']}{effect(line)}" for line in timeline(incidents[0]) if "/decision/" in line["key"]]
    return {"said": told, "severity": status["classified"]["severity"], "approved": [one["by"] for one in status["approvals"]],
            "glass": [one["by"] for one in status["brokenGlass"]], "held": "held" in status, "locks": locks(scene)}  # fmt: skip


def effect(line: Document) -> str:
    return ", in vain" if line["result"].startswith("no effect") else ""


SAID = [
    f"{COMMANDER} Classify", f"{COMMANDER} Approve asked, in vain", f"{COMMANDER} Hold", f"{COMMANDER} Approve asked",
    f"{SECURITY} Approve asked", f"{COMMANDER} Resume", f"{COMMANDER} Extend asked", f"{ON_CALL} BreakGlass let",
    f"{ON_CALL} Revert asked", f"{SECURITY} Reject asked, in vain", f"{COMMANDER} Close",
]  # fmt: skip
DECISIONS = Story(
    "decisions",
    ends={"asked": "Denied", "let": "Confirmed"},
    effects=Counter(["2/asked/asked", "2/asked/asked/revert", "2/let/let", "2/let/let/revert"]),
    timed="asked/asked",
    prepares=people,
    goes=say,
    looks=said,
    left={"said": SAID, "severity": "P1", "approved": [COMMANDER, SECURITY], "glass": [ON_CALL], "held": False, "locks": []},
)


# An owner that is suspended.

KIND = "Application"
MORE = option("only", ROLLED_OUT, steps=[
    step("more", scale={"target": OWNED, "by": 1}, onOwnerConflict="SuspendOwner", revert={"after": "15s", "onRecovery": False}),
])  # fmt: skip


def belong(scene: TrialScene) -> None:
    scene.prepare(belonging(KIND, scene.namespace, f"{scene.namespace}/frontend"))
    scene.kubectl.apply([owner(KIND, scene.namespace, syncPolicy={"automated": AUTOMATED})])


def suspend(scene: TrialScene) -> tuple[Document, ...]:
    return (closed(scene, scene.run(MORE, targets=[owned_by(KIND, scene.namespace)])),)


def given_back(scene: TrialScene, incidents: tuple[Document, ...], door: Door) -> Document:
    found = scene.kubectl.get(KIND.lower(), NAME)
    return {"policy": found["spec"]["syncPolicy"], "marked": SUSPENDED_BY in found["metadata"]["annotations"],
            "replicas": scene.deployment()["spec"]["replicas"], "order": order(door), "locks": locks(scene)}  # fmt: skip


AROUND = ["1/only/more-owner", "1/only/more", "1/only/more/revert", "1/only/more-owner/revert"]
OWNERS = Story(
    "owners",
    ends={"only": "Confirmed"},
    effects=Counter(AROUND),
    timed="only/more",
    prepares=belong,
    goes=suspend,
    looks=given_back,
    left={"policy": {"automated": AUTOMATED}, "marked": False, "replicas": 2, "order": AROUND, "locks": []},
)


# A target that two incidents want.

ASKS = {"role": LEAD, "question": "May the other one go on?"}
MINE = option("mine", ROLLED_OUT, **PATIENT, steps=[
    step("mine", setConfig=writing({"read-only": "true"}), revert={"after": "15s", "onRecovery": False}),
    step("held", askPerson=ASKS, **PATIENT),
])  # fmt: skip
THEIRS = option("theirs", sees("read-only", "later"), **PATIENT, steps=[step("theirs", setConfig=writing({"read-only": "later"}))])


def contend(scene: TrialScene) -> tuple[Document, ...]:
    """The first has changed the target and keeps it until a person is asked; the second one waits, and goes on by itself."""
    first = scene.run(MINE, incident="first")
    scene.until_status(first, ".waitsFor", f"Confirm by {LEAD}", 240)
    second = scene.run(THEIRS, incident="second")
    scene.until_status(second, ".reason", LOCKED, 240)
    heard(scene, scene.commander, "Confirm", scene.incident(first), role=LEAD, option="mine", step="held")
    return closed(scene, first), closed(scene, second)


def freed(scene: TrialScene, incidents: tuple[Document, ...], door: Door) -> Document:
    return {"order": order(door), "locks": locks(scene)}


ONE_BY_ONE = ["1/mine/mine", "1/mine/mine/revert", "1/theirs/theirs"]
LOCKS = Story(
    "locks",
    ends={"mine": "Confirmed", "theirs": "Confirmed"},
    effects=Counter(ONE_BY_ONE),
    timed="mine/mine",
    prepares=fresh,
    goes=contend,
    looks=freed,
    left={"order": ONE_BY_ONE, "locks": []},
)
STORIES = (DECISIONS, OWNERS, LOCKS)

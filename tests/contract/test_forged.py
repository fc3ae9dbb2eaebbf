"""More than two hundred forged, stale, replayed and misplaced Decisions on a real API server and operator: none counts."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from stanch.domain.decision import Verb
from stanch.domain.plan import Ref
from stanch.engine.errors import Failure
from stanch.kube.client import ApiServer, connect
from stanch.kube.cluster import ApiCluster
from stanch.kube.discovery import Discovery
from tests.cluster.fixtures import ClusterUnderTest
from tests.contract import forging
from tests.contract.alone import BINDING, answer_to_forged, restore
from tests.contract.deciding import ROLE, Deciding, Object, operating, playbook
from tests.contract.forging import JUDGES, MALLORY, MESSAGE, OTHER_ROLE, ROBOT, UNASKED, Case, Stage
from tests.contract.installed import until as holds
from tests.contract.world import until
from tests.stage.kubectl import Kubectl, documents
from tests.stage.people import ON_CALL, person
from tests.stage.scene import AUREUS

AT_LEAST, PRE_POLICY = 200, 23
API, GROUP = "stanch.dev/v1alpha1", "stanch.dev"
MAKES = {"apiGroups": [GROUP], "resources": ["decisions"], "verbs": ["create", "get", "list"]}
PATCHES = {"apiGroups": [GROUP], "resources": ["incidents/status", "decisions/status"], "verbs": ["get", "patch"]}
# What is said rightly, that each verb is seen to count where it may: in this order, as a Resume ends a Hold.
OF_ONE_THAT_WAITS = (Verb.Acknowledge, Verb.Classify, Verb.Assign, Verb.Hold, Verb.Resume, Verb.BreakGlass)
OF_A_CHANGE = (Verb.Extend, Verb.Revert)
# Never both full: it waits for its approval as long as the test lasts.
MANY = {"incident_commander": 9, OTHER_ROLE: 9}
ASKED = {"name": "afterwards", "expect": "a person looks", "timeout": "25m", "askPerson": {"role": ROLE, "question": "Is it on?"}}


def under_way() -> Object:
    """What is changed stays for a time, and a person is asked as long as the test lasts."""
    spec = playbook(ASKED, incident_commander=1)
    spec["options"][0]["steps"][0]["revert"] = {"after": "1h", "onRecovery": False}
    return spec


def holding(*roles: str) -> Object:
    named = {"resourceNames": list(roles)} if roles else {}
    return {"apiGroups": [GROUP], "resources": ["roles"], "verbs": [verb.lower() for verb in Verb], **named}


@dataclass(frozen=True)
class People:
    """Everybody at the API server, by impersonation; the empty name is the administrator."""

    api: ApiServer
    discovery: Discovery
    namespaces: tuple[str, ...]
    heard: set[Verb] = field(default_factory=set)

    async def say(self, user: str, spec: Object, where: int = 0, **metadata: Any) -> Object:
        """Raises `Failure` with what the API server said."""
        named = {"name": f"said-{secrets.token_hex(6)}", "namespace": self.namespaces[where], **metadata}
        cluster = ApiCluster(self.api, self.discovery, user=user)
        return await cluster.create({"apiVersion": API, "kind": "Decision", "metadata": named, "spec": spec})

    async def write(self, user: str, of: Object, status: Object) -> None:
        """Into the status of that object. Raises `Failure` with what the API server said."""
        ref = Ref(API, of["kind"], of["metadata"]["namespace"], of["metadata"]["name"])
        await ApiCluster(self.api, self.discovery, user=user).patch(ref, {"status": status}, subresource="status")

    async def all(self) -> dict[str, Object]:
        """Every Decision, by its UID."""
        own = ApiCluster(self.api, self.discovery)
        return {obj["metadata"]["uid"]: obj for where in self.namespaces async for obj in own.list(API, "Decision", where)}

    async def recorded(self, *made: Object) -> list[Object]:
        """What came of each of them, in this order."""
        uids = [one["metadata"]["uid"] for one in made]

        async def done() -> bool:
            found = await self.all()
            return all("recordedAt" in found[uid].get("status", {}) for uid in uids)

        await until(done, 120)
        found = await self.all()
        return [found[uid]["status"] for uid in uids]

    async def counts(self, user: str, spec: Object, where: int = 0) -> Object:
        """The positive control: it is made rightly, and counts."""
        made = await self.say(user, spec, where)
        (status,) = await self.recorded(made)
        assert status["effect"] == "Counted", f"{user}: {spec}: {status}"
        self.heard.add(Verb(spec["verb"]))
        return made


@pytest.fixture(scope="module")
def scenes(lone: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deciding, Deciding]]:
    restore(lone)
    first = f"t-{secrets.token_hex(4)}"
    with operating(lone, tmp_path_factory.mktemp("forged"), first, f"{first}-b") as operator:
        pair = [Deciding(lone.inside(namespace), operator.namespace) for namespace in operator.namespaces]
        for scene in pair:
            scene.prepare(playbook(**MANY))
        # Cluster-scoped, and put as it was by whoever prepares next.
        pair[0].kubectl.apply(documents(AUREUS / "policy.yaml", telling))
        admit(pair[0], f"system:serviceaccount:{first}:{ROBOT}")
        pair[1].kubectl.apply(person(MALLORY, [MAKES, holding()]))
        yield pair[0], pair[1]


def telling(policy: Object) -> None:
    """It has a message that the role which approves also releases."""
    message = {"name": MESSAGE, "audience": "all customers", "text": "${incident.name} goes on", "releasedBy": ROLE}
    policy["spec"]["messages"] = [message]


def admit(scene: Deciding, robot: str) -> None:
    everything, judging = [MAKES, holding()], [MAKES, holding(ROLE, UNASKED)]
    held = {MALLORY: [MAKES, PATCHES], ROBOT: everything, "opener": everything, **{judge: judging for judge in JUDGES}}
    names = {ROBOT: robot, "opener": ON_CALL}
    documents = [document for who, rules in held.items() for document in person(who, rules)]
    for document in documents:
        for subject in document.get("subjects", ()):
            subject["name"] = names.get(subject["name"], subject["name"])
    scene.kubectl.apply(documents)
    scene.declare("brief", playbook(timeout="1s", **MANY))
    scene.declare("single", under_way())


def incidents(first: Deciding, second: Deciding) -> dict[str, Object]:
    """One that was re-created comes back under its name; one of the same name is in the second namespace."""
    found = {name: first.opened(name) for name in ("open", "other", "rejected", "earlier", "broken")}
    found["under way"] = first.opened("under-way", "single")
    found["expired"] = first.incident(first.open("expired", playbookRef={"name": "brief"}))
    found["expired"] = first.until("expired", "Escalated", 60)
    second.opened("open")
    first.kubectl("delete", "incident", "earlier", "--timeout=60s")
    first.open("earlier", playbookRef={"name": "deciding"})
    found["again"] = first.until("earlier", "Waiting", 60)
    return found


async def controls(people: People, stage: Stage) -> None:
    """Each class's Decision, made rightly: it counts. Those of JUDGES[:3] are what is said again later."""
    for user in JUDGES[:3]:
        stage.counted[user] = await people.counts(user, stage.yes(user))
    await people.counts(JUDGES[1], stage.yes(JUDGES[1], "other"))
    await people.counts(JUDGES[0], stage.yes(JUDGES[0], "under way"))
    await people.counts(JUDGES[0], stage.said(Verb.Reject, JUDGES[0], "rejected"))
    await people.counts(JUDGES[3], stage.release(JUDGES[3], "other"))
    await people.counts(stage.robot, stage.said(Verb.Note, stage.robot))
    await people.counts(MALLORY, {**stage.said(Verb.Note, MALLORY), "incidentRef": stage.ref("in the second")}, where=1)
    await people.counts(ON_CALL, stage.said(Verb.Note, ON_CALL))


async def of_one_that_waits(people: People, stage: Stage) -> None:
    for verb in OF_ONE_THAT_WAITS:
        await people.counts(JUDGES[4], stage.said(verb, JUDGES[4], "broken"))


async def at_last(people: People, stage: Stage) -> None:
    """Of what runs, and of what ends by it: so after all that is tried."""
    who = JUDGES[4]
    for verb in OF_A_CHANGE:
        await people.counts(who, stage.said(verb, who, "under way"))
    await people.counts(who, stage.said(Verb.Confirm, who, "under way", step=ASKED["name"]))
    await people.counts(who, stage.said(Verb.Abort, who, "other"))
    await people.counts(who, stage.said(Verb.Close, who, "expired"))


async def tried(people: People, case: Case) -> tuple[str, Object | None]:
    """What the API server said against it; else the Decision, which was made. Of a status that it took: neither."""
    try:
        if case.status:
            await people.write(case.user, case.of, case.status)
            return "", None
        return "", await people.say(case.user, case.spec, case.where, **case.metadata)
    except Failure as failure:
        return failure.message, None


async def verdicts(people: People, some: list[Case]) -> list[tuple[Case, str, str]]:
    """Of each case how it ended (Refused, NoEffect, Counted), and why."""
    answers = [await tried(people, case) for case in some]
    made = [one for _, one in answers if one]
    came = dict(zip([one["metadata"]["uid"] for one in made], await people.recorded(*made), strict=True))

    def ended(said: str, one: Object | None) -> tuple[str, str]:
        status = came[one["metadata"]["uid"]] if one else {}
        return (status["effect"], status["message"]) if one else ("Refused" if said else "Counted", said)

    return [(case, *ended(*answer)) for case, answer in zip(some, answers, strict=True)]


async def before_the_policy(lone: Kubectl, people: People, stage: Stage) -> list[tuple[Case, str, str]]:
    """They wait while nobody vouches for anything, and are judged once the policy is there again."""
    await asyncio.to_thread(lone, "delete", BINDING)
    await asyncio.to_thread(holds, lambda: answer_to_forged(lone) == "")
    some = forging.before_the_policy(stage, PRE_POLICY)
    judging = asyncio.ensure_future(verdicts(people, some))

    async def made() -> bool:
        waiting = [obj for obj in (await people.all()).values() if "status" not in obj]
        return len(waiting) >= PRE_POLICY

    await until(made)
    await asyncio.to_thread(restore, lone)
    return await judging


@pytest.mark.requirement("A-17")
async def test_none_of_two_hundred_forged_decisions_is_accepted(
    alone: ClusterUnderTest, lone: Kubectl, scenes: tuple[Deciding, Deciding], closing_line: Callable[[str], None]
) -> None:
    first, second = scenes
    found = await asyncio.to_thread(incidents, first, second)
    found["in the second"] = await asyncio.to_thread(second.incident, "open")
    stage = Stage(found, {}, f"system:serviceaccount:{first.namespace}:{ROBOT}")
    async with connect(str(alone.kubeconfig)) as api:
        people = People(api, Discovery(api), (first.namespace, second.namespace))
        await controls(people, stage)
        await asyncio.to_thread(first.until_status, "under-way", ".reverts[0].state", "Owed", 60)
        await of_one_that_waits(people, stage)
        ended = await verdicts(people, forging.cases(stage))
        ended += await before_the_policy(lone, people, stage)
        judged(ended, closing_line)
        await after_all(people, stage)
        await at_last(people, stage)
        assert people.heard == set(Verb), "each verb counts where it may be said"
    assert approvals(first, "open") == {*JUDGES[:3], JUDGES[8]} and approvals(second, "open") == set()


def judged(ended: list[tuple[Case, str, str]], closing_line: Callable[[str], None]) -> None:
    classes = Counter(case.kind for case, _, _ in ended)
    accepted = sum(how == "Counted" for _, how, _ in ended)
    told = ", ".join(f"{kind} {number}" for kind, number in sorted(classes.items()))
    closing_line(f"{len(classes)} classes of forged decisions: {told}")
    closing_line(f"forged decisions: {len(ended)} tried, {accepted} accepted")
    wrong = [(case.kind, how, why, case.says) for case, how, why in ended if case.says not in why or how == "Counted"]
    assert wrong == []
    assert len(ended) >= AT_LEAST and accepted == 0


async def after_all(people: People, stage: Stage) -> None:
    """Incidents and policy are as good as before: who may is heard."""

    async def heard() -> bool:
        (status,) = await people.recorded(await people.say(JUDGES[8], stage.yes(JUDGES[8])))
        assert status["effect"] == "Counted" or "say it again" in status["message"], status
        return status["effect"] == "Counted"

    await until(heard, 30)
    await people.counts(JUDGES[8], stage.said(Verb.Note, JUDGES[8], "again"))


def approvals(scene: Deciding, name: str) -> set[str]:
    return {record["by"] for record in scene.incident(name)["status"].get("approvals", ())}

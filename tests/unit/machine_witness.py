"""What the cluster in memory saw of stanch, judged by the design's invariants; never by what stanch says of itself alone.

The witness stands at the API server. At each write to a target it looks at what is stored at that moment: evidence in the
packs (1), intent, image and time of the revert on the Incident (2, 4), the lock (6), what people said. Its ledger of changes
says what is still to be taken back, and by when.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from stanch.actions.effects import TOKEN
from stanch.domain.incident import OptionState, Phase, RevertState, Status, StepState
from stanch.domain.messages import MessageRecord, MessageState
from stanch.domain.plan import Ref
from stanch.domain.timeline import BROKEN_GLASS
from stanch.engine.ports import Object
from stanch.kube.locks import target_lease
from tests.unit.memory import Write
from tests.unit.world import OPERATOR

if TYPE_CHECKING:
    from tests.unit.machine_site import Ground

SUFFIX = "/revert"
AFTER = {"limit": timedelta(seconds=600), "bypass": timedelta(seconds=1200), "more": timedelta(seconds=900)}
REMOVED_AT_RECOVERY = ("limit", "bypass")
HOLD = timedelta(seconds=5)
FAILED = (OptionState.Denied, OptionState.Failed, OptionState.Inconclusive)


@dataclass
class Change:
    """One write of a step, as the server saw it. `fields`: field -> what it was, what stanch made of it."""

    token: str
    ref: Ref
    fields: dict[str, tuple[Any, Any]]
    due: datetime | None
    back: bool = False
    meddled: bool = False
    forgotten: bool = False

    @property
    def attempt(self) -> str:
        return self.token.split("/")[1]

    @property
    def option(self) -> str:
        return self.token.split("/")[2]

    @property
    def step(self) -> str:
        return self.token.split("/")[3]

    @property
    def place(self) -> tuple[str, str]:
        return self.option, self.step


class Witness:
    def __init__(self, site: Ground) -> None:
        self.site = site
        self.changes: list[Change] = []
        self.extended: dict[tuple[str, str], timedelta] = {}
        self.confirmed: set[tuple[str, str]] = set()
        self.demanded = False
        self.frozen_since: datetime | None = None
        self.guarded_since: datetime | None = None
        # Its status was lost, and nobody has said since that it goes on.
        self.came_back = self.lost = False
        # Intended before the loss, by token: such a write may be under way, and no status names any more what is to be fenced.
        # It is judged by what stood then: that status, and the evidence that was old.
        self._under_way: dict[str, tuple[Status, frozenset[str]]] = {}
        self._intents: dict[str, tuple[int, datetime]] = {}
        self._helped: set[tuple[int, str]] = set()
        self._answers: list[tuple[datetime, bool]] = []
        self._looked: frozenset[str] = frozenset()
        self._before: dict[int, Object] = {}
        self._phase = Phase.Opened
        self._released: list[MessageRecord] = []
        self.resolved_at: datetime | None = None

    @property
    def now(self) -> datetime:
        return self.site.server.time.now()

    def answered(self, well: bool) -> None:
        self._answers.append((self.now, well))

    def status_lost(self) -> None:
        """Which locks it held is lost with it: they fall to the next who asks."""
        status = self.site.status
        self._under_way |= {s.token: (status, self._looked) for s in status.steps if s.state is StepState.Intended}
        self.came_back, self.lost, self.resolved_at, self._phase = True, True, None, Phase.Opened
        for change in self.changes:
            change.meddled = change.forgotten = True

    # At the server.

    def before(self, write: Write) -> None:
        if write.user:
            self._before[write.number] = surface(self.site.found(write.ref))

    def after(self, write: Write) -> None:
        if write.user and write.verb == "patch":
            self._touched(write)
        elif write.ref.kind == "Incident" and write.subresource == "status":
            self._told(self.site.status)

    def _told(self, status: Status) -> None:
        """A status was stored: since when is which intent there, and is what it claims so?"""
        for step in status.steps:
            if step.state is StepState.Intended and self._intents.get(step.token, (0, None))[0] != step.attempts:
                self._intents[step.token] = step.attempts, self.now
                assert status.held is None, f"{step.token} was begun while {status.held} is on it"
        self._helped |= {(status.attempt, option.name) for option in status.options if option.state is OptionState.Confirmed}
        self._releases(status)
        came, self._phase = status.phase is not self._phase, status.phase
        if came and (status.phase is Phase.Mitigated or status.reason == "Resolved"):
            self._is_well(status)
        if came and status.reason == "Resolved":
            self.resolved_at = self.now

    def _releases(self, status: Status) -> None:
        """Only what whoever may has read (A-19), and then it stays as it is; of a status that is lost only its pack tells."""
        said = [one["spec"] for one in self.site.said() if one["spec"]["verb"] == "Release"]
        severity = status.classified.severity if status.classified else "P0"
        for record in status.messages:
            assert record.state is not MessageState.Draft or record.text == f"It is {severity}", f"{record.text}, not {severity}"
            if record.state is MessageState.Released and record not in self._released:
                read = any((one["role"], one["messageDigest"]) == ("comms", record.digest) for one in said)
                assert read, f"{record} is released, and nobody said so"
                self._released.append(record)
        changed = [record for record in self._released if record not in status.messages]
        assert self.lost or not changed, f"what was released is not as it was: {changed}, {status.messages}"

    def _is_well(self, status: Status) -> None:
        """No success without having seen it: now, and for as long as it must hold."""
        seen = [well for at, well in self._answers if at >= self.now - HOLD]
        assert seen and all(seen), f"{status.phase}, though the frontend answered {seen} in the last {HOLD}"

    def _touched(self, write: Write) -> None:
        was, now = self._before.pop(write.number), surface(self.site.found(write.ref))
        fields = {name: (was.get(name), now.get(name)) for name in {*was, *now} if was.get(name) != now.get(name)}
        token = write.body["metadata"]["annotations"].get(TOKEN)
        if token is None:
            assert not fields, f"a fence changed {fields}"
            return
        self._locked(write.ref)
        if not fields:
            self._unchanging(token.removesuffix(SUFFIX), write.ref)
        elif token.endswith(SUFFIX):
            self._taken_back(token.removesuffix(SUFFIX), fields)
        else:
            self._stepped(token, write.ref, fields)
        self._looked = self._listings()

    def _unchanging(self, token: str, ref: Ref) -> None:
        raise AssertionError(f"{token} was written and changes nothing")

    def _locked(self, ref: Ref) -> None:
        name = target_lease(self.site.found(ref)["metadata"]["uid"])
        lease = self.site.found(Ref("coordination.k8s.io/v1", "Lease", OPERATOR, name))
        holder = lease.get("spec", {}).get("holderIdentity")
        assert holder == self.site.incident_ref.uid, f"6: {ref} is written and its lock is held by {holder}"

    def _stepped(self, token: str, ref: Ref, fields: dict[str, tuple[Any, Any]]) -> None:
        assert token not in {change.token for change in self.changes}, f"3: {token} took effect twice"
        late = token in self._under_way
        assert late or not self.came_back, f"13: {token} was written, and nobody has said that the incident goes on"
        status, looked = self._under_way.get(token, (self.site.status, self._looked))
        change = Change(token, ref, fields, None, meddled=late, forgotten=late)
        (intent,) = [step for step in status.steps if step.token == token and step.state is StepState.Intended] or [None]
        assert intent is not None, f"2: {token} was written, and its intent is not stored: {status.steps}"
        assert self._line(change, f"intent/{intent.attempts}"), f"2: the timeline does not tell of {token} before it is written"
        self._evidence_first(token, looked)
        change.due = self._owed(change, status)
        assert "edited" not in [now for _, now in fields.values()], "the playbook that was pinned says otherwise"
        self._may(change, status)
        self.changes.append(change)

    def _evidence_first(self, token: str, looked: frozenset[str]) -> None:
        new = self._listings() - looked
        complete = [key for key in new if not json.loads(self.site.memory.objects[key]).get("missing")]
        assert complete, f"1: {token} was written without whole evidence from after the change before it: {new}"

    def _owed(self, change: Change, status: Status) -> datetime | None:
        """What must stand in the status before the change is made: the debt, its image, its absolute time."""
        if not self.promised(change):
            return None
        (debt,) = [record for record in status.reverts if record.token == change.token] or [None]
        assert debt is not None and debt.state is RevertState.Owed, f"4: nothing is owed for {change.token}"
        assert self.site.found(Ref("v1", "Secret", OPERATOR, debt.image)), f"2: there is no image of what {change.token} changes"
        if change.step not in AFTER:
            return None
        due = self._intents[change.token][1] + AFTER[change.step]
        assert debt.due_at == due, f"4: {change.token} is to be taken back at {debt.due_at}, expected {due}"
        return due

    def _may(self, change: Change, status: Status) -> None:
        since = self._intents[change.token][1]
        assert self.frozen_since is None or since <= self.frozen_since, f"{change.token} was begun while the policy is suspended"
        begin, end = self.site.window
        assert not begin <= since < end, f"{change.token} was begun at {since}, in the freeze window from {begin} to {end}"
        rests = change.step == "limit" and since < self.site.rested_at and not any(map(self._resumes, self.site.said()))
        assert not rests, f"{change.token} was begun at {since}, its target rests until {self.site.rested_at}"
        assert any(r.token == change.token and r.target == change.ref.uid for r in status.changes), f"{change.token} is not noted"
        held = change.step == "calm" and self.guarded_since is not None
        assert not held or since <= self.guarded_since, f"{change.token} takes pods that their budget does not let go"
        if change.option == "bypass":
            yes = {said["spec"]["by"] for said in self.site.said() if self._approves(said["spec"], status)} - {"alice"}
            glass = any(record.plan_digest == status.plan_digest for record in status.broken_glass)
            assert len(yes) >= 2 or (glass and self._broken(status)), f"{change.token} was written with the yes of {yes}"
            assert glass or not self.site.last or self._tried("shed", change, status), f"{change.token} came before the others"
            self._approved_what_is_there(change, status)
            self._approved_what_was_shown(change, status)
        for other in self.changes:
            if other.option != change.option and other.attempt == change.attempt and other.step == "calm":
                assert not self.open(other), f"{change.token} was written before {other.token} was taken back"

    def _tried(self, option: str, change: Change, status: Status) -> bool:
        """In this attempt; or it is known that it does not fit."""
        written = any(other.option == option and other.attempt == change.attempt for other in self.changes)
        return written or status.facts.get("overloaded") == "false"

    def _approved_what_is_there(self, change: Change, status: Status) -> None:
        """Nobody's yes that was said after the worker was another one is taken for the one before. UIDs count upwards."""
        planned, now = (next(target.ref.uid for target in status.targets if target.name == "worker"), self.site.worker.uid)
        said_of = [*status.approvals, *(glass for glass in status.broken_glass if glass.plan_digest == status.plan_digest)]
        names = {record.decision for record in said_of if record.option == change.option}
        last = max(said["metadata"]["uid"] for said in self.site.said() if said["metadata"]["name"] in names)
        assert now == planned or now > last, f"{change.token} was written with approvals for a worker that was gone already"

    def _approved_what_was_shown(self, change: Change, status: Status) -> None:
        """The worker has as many pods more as people saw that it would get."""
        name = f"plans/{status.attempt}-{status.plan_digest[7:19]}.json"
        (stored,) = [data for key, data in self.site.memory.objects.items() if key.endswith(name)]
        steps = [step for option in json.loads(stored)["options"] if option["name"] == "bypass" for step in option["steps"]]
        shown = {step["name"]: step["preview"] for step in steps}[change.step]
        was, becomes = change.fields.get("replicas", ("", ""))
        assert change.step != "more" or f"replicas {was} -> {becomes}" in shown, f"{change.token} was shown as {shown}"

    @staticmethod
    def _resumes(said: Object) -> bool:
        return said["spec"]["verb"] == "Resume"

    @staticmethod
    def _approves(spec: Object, status: Status) -> bool:
        return spec["verb"] == "Approve" and spec["option"] == "bypass" and spec["planDigest"] == status.plan_digest

    def _broken(self, status: Status) -> bool:
        """Whether somebody broke the glass for this plan, and it is told (A-16)."""
        said = (one["spec"] for one in self.site.said() if one["spec"]["verb"] == "BreakGlass")
        told = any(key.endswith(f"/{BROKEN_GLASS}") for key in self.keys())
        return told and any(one["planDigest"] == status.plan_digest for one in said)

    def _taken_back(self, token: str, fields: dict[str, tuple[Any, Any]]) -> None:
        (change,) = [change for change in self.changes if change.token == token] or [None]
        assert change is not None, f"4: {token} is taken back and was never made"
        assert not change.back, f"3: {token} was taken back twice"
        assert fields.items() <= {name: (ours, was) for name, (was, ours) in change.fields.items()}.items(), (
            f"4: taking back {token} changed {fields}, its own were {change.fields}")  # fmt: skip
        status = self.site.status
        intended = [record for record in status.reverts if record.token == token and record.state is RevertState.Intended]
        assert intended, f"2: {token} was taken back, and that is not stored as intended"
        assert change.due is None or self.now >= change.due or self._early(change, status), f"4: {token} was taken back early"
        change.back = True

    def _early(self, change: Change, status: Status) -> bool:
        """Whether anybody asked for it: a person, its option that did not help, recovery."""
        failed = not self.site.kept and any(o.name == change.option == "shed" and o.state in FAILED for o in status.options)
        recovered = status.phase is Phase.Mitigated and change.step in REMOVED_AT_RECOVERY
        return self.demanded or failed or recovered

    # What is open.

    def promised(self, change: Change) -> bool:
        """Whether it is to be taken back at all. An option that helped keeps what was not temporary."""
        if change.step in AFTER:
            return True
        return not self.site.kept and (int(change.attempt), change.option) not in self._helped

    def open(self, change: Change) -> bool:
        """Whether it is to be taken back, and can be by stanch alone: it still holds on the object."""
        if change.back or change.meddled or change.place in self.confirmed or not self.promised(change):
            return False
        now = surface(self.site.found(change.ref))
        return any(now.get(name) == ours for name, (_, ours) in change.fields.items())

    def contested(self, change: Change) -> bool:
        """Whether only a person can settle it."""
        now = surface(self.site.found(change.ref))
        foreign = any(now and now.get(name) not in pair for name, pair in change.fields.items())
        return foreign and not change.forgotten and self.promised(change) and not change.back and change.place not in self.confirmed

    def latest(self, change: Change) -> datetime | None:
        """When it must be taken back, with what people gave it."""
        return change.due and change.due + self.extended.get(change.place, timedelta())

    def meddle(self, ref: Ref, field: str) -> None:
        for change in self.changes:
            if change.ref == ref and field in change.fields:
                change.meddled = True

    # What is stored.

    def _listings(self) -> frozenset[str]:
        return frozenset(key for key in self.site.memory.objects if "/captures/" in key)

    def _line(self, change: Change, what: str) -> bool:
        return f"{change.attempt}/step/{change.option}/{change.step}/{what}" in self.keys()

    def told(self, change: Change) -> bool:
        """Whether the timeline says what came of it."""
        return change.forgotten or self._line(change, "result") or f"{change.attempt}/aborted" in self.keys()

    def keys(self) -> set[str]:
        return {entry.line.key for entry in self.site.chain}


def surface(obj: Object) -> dict[str, Any]:
    """The fields of an object that a step may change: a ConfigMap's keys, a Deployment's pods and variables, an owner's rest."""
    if obj.get("kind") == "ConfigMap":
        return dict(obj.get("data", {}))
    if obj.get("kind") == "Kustomization":
        return {"suspend": obj["spec"].get("suspend", False)}
    if obj.get("kind") != "Deployment":
        return {}
    containers = obj["spec"]["template"]["spec"]["containers"]
    variables = {item["name"]: item["value"] for container in containers for item in container.get("env", ())}
    return {"replicas": obj["spec"]["replicas"], **variables}

"""Plays one incident through the pure engine: a world that answers effects as a test says, and a clock it moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from stanch.domain.decision import Decision, Verb
from stanch.domain.incident import Facts, Mode, Phase, Status, Verdict
from stanch.domain.plan import Approval, Check, Occasion, Option, Pin, Plan, Ref, Step, Target
from stanch.domain.timeline import Entry, File
from stanch.engine import moves, outcomes
from stanch.engine.decide import decide
from stanch.engine.moves import Effect, Move, Snapshot
from stanch.engine.outcomes import Outcome
from stanch.engine.parts import Reading
from stanch.engine.vouching import Lapse, Trust, Vouched

T0 = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
# The admission policy stands there since long before anything that a test tells.
BEFORE = datetime(2020, 1, 1, tzinfo=UTC)
TRUSTED = Vouched("policy/1 binding/1", BEFORE, BEFORE)
APP = Ref("apps/v1", "Deployment", "aureus", "frontend", "uid-app")
DIGEST = "sha256:" + "d" * 64

YES = Reading(Verdict.Confirmed, "200")
NO = Reading(Verdict.Denied, "502")
UNKNOWN = Reading(Verdict.Inconclusive, "no answer")
# What is prepared for a step that can be taken back.
REVERSIBLE = outcomes.Prepared("41", "sha256:" + "b" * 64, "revision 3 -> 2", image="image", ref=APP)


def facts(**changes: Any) -> Facts:
    base = Facts(namespace="aureus", name="frontend-502", uid="uid-inc", generation=1, created_at=T0, opened_by="alice",
                 title="502 on every page", type="availability", severity="P0", component="frontend", mode=Mode.Live,
                 labels={})  # fmt: skip
    return replace(base, **changes)


def option(name: str, **changes: Any) -> Option:
    action = {"restart": "rolloutRestart"}.get(name, "rolloutUndo")
    base = Option(name, steps=(Step(name, action, "app", expect="pods ready"),),
                  verify=(Check("health", "http", within=timedelta(seconds=30), hold_for=timedelta(seconds=60)),))  # fmt: skip
    return replace(base, **changes)


def plan(*options: Option, **changes: Any) -> Plan:
    base = Plan(incident_uid="uid-inc", attempt=1, playbook=Pin("frontend-down", "uid-pb", 3),
                service_account=Pin("remediator", "uid-sa"), namespace="aureus", targets=(Target("app", APP),),
                occasion=Occasion("availability", "P0", "frontend"),
                options=options or (option("restart"), option("undo")))  # fmt: skip
    return replace(base, **changes)


def approval(**roles: int) -> Approval:
    return Approval({role.replace("_", "-"): count for role, count in roles.items()}, timedelta(minutes=15))


@dataclass
class Play:
    """`answers` maps an effect type to an outcome, or to a function of the effect; changed freely by a test."""

    plan: Plan = field(default_factory=plan)
    facts: Facts = field(default_factory=facts)
    status: Status = field(default_factory=Status)
    now: datetime = T0
    epoch: int = 1
    close_role: str = ""
    found: Mapping[str, str] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    chain: list[Entry] = field(default_factory=list)
    performed: list[Effect] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    readings: Mapping[str, Reading] = field(default_factory=lambda: {"health": YES})
    answers: dict[type, Outcome | Callable[[Any], Outcome]] = field(default_factory=dict)
    store_error: str = ""
    trust: Trust = TRUSTED
    lapses: tuple[Lapse, ...] = ()
    marks: moves.Marks = field(default_factory=moves.Marks)
    crowd: int = 0
    statuses: list[Status] = field(default_factory=list)

    def answer(self, effect: Effect) -> Outcome:
        self.performed.append(effect)
        given = self.answers.get(type(effect))
        if given is not None:
            return given(effect) if callable(given) else given
        return getattr(self, "_" + type(effect).__name__.lower())(effect)

    def _resolve(self, effect: moves.Resolve) -> Outcome:
        self.plan = replace(self.plan, attempt=effect.attempt)
        return outcomes.Resolved(self.plan, DIGEST, Pin("aureus"), self.close_role, self.found, "file:///packs/x")

    def _capture(self, effect: moves.Capture) -> Outcome:
        listing = File(f"captures/{effect.label}.json", "0" * 64, 10)
        baseline = {"health": NO} if effect.baseline else {}
        return outcomes.Captured(self.now, 3, 300, (), listing, baseline)

    def _recognize(self, effect: moves.Recognize) -> Outcome:
        return outcomes.Done()

    def _prepare(self, effect: moves.Prepare) -> Outcome:
        return outcomes.Prepared("41", "sha256:" + "b" * 64, f"{effect.step}: revision 3 -> 2")

    def _write(self, effect: moves.Write) -> Outcome:
        if effect.token in self.written:
            return outcomes.Written("observed", found=True)
        if effect.fence:
            return outcomes.Stale("it was not written")
        self.written.append(effect.token)
        return outcomes.Written("written", found=False)

    def _preparerevert(self, effect: moves.PrepareRevert) -> Outcome:
        return outcomes.Prepared("51", "", f"take back {effect.token}")

    def _writerevert(self, effect: moves.WriteRevert) -> Outcome:
        if effect.token in self.taken:
            return outcomes.Written("observed", found=True)
        if effect.fence:
            return outcomes.Stale("it was not written")
        self.taken.append(effect.token)
        return outcomes.Written("taken back", found=False)

    def _read(self, effect: moves.Read) -> Outcome:
        return outcomes.Readings(dict(self.readings))

    def _release(self, effect: moves.Release) -> Outcome:
        return outcomes.Done()

    def _seal(self, effect: moves.Seal) -> Outcome:
        return outcomes.Sealed(File("manifest.json", "e" * 64, 10))

    def _mark(self, effect: moves.Mark) -> Outcome:
        self.decisions = [replace(d, recorded=True) if d.name == effect.decision else d for d in self.decisions]
        return outcomes.Done()

    def step(self, effect: Effect | None = None, outcome: Outcome | None = None) -> Move:
        """One decision, stored."""
        held = None if self.status.phase in (Phase.Opened, Phase.Waiting) else self.plan
        said = tuple(self.decisions)
        snapshot = Snapshot(self.facts, self.status, held, said, self.epoch, self.trust, effect, outcome, self.store_error,
                            self.lapses, self.marks, self.crowd)  # fmt: skip
        move = decide(snapshot, self.now)
        if not self.store_error and move.status != self.status:
            self.chain += [entry for entry in move.status.pack.pending if entry.seq > len(self.chain)]
        self.status = move.status
        self.statuses.append(move.status)
        if isinstance(outcome, outcomes.Bound | outcomes.Differs) and move.status.plan_digest == outcome.digest:
            self.plan = outcome.plan
        return move

    def tick(self) -> Move:
        """Until an effect is no longer needed. As in the runtime, what came of an effect is still looked at after a Mark."""
        effect: Effect | None = None
        outcome: Outcome | None = None
        self.marks = moves.Marks()
        move = self.step()
        for _ in range(200):
            if move.effect is None:
                return move
            if isinstance(move.effect, moves.Mark):
                self.marks = self.marks.after(move.effect, self.answer(move.effect))
            else:
                effect, outcome = move.effect, self.answer(move.effect)
            move = self.step(effect, outcome)
        raise AssertionError("the engine does not come to rest")

    def until(self, *phases: Phase, limit: timedelta = timedelta(hours=2)) -> Move:
        """Ticks at each wake time until one of these phases."""
        end = self.now + limit
        move = self.tick()
        while self.status.phase not in phases:
            assert move.wake_at is not None, f"{self.status.phase} waits for {self.status.waits_for!r} without a wake time"
            assert move.wake_at <= end, f"still {self.status.phase} at {end}: {self.status.message}"
            self.now = max(move.wake_at, self.now + timedelta(milliseconds=1))
            move = self.tick()
        return move

    def say(self, verb: Verb, by: str = "bob", role: str = "", option: str = "", digest: str = DIGEST, **changes: Any) -> Decision:
        number = len(self.decisions) + 1
        decision = Decision(namespace="aureus", name=f"d{number}", uid=f"uid-d{number}", incident="frontend-502",
                            incident_uid="uid-inc", verb=verb, role=role, by=by,
                            reason="because", option=option, plan_digest=digest, created_at=self.now, recorded=False)  # fmt: skip
        decision = replace(decision, **changes)
        self.decisions.append(decision)
        return decision

    @property
    def lines(self) -> list[str]:
        return [entry.line.key for entry in self.chain]

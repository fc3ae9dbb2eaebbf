"""What an action, a check and a source of evidence is made of. Each is one module with one constant of one of these types."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from stanch.domain.access import Rule
from stanch.domain.incident import Verdict
from stanch.domain.plan import FactType, Ref, Risk
from stanch.domain.timeline import File
from stanch.engine.ports import Cluster, Object, Pack, Web


class EffectClass(StrEnum):
    """How an action keeps the promise of exactly one effect (design, invariant 3). `none`: it has no effect (wait, askPerson)."""

    none = "none"

    cas = "cas"
    named_create = "namedCreate"
    uid_precondition = "uidPrecondition"
    at_most_once = "atMostOnce"


# Annotation of the mark by which a new leader moves a target's version on: no write of the old one gets in after it.
EPOCH = "stanch.dev/epoch"

# What was measured, or printed by a command: typed once, by its source.
Value = str | int | float | bool


@dataclass(frozen=True)
class Stage:
    """Where an action acts: as the playbook's ServiceAccount, which `account` names. `folder` is where in the pack a step keeps
    what it printed."""

    cluster: Cluster
    web: Web
    pack: Pack
    namespace: str
    folder: str
    account: str = ""


@dataclass(frozen=True)
class Before:
    """What an action reads before it plans: the target ({} where it has none), and what else it needs (revisions, newest first)."""

    target: Object
    related: tuple[Object, ...] = ()


@dataclass(frozen=True)
class Change:
    """What an action is about to write: one merge patch on one object, the whole object that it creates, the one that it
    deletes as it is to be given back (`uidPrecondition`), or (`atMostOnce`) what it is about to send, without secrets.

    `summary` tells a person what it does ("revision 3 -> 2, image app:v2 -> app:v1"); `why` how a choice was made
    ("revision 2 is marked stable by annotation").
    """

    ref: Ref
    patch: Mapping[str, Any]
    summary: str
    why: str = ""


@dataclass(frozen=True)
class Effected:
    """What came of `apply`. `unknown` says why nobody can tell whether it took effect (`atMostOnce` only); `failed` that it
    took effect and went wrong (exit code 1). `output` becomes the step's fact; `files` are what it printed, in the pack."""

    summary: str
    failed: str = ""
    unknown: str = ""
    output: Value | None = None
    files: tuple[File, ...] = ()


@dataclass(frozen=True)
class Underway:
    """What a step that goes on by itself (a Job) has come to: not over, or over with this outcome."""

    message: str
    over: Effected | None = None


class RevertConflict(Exception):
    """Somebody changed what an inverse would take back. The message says which field, what we wrote and what is there."""


@dataclass(frozen=True)
class Action:
    """A typed verb of a step. `params` is a pydantic model; `plan` and `inverse` are pure.

    `kinds`: of the target that it must be given; empty: it has no target. `read` comes before `plan`, as the playbook's
    ServiceAccount. `apply` performs the change: by compare-and-swap on the version given (`cas`), by create (`namedCreate`),
    by deletion of that UID and version (`uidPrecondition`), or at once (`atMostOnce`). `observe` tells by its token whether the
    write is on the object (`cas`, `namedCreate`).
    `inverse(before, change, seen, token)` is three-way: the change that takes `change` back from the object `seen`, bearing
    `token`; None where there is nothing left to take back; raises `RevertConflict`. What was deleted (`uidPrecondition`) is
    looked for by its name: `seen` is empty where there is none, and the change then is to create it. Absent: `irreversible`
    says why.
    `settle` is asked until a step that goes on by itself is over; absent: it is over once written.
    `stays`: how long at least what it creates is there (`namedCreate`); an older intent whose object is not there says nothing.
    `consumers`: name of the parameter that lists targets to restart afterwards (steps of their own); empty: it has none.
    `asks`: role whose Confirm the step waits for; `pauses`: how long it waits (class `none` only).
    `takes_pods`: it may end pods of its target, so that guards look at how many are available.
    `reach`: what it may change that nobody can tell beforehand (who approves reads it); empty: its target, or what it creates.
    """

    name: str
    summary: str
    params: type
    kinds: frozenset[str]
    effect_class: EffectClass
    risk: Risk
    irreversible: str
    rules: Callable[[Any, str, Ref | None], tuple[Rule, ...]]
    read: Callable[[Stage, Ref | None, Any], Awaitable[Before]] | None = None
    plan: Callable[[Before, Any, str], Change] | None = None
    observe: Callable[[Object, str], bool] | None = None
    apply: Callable[[Stage, Change, str], Awaitable[Effected]] | None = None
    inverse: Callable[[Before, Change, Object, str], Change | None] | None = None
    settle: Callable[[Stage, Change], Awaitable[Underway]] | None = None
    stays: Callable[[Any], timedelta] = lambda _: timedelta.max
    consumers: str = ""
    asks: Callable[[Any], str] = lambda _: ""
    pauses: Callable[[Any], timedelta | None] = lambda _: None
    takes_pods: bool = False
    reach: str = ""


@dataclass(frozen=True)
class Reading:
    """What a check saw once. `final` denied readings need not be waited out (the rollout has failed for good).
    `value` is what was measured, where the check measures something."""

    verdict: Verdict
    message: str
    final: bool = False
    value: Value | None = None


@dataclass(frozen=True)
class CheckScope:
    """Where a check looks: as the playbook's ServiceAccount, at one target (None where the check has none).
    `baseline` is what it measured before the first change, where it did; `since` when the change came that it is to judge."""

    cluster: Cluster
    web: Web
    namespace: str
    target: Ref | None
    baseline: Value | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class CheckKind:
    """A kind of verification. `read` never raises for what it could not read: that is an Inconclusive reading.

    `gives`: the type of what it measures; where it measures nothing, its verdict counts, a Boolean.
    `may_target`: it can have a target and need not (then it says itself what it looks at).
    `reach`: what it may change although it should only read; empty: nothing.
    """

    name: str
    summary: str
    params: type
    needs_target: bool
    rules: Callable[[Any, str, Ref | None], tuple[Rule, ...]]
    read: Callable[[CheckScope, Any], Awaitable[Reading]]
    may_target: bool = False
    gives: Callable[[Any], FactType] = lambda _: FactType.Boolean
    reach: str = ""


@dataclass
class Ledger:
    """What a capture has got so far. Filled in place, so that what was done when the budget ended is not lost.

    `notes` are findings that are neither missing nor cut (a container that never started). `pending` names what is owed
    and not there yet: what is left in it when the budget ends is missing.
    """

    files: list[File] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pending: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Scope:
    """Where a source of evidence looks and writes.

    `folder` is this capture's name part, e.g. `before-1`; file names carry `at` as `%Y%m%dT%H%M%SZ`.
    """

    cluster: Cluster
    pack: Pack
    namespace: str
    targets: tuple[Ref, ...]
    at: datetime
    folder: str
    ledger: Ledger


@dataclass(frozen=True)
class SourceKind:
    """A source of evidence. What it cannot read from the cluster goes into the ledger's `missing`; `collect` raises only
    when cancelled, or when the pack does not take a file (then the capture as a whole has failed)."""

    name: str
    summary: str
    params: type
    rules: Callable[[Any, str, tuple[Ref, ...]], tuple[Rule, ...]]
    collect: Callable[[Scope, Any], Awaitable[None]]

"""What an action, a check and a source of evidence is made of. Each is one module with one constant of one of these types."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from stanch.domain.access import Rule
from stanch.domain.incident import Verdict
from stanch.domain.plan import Ref, Risk
from stanch.domain.timeline import File
from stanch.engine.ports import Cluster, Object, Pack, Web


class EffectClass(StrEnum):
    """How an action keeps the promise of exactly one effect (design, invariant 3)."""

    cas = "cas"
    named_create = "namedCreate"
    uid_precondition = "uidPrecondition"
    at_most_once = "atMostOnce"


@dataclass(frozen=True)
class Before:
    """What an action reads before it plans: the target, and what else it needs (revisions, newest first)."""

    target: Object
    related: tuple[Object, ...] = ()


@dataclass(frozen=True)
class Change:
    """What an action is about to write: one merge patch on one object.

    `summary` tells a person what it does ("revision 3 -> 2, image app:v2 -> app:v1"); `why` how a choice was made
    ("revision 2 is marked stable by annotation").
    """

    ref: Ref
    patch: Mapping[str, Any]
    summary: str
    why: str = ""


@dataclass(frozen=True)
class Action:
    """A typed verb of a step. `params` is a pydantic model; `plan` and `inverse` are pure."""

    name: str
    summary: str
    params: type
    kinds: frozenset[str]
    effect_class: EffectClass
    risk: Risk
    irreversible: str
    rules: Callable[[Any, Ref], tuple[Rule, ...]]
    read: Callable[[Cluster, Ref, Any], Awaitable[Before]]
    plan: Callable[[Before, Any, str], Change]
    observe: Callable[[Object, str], bool]
    apply: Callable[[Cluster, Change, str], Awaitable[Object]]
    inverse: Callable[[Before, Change], Change] | None


@dataclass(frozen=True)
class Reading:
    """What a check saw once. `final` denied readings need not be waited out (the rollout has failed for good)."""

    verdict: Verdict
    message: str
    final: bool = False


@dataclass(frozen=True)
class CheckScope:
    """Where a check looks: as the playbook's ServiceAccount, at one target (None where the check has none)."""

    cluster: Cluster
    web: Web
    namespace: str
    target: Ref | None


@dataclass(frozen=True)
class CheckKind:
    """A kind of verification. `read` never raises for what it could not read: that is an Inconclusive reading."""

    name: str
    summary: str
    params: type
    needs_target: bool
    rules: Callable[[Any, str, Ref | None], tuple[Rule, ...]]
    read: Callable[[CheckScope, Any], Awaitable[Reading]]


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

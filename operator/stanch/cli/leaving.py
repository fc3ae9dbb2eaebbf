"""`stanch uninstall`: what comes before stanch is removed. Its incidents end, what they owe is taken back, what stays is said.

An Incident that holds something bears stanch's finalizer. Such ones are deleted: the operator takes back what they owe, seals
their packs and lets them go. Read raw: one that a later version of stanch wrote is not passed over.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from stanch.cli import freezing, reverts
from stanch.cli.decide import agreed
from stanch.cli.ending import Code, Ending
from stanch.cli.freezing import Asking, Switch
from stanch.cli.listing import text
from stanch.cli.output import say, warn
from stanch.cli.owed import STUCK
from stanch.cli.session import API_VERSION, Session
from stanch.domain.duration import parse
from stanch.domain.plan import Ref
from stanch.engine.errors import NotFound, Refused, Retryable
from stanch.engine.ports import Object
from stanch.packs.render import printable
from stanch.runtime.settings import LEADER
from stanch.runtime.write import FINALIZER

POLL = 2.0
# Looks in a row that find nothing: what an operator began before it saw a freeze shows at the second.
CALM = 2
# A leader renews every 2 s: one that was not heard of for so long is not there.
SILENT = timedelta(seconds=30)
NAMED = 3
UNDER_WAY = "status.rests!=true"

Sleep = Callable[[float], Awaitable[None]]

WHAT_STAYS = (
    "What stays until you take it away, beside what is said above:",
    "  the kinds with their objects (kubectl delete -k takes them along, helm uninstall does not);",
    "  in the operator's namespace the claim stanch-packs with the evidence, plans (ConfigMaps), what was before (Secrets);",
    "  in other namespaces what `stanch rbac` printed for their playbooks.",
)
TAKEN_UP = "a stanch that is installed again takes them up, and back what they owe; or let one go without it, by hand:"
BY_HAND = '  kubectl -n NAMESPACE patch incident NAME --type=merge -p \'{"metadata":{"finalizers":null}}\''


@dataclass(frozen=True)
class Scope:
    """`namespaces` empty: all. `patience`: how long the operator may take."""

    namespaces: tuple[str, ...]
    operator_namespace: str
    patience: timedelta

    def __str__(self) -> str:
        return f"namespaces {', '.join(self.namespaces)}" if self.namespaces else "any namespace"


def scope(namespaces: Iterable[str], operator_namespace: str, timeout: str) -> Scope:
    """Raises `Ending` (Unusable)."""
    try:
        return Scope(tuple(dict.fromkeys(namespaces)), operator_namespace, parse(timeout))
    except ValueError as error:
        raise Ending(f"--timeout: {error}", Code.Unusable) from error


@dataclass(frozen=True)
class Held:
    """An Incident under way that holds something; `owed` as `stanch reverts` shows it."""

    ref: Ref
    going: bool
    phase: str
    waits_for: str
    owed: tuple[Object, ...]

    def __str__(self) -> str:
        return printable(f"{self.ref.namespace}/{self.ref.name}")

    @property
    def stuck(self) -> bool:
        """Nothing more is taken back until a person has said something."""
        return self.going and bool(self.owed) and all(text(one, "state") in STUCK for one in self.owed)


@dataclass
class Walk:
    """What one run of the command knows. `spared`: UIDs of those that could not be deleted."""

    session: Session
    scope: Scope
    sleep: Sleep
    spared: set[str] = field(default_factory=set)
    told: str = ""
    # How many that hold nothing the last look found under way.
    others: int = 0

    def now(self) -> datetime:
        return self.session.clock.now()

    def in_vain(self, one: Held) -> bool:
        """Whether waiting for it changes nothing."""
        return one.stuck or one.ref.uid in self.spared


async def leave(session: Session, scope: Scope, asking: Asking, sleep: Sleep = asyncio.sleep) -> None:
    """Raises `Ending` (Problems) when something is left that is owed, or when nobody is there to take it back."""
    walk = Walk(session, scope, sleep)
    try:
        await end_all(walk, asking)
    except Refused as failure:
        if failure.reason != "UnknownKind":
            raise
        say("this cluster does not know stanch's kinds: there is nothing to take back")


async def end_all(walk: Walk, asking: Asking) -> None:
    held = await look(walk)
    await ready(walk, held)
    agreed(asking.question, sys.stdin.isatty(), asking.yes, f"End every incident that holds something in {walk.scope}")
    await stop(walk)
    if held := await until_free(walk):
        stays(held, walk.now())
        raise Ending(f"{len(held)} incident{'s' * (len(held) > 1)} still there, see above")
    farewell(walk.others)


async def ready(walk: Walk, held: list[Held]) -> None:
    """Says what is to come. Raises `Ending` where nobody is there to do it."""
    if not held:
        return say(f"no incident holds anything in {walk.scope}")
    if absent := await nobody_leads(walk):
        stays(held, walk.now())
        raise Ending(f"{absent}: nothing would be taken back, and nothing was changed; start it, and say this again")
    say("These incidents are to end; what they owe is taken back first:")
    for line in table(held, walk.now()):
        say(f"  {line}")


def farewell(others: int) -> None:
    say("Nothing is owed any more.")
    if others:
        say(f"{others} under way that hold nothing stay: they go on where stanch is installed again.")
    for line in WHAT_STAYS:
        say(line)


async def look(walk: Walk) -> list[Held]:
    """Those that hold something, by name."""
    found, walk.others = [], 0
    async for item in under_way(walk):
        if FINALIZER in (item["metadata"].get("finalizers") or ()):
            found.append(held_by(item))
        else:
            walk.others += 1
    return sorted(found, key=str)


async def under_way(walk: Walk) -> AsyncIterator[Object]:
    for namespace in walk.scope.namespaces or ("",):
        async for item in walk.session.cluster.list(API_VERSION, "Incident", namespace, fields=UNDER_WAY):
            yield item


def held_by(item: Object) -> Held:
    metadata, status = item["metadata"], item.get("status") or {}
    ref = Ref(API_VERSION, "Incident", metadata["namespace"], metadata["name"], metadata["uid"])
    going = "deletionTimestamp" in metadata
    return Held(ref, going, text(status, "phase"), text(status, "waitsFor"), tuple(reverts.owed(item)))


def table(held: Iterable[Held], now: datetime) -> list[str]:
    """What is owed, as `stanch reverts -A` shows it, and the incidents that owe nothing."""
    held = list(held)
    lines = reverts.lines(reverts.ordered([item for one in held for item in one.owed]), now, True)
    return lines + [f"{one}: {one.phase}, owes nothing" for one in held if not one.owed]


async def nobody_leads(walk: Walk) -> str:
    """Why nothing would be taken back; empty: somebody leads, or who asks may not know."""
    namespace = walk.scope.operator_namespace
    try:
        lease = await walk.session.cluster.get(Ref("coordination.k8s.io/v1", "Lease", namespace, LEADER))
    except NotFound:
        return f"no operator leads in namespace {namespace} (--operator-namespace names another)"
    except Refused as failure:
        warn(f"whether an operator is there is not known: {failure.message}")
        return ""
    silent = walk.now() - datetime.fromisoformat(lease["spec"]["renewTime"])
    if lease["spec"].get("holderIdentity") and silent < SILENT:
        return ""
    return f"no operator leads in namespace {namespace} (kubectl -n {namespace} get pods)"


async def stop(walk: Walk) -> None:
    """Nothing new is changed from here on: but for namespaces that are named, whose policies others share."""
    if walk.scope.namespaces:
        return say("policies are not frozen, others may share them: open no incidents from here on")
    cluster, switch = walk.session.cluster, Switch(True, "", True)
    found = [item async for item in cluster.list(API_VERSION, "ResponsePolicy", "") if not freezing.suspended(item)]
    failed = [policy for policy in found if not await freezing.switched(walk.session, policy, switch)]
    if failed:
        names = ", ".join(freezing.title(policy) for policy in failed)
        raise Ending(f"{names}: not frozen, so incidents might go on changing things; nothing was taken back")
    say("Where stanch is installed again, it changes something only after `stanch unfreeze --all`.")


async def until_free(walk: Walk) -> list[Held]:
    """Deletes those that hold something, also what begins to meanwhile. What still holds something at the end."""
    until, calm = walk.now() + walk.scope.patience, 0
    while True:
        held = await patiently(walk)
        calm = 0 if held is None or held else calm + 1
        over = walk.now() >= until
        if held is None and over:
            raise Ending("the API server does not answer: what is still owed is not known; say this again")
        if held is not None and (over or calm == CALM or (held and all(walk.in_vain(one) for one in held))):
            return held
        await walk.sleep(POLL)


async def patiently(walk: Walk) -> list[Held] | None:
    """One look, and what follows from it. None: the API server did not answer."""
    try:
        held = await look(walk)
        for one in held:
            await end(walk, one)
    except Retryable as failure:
        warn(f"not up to date: {failure.message}")
        return None
    tell(walk, held)
    return held


async def end(walk: Walk, one: Held) -> None:
    """Raises `Retryable`."""
    if one.going or one.ref.uid in walk.spared:
        return
    try:
        await walk.session.cluster.delete(one.ref)
    except NotFound:
        return
    except Refused as failure:
        walk.spared.add(one.ref.uid)
        warn(f"{one} could not be deleted: {failure.message}")


def tell(walk: Walk, held: list[Held]) -> None:
    """One line for each change."""
    named = ", ".join(f"{one} ({one.phase}, owes {len(one.owed)})" for one in held[:NAMED])
    line = f"{len(held)} to go: {named}{', …' if len(held) > NAMED else ''}" if held else ""
    if line and line != walk.told:
        say(line)
    walk.told = line


def stays(held: list[Held], now: datetime) -> None:
    say("This stays, with stanch's finalizer, which also keeps its namespace:")
    for line in table(held, now):
        say(f"  {line}")
    for one in held:
        if one.waits_for:
            say(printable(f"  {one} waits for {one.waits_for}"))
    if any(one.stuck for one in held):
        say("What cannot be taken back waits for a person: `stanch confirm INCIDENT STEP` says that it is dealt with. Else")
    say(TAKEN_UP)
    say(BY_HAND)

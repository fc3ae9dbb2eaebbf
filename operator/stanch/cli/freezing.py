"""`stanch freeze` and `stanch unfreeze`: the kill switch of a ResponsePolicy, `spec.suspended`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from stanch.cli.decide import agreed
from stanch.cli.ending import Code, Ending
from stanch.cli.output import say, warn
from stanch.cli.session import API_VERSION, Session
from stanch.domain.plan import Ref
from stanch.engine.errors import Failure
from stanch.engine.ports import Object
from stanch.packs.render import printable

KIND = "ResponsePolicy"
FOLLOWS = {
    True: (
        "Nothing further is written for any incident under it. Incidents are still planned, captured and watched.",
        "What was changed for a time is still taken back at its time: `stanch reverts -A` lists it.",
    ),
    False: ("Incidents under it go on from where they stand, and write again.",),
}


@dataclass(frozen=True)
class Switch:
    """`policy` empty and not `everything`: the only one there is. `suspended` is what it is set to."""

    suspended: bool
    policy: str
    everything: bool

    @property
    def verb(self) -> str:
        return "Freeze" if self.suspended else "Unfreeze"


@dataclass(frozen=True)
class Asking:
    """`yes`: do not ask; else `question` does."""

    yes: bool
    question: Callable[[str], bool]


async def turn(session: Session, switch: Switch, asking: Asking) -> None:
    """Sets every policy that is meant, also after one that failed. Raises `Ending` (Problems) when one did."""
    found = await chosen(session, switch)
    left = [policy for policy in found if suspended(policy) != switch.suspended]
    for policy in found:
        if policy not in left:
            say(f"{title(policy)} is {'frozen' if switch.suspended else 'not frozen'} already")
    if not left:
        return
    names = ", ".join(title(policy) for policy in left)
    for line in (f"{switch.verb} {names}:", *(f"  {line}" for line in FOLLOWS[switch.suspended])):
        say(line)
    agreed(asking.question, sys.stdin.isatty(), asking.yes, f"{switch.verb} {names}")
    failed = [policy for policy in left if not await switched(session, policy, switch)]
    if failed:
        raise Ending(f"{len(failed)} of {len(left)} policies are as they were: {', '.join(title(policy) for policy in failed)}")


async def chosen(session: Session, switch: Switch) -> list[Object]:
    """Raises `Ending` (Unusable) when it is not said which, or both ways."""
    if switch.policy and switch.everything:
        raise Ending("--policy names one, --all means every one: give one of them", Code.Unusable)
    if switch.policy:
        return [await session.cluster.get(Ref(API_VERSION, KIND, "", switch.policy))]
    found = [item async for item in session.cluster.list(API_VERSION, KIND, "")]
    if not found:
        raise Ending("there is no ResponsePolicy in this cluster")
    if len(found) > 1 and not switch.everything:
        names = ", ".join(title(policy) for policy in found)
        raise Ending(f"which one? There are {names}: name one with --policy, or say --all", Code.Unusable)
    return found


async def switched(session: Session, policy: Object, switch: Switch) -> bool:
    """Whether it was set; why not goes to standard error."""
    metadata = policy["metadata"]
    ref = Ref(API_VERSION, KIND, "", metadata["name"], metadata["uid"])
    try:
        after = await session.cluster.patch(ref, {"spec": {"suspended": switch.suspended}})
    except Failure as failure:
        warn(f"{title(policy)}: {failure.message}")
        return False
    # An API server drops, without an error, what its CRD does not know.
    if suspended(after) != switch.suspended:
        warn(f"{title(policy)}: this cluster's CRD does not know spec.suspended: kubectl apply -k crds")
        return False
    say(f"{title(policy)} {'frozen' if switch.suspended else 'unfrozen'}")
    return True


def suspended(policy: Object) -> bool:
    return bool(policy.get("spec", {}).get("suspended", False))


def title(policy: Object) -> str:
    return printable(f"responsepolicy/{policy['metadata']['name']}")

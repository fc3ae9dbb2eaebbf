"""What is left at the end: packs that can be verified offline, and what a person types next."""

from __future__ import annotations

from collections.abc import Sequence

from tests.demo import place
from tests.demo.story import Teller, Told


def prove(teller: Teller, told: Sequence[Told]) -> int:
    """How many of the packs `stanch verify` found whole."""
    teller.say()
    teller.say("The evidence", "bold")
    return sum([verified(teller, one) for one in told])


def verified(teller: Teller, told: Told) -> bool:
    """The pack is held against what the Incident itself knows of it."""
    if told.pack is None:
        teller.say(f"{told.name} has no pack")
        return False
    known = told.status.pack
    return teller.stanch("verify", str(told.pack), "--head", known.head.hash, "--manifest", known.manifest).wait() == 0


def point_on(teller: Teller, told: Sequence[Told]) -> None:
    """The incidents' lines, and what to type next."""
    teller.say()
    teller.type(teller.scene.kubectl, "get", "inc", *(one.name for one in told))
    teller.say()
    teller.say("The cluster stays up. To look around:", "bold")
    for line in what_next([one.name for one in told]):
        teller.say(f"  {line}")


def what_next(names: Sequence[str]) -> list[str]:
    """Lines to type, with the demo's own kubeconfig; the first one makes the others work in any shell."""
    lines = {
        "kubectl get inc,pb,dec": "incidents, playbooks, and what people decided",
        f"kubectl stanch watch {names[0]}": "the picture again; of all: without a name",
        f"kubectl stanch timeline {names[0]}": "what was done, why, and what came of it",
        f"kubectl stanch plan {names[-1]}": "what was planned, with the differences",
        "kubectl explain playbook.spec.options": "what a playbook can say",
        "make demo-down": "removes all of it; the packs stay",
    }
    width = max(map(len, lines))
    first = f"export PATH={place.tilde(place.programs())}:$PATH KUBECONFIG={place.tilde(place.kubeconfig())}"
    return [first, *(f"{line:<{width}}  # {why}" for line, why in lines.items())]


def last_line(total: int, resolved: int, proven: int) -> str:
    return f"demo: {resolved} of {total} incidents resolved, {proven} of {total} packs verified"

"""Which earlier revision was *stable* (A-13), or that nobody can tell. Pure.

Kubernetes does not record it. In this order, the first that speaks decides:
1. what a person marked: annotation `stanch.dev/stable-revision` on the workload, `stanch.dev/stable` on the revision;
2. what is seen now: an earlier release whose remaining pods are all ready, while the current one is not all available;
3. what history shows: an earlier release that stood long enough before a new one, and was never left by going back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from stanch.actions.effects import annotations_of
from stanch.actions.revisions import SHOWN, History, images, no_earlier, numbers
from stanch.domain.duration import spell
from stanch.engine.errors import Refused
from stanch.engine.ports import Object
from stanch.engine.workload import created_at, release_of, revision_number, template_of

STABLE = "stanch.dev/stable"
STABLE_REVISION = "stanch.dev/stable-revision"


def last_stable(history: History, after: timedelta) -> tuple[Object, str]:
    """The revision, and why it counts as stable.

    Raises `Refused` with reason StableUndecidable, StableIsCurrent or NoEarlierRevision.
    """
    chosen = marked(history)
    if chosen is None and not any(history.earlier()):
        raise no_earlier(history)
    chosen = chosen or still_ready(history) or stood(history, after)
    if chosen is None:
        raise _undecidable(history, after)
    return chosen


def marked(history: History) -> tuple[Object, str] | None:
    revision, why = _mark(history) or (None, "")
    if revision is None:
        return None
    if release_of(revision) == history.release:
        now = f"that is what {history.name} runs now: going back does not help, or the mark is wrong"
        raise Refused("StableIsCurrent", f"{why}, and {now}")
    return revision, why


def _mark(history: History) -> tuple[Object, str] | None:
    annotations = annotations_of(history.target)
    if number := annotations.get(STABLE_REVISION, ""):
        return _marked_revision(history, number), f"revision {number} is marked stable by annotation {STABLE_REVISION}"
    if STABLE in annotations:
        # Controllers copy the workload's annotations to its revisions: marks on those then mean nothing.
        raise Refused(
            "StableUndecidable",
            f"annotation {STABLE} stands on {history.name} itself, whose controller copies it to every revision; take "
            f"it off, and name the stable one by {STABLE_REVISION}",
        )
    found = next((item for item in history.revisions if annotations_of(item).get(STABLE) == "true"), None)
    return found and (found, f"revision {revision_number(found)} is marked stable by annotation {STABLE}")


def _marked_revision(history: History, number: str) -> Object:
    revision = history.numbered(int(number)) if number.isdecimal() and len(number) < 12 else None
    if revision is None:
        raise Refused(
            "StableUndecidable",
            f"annotation {STABLE_REVISION} of {history.name} names revision {number[:12]!r}, which it does not have; "
            f"its revisions: {history.known()}",
        )
    return revision


def still_ready(history: History) -> tuple[Object, str] | None:
    """By the pods that are there now. A revision whose pods were not counted says nothing."""
    lack = _lack(history)
    for revision in history.earlier() if lack else ():
        ready, total = pods(revision, "readyReplicas"), pods(revision, "replicas")
        if 0 < ready == total:
            seen = f"revision {revision_number(revision)} still has {ready} of {total} pods ready"
            return revision, f"{seen}, while {lack}"
    return None


def _lack(history: History) -> str:
    """Says that the current revision is not fully available; empty where it is, or nobody knows."""
    if history.current is None or "status" not in history.current:
        return ""
    wanted, available = desired(history.target), pods(history.current, "availableReplicas")
    current = revision_number(history.current)
    return f"revision {current} has {available} of {wanted} available" if available < wanted else ""


def desired(target: Object) -> int:
    if target["kind"] == "DaemonSet":
        return target.get("status", {}).get("desiredNumberScheduled", 0)
    return target["spec"].get("replicas", 1)


def pods(revision: Object, which: str) -> int:
    """The API leaves zeros out."""
    return revision.get("status", {}).get(which, 0)


def stood(history: History, after: timedelta) -> tuple[Object, str] | None:
    for revision in history.earlier():
        stay = tenure(history, revision)
        if stay is not None and stay >= after:
            shown = f"was the current one for {spell(stay)} before a new one followed"
            return revision, f"revision {revision_number(revision)} {shown} (stable after {spell(after)})"
    return None


def tenure(history: History, revision: Object) -> timedelta | None:
    """How long `revision` stood before a *new* revision followed it; None where history does not show it.

    A revision that was gone back to bears the next free number then. So whoever bore the number after this one's must
    have got it when created: otherwise this one was left by going back, which is what happens to bad releases.
    """
    first, followers = min(numbers(revision)), [number + 1 for number in numbers(revision)]
    if not _new_at(history, first) or not all(_new_at(history, number) for number in followers):
        return None
    return created_at(history.numbered(first + 1)) - created_at(revision)


def _new_at(history: History, number: int) -> bool:
    """Whether a revision was created under this number: its first, and nothing with a lower one is younger."""
    revision = history.numbered(number)
    if revision is None:
        return False
    older = (item for item in history.revisions if max(numbers(item)) < number)
    return number == min(numbers(revision)) and all(created_at(item) <= created_at(revision) for item in older)


def _undecidable(history: History, after: timedelta) -> Refused:
    known = "; ".join(_told(history))
    kind, metadata = history.target["kind"].lower(), history.target["metadata"]
    return Refused(
        "StableUndecidable",
        f"nobody can tell which revision of {history.name} was stable: none is marked, none has only ready pods while "
        f"the current one lacks some, none stood for {spell(after)} before a new one followed. "
        f"Mark one: kubectl -n {metadata['namespace']} annotate {kind} {metadata['name']} {STABLE_REVISION}=<number>. "
        f"Known: {known}",
    )


def _told(history: History) -> Iterator[str]:
    for revision in list(history.earlier())[:SHOWN]:
        stay = tenure(history, revision)
        stood_for = "unknown, or left by going back" if stay is None else spell(stay)
        image = ", ".join(sorted(set(images(template_of(revision)).values()))[:3])
        yield f"revision {revision_number(revision)} ({image}) stood: {stood_for}"

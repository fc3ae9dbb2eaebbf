"""Which revision a workload goes back to, and how that was decided. Pure.

Two revisions whose templates differ in restart marks only are one *release*: after a restart of a bad release, the
revision before it is the same bad release, and going back to it would change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from stanch.actions.effects import TOKEN, annotations_of
from stanch.engine.errors import Refused
from stanch.engine.parts import Before
from stanch.engine.ports import Object
from stanch.engine.workload import current_revision, release_of, revision_number, template_of

REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
SHOWN = 8
# Slashes in a step's token, incident/attempt/option/step; that of its revert has one more.
STEP = 3


@dataclass(frozen=True)
class History:
    """A workload and its numbered revisions, newest first. `token`: of the step that asks."""

    target: Object
    revisions: tuple[Object, ...]
    token: str = ""

    @classmethod
    def of(cls, before: Before, token: str) -> History:
        found = [item for item in before.related if item["kind"] in ("ReplicaSet", "ControllerRevision")]
        return cls(before.target, tuple(item for item in found if revision_number(item) > 0), token)

    @cached_property
    def current(self) -> Object | None:
        return current_revision(self.target, self.revisions)

    @cached_property
    def release(self) -> Object:
        return release_of(self.target)

    @property
    def name(self) -> str:
        return f"{self.target['kind']} {self.target['metadata']['name']}"

    def earlier(self) -> Iterator[Object]:
        """Earlier revisions of another release that this incident has not tried in vain, newest first."""
        limit = revision_number(self.current) if self.current else float("inf")
        for revision in self.revisions:
            if revision_number(revision) < limit and release_of(revision) != self.release and not self.tried(revision):
                yield revision

    def tried(self, revision: Object) -> bool:
        """Whether an option before this one left its token on it (another option comes only after it has failed), or a step of
        any attempt that was taken back since. Controllers copy the workload's annotations to its newest revision."""
        token = annotations_of(revision).get(TOKEN, "")
        incident, attempt, option, *_ = (*self.token.split("/"), "", "")
        if not token.startswith(f"{incident}/") or token.count("/") != STEP:
            return False
        earlier_option = token.startswith(f"{incident}/{attempt}/") and not token.startswith(f"{incident}/{attempt}/{option}/")
        return earlier_option or any(annotations_of(item).get(TOKEN) == f"{token}/revert" for item in self.revisions)

    def numbered(self, number: int) -> Object | None:
        """The revision that bears this number, or bore it before it was gone back to."""
        return next((item for item in self.revisions if number in numbers(item)), None)

    def known(self) -> str:
        shown = [str(revision_number(item)) for item in self.revisions[:SHOWN]]
        more = len(self.revisions) - len(shown)
        return (", ".join(shown) or "none") + (f" and {more} older ones" if more else "")


def numbers(revision: Object) -> frozenset[int]:
    """The numbers that a revision bears and bore: going back to a ReplicaSet gives it the next number.

    ControllerRevisions do not keep their earlier ones.
    """
    was = annotations_of(revision).get(REVISION_HISTORY, "") if revision["kind"] == "ReplicaSet" else ""
    return frozenset({revision_number(revision), *(int(part) for part in was.split(",") if part.isdecimal())})


def previous(history: History) -> tuple[Object, str]:
    """The newest earlier revision of another release. Raises `Refused` (NoEarlierRevision)."""
    revision = next(history.earlier(), None)
    if revision is None:
        raise no_earlier(history)
    why = f"revision {revision_number(revision)} is the newest earlier one of another release"
    return revision, why + passed_over(history, revision)


def no_earlier(history: History) -> Refused:
    what = f"{history.name} has no earlier revision of another release, restarts apart"
    tried = [str(revision_number(item)) for item in history.revisions if history.tried(item)]
    apart = f", and apart from {', '.join(tried)}, which this incident has tried in vain" if tried else ""
    return Refused("NoEarlierRevision", f"{what}{apart}; its revisions: {history.known()}")


def passed_over(history: History, chosen: Object) -> str:
    """Which revisions were passed over on the way to `chosen`, and why."""
    limit = revision_number(chosen)
    between = [item for item in history.revisions if revision_number(item) > limit and item is not history.current]
    same = [str(revision_number(item)) for item in between if release_of(item) == history.release]
    tried = [str(revision_number(item)) for item in between if release_of(item) != history.release]
    told = ((same, "the same release as now, restarts apart"), (tried, "this incident has tried it in vain"))
    return "".join(f"; passed over {', '.join(numbers)}: {why}" for numbers, why in told if numbers)


def named(history: History, number: int) -> tuple[Object, str]:
    """The revision with this number. Raises `Refused` (NoSuchRevision, NothingToUndo)."""
    revision = history.numbered(number)
    if revision is None:
        raise Refused("NoSuchRevision", f"{history.name} has no revision {number}; its revisions: {history.known()}")
    if release_of(revision) == history.release:
        raise Refused("NothingToUndo", f"revision {number} of {history.name} is what runs now (restarts apart)")
    return revision, f"revision {number} is named by the step"


def images(template: Object) -> Mapping[str, str]:
    """Container name -> image."""
    spec = template["spec"]
    return {item["name"]: item["image"] for item in (*spec.get("initContainers", ()), *spec["containers"])}


def image_changes(old: Object, new: Object) -> str:
    """`image app:v2 -> app:v1`, the first few; no other value of a template is fit for a summary."""
    was, then = images(old), images(new)
    names = [name for name in sorted({*was, *then}) if was.get(name) != then.get(name)]
    changed = [f"{was.get(name, 'none')} -> {then.get(name, 'none')}" for name in names]
    more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
    return f"image {', '.join(changed[:3])}{more}" if changed else "same images"


def summary(history: History, revision: Object) -> str:
    now = revision_number(history.current) if history.current else "not numbered yet"
    changes = image_changes(template_of(history.target), template_of(revision))
    return f"revision {now} -> {revision_number(revision)}, {changes}"

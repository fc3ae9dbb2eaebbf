"""The fact `lastDeploy`: which release a workload runs, since when, and by whose hand, as far as Kubernetes knows.

Requirements C-05, D-06 (a rollback only while the last deploy is young).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from stanch.engine.ports import Object
from stanch.engine.workload import RESTART_MARKS, created_at, current_revision, release_of, revision_number
from stanch.evidence.managed_fields import Written, writers

UNKNOWN = "unknown"
REUSED = "deployment.kubernetes.io/revision-history"
TEMPLATE = "spec.template"
# The controller makes the revision right after the write that asked for it; both times are whole seconds.
BEFORE = timedelta(seconds=30)
AFTER = timedelta(seconds=1)


@dataclass(frozen=True)
class LastDeploy:
    """`at` None, `revision` and `changed_by` "unknown": not known.

    `changed_by` is a field manager (a tool), not a person. `how` says what `at` was read from.
    """

    target: str
    at: datetime | None
    revision: str
    changed_by: str
    how: str

    def facts(self) -> Mapping[str, str]:
        """As facts of an incident. A time that is unknown is left out: a condition on its age then fails."""
        found = {"target": self.target, "revision": self.revision, "changedBy": self.changed_by, "how": self.how}
        if self.at is not None:
            found["at"] = self.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return {f"lastDeploy.{name}": value for name, value in found.items()}


def last_deploy(target_object: Object, revisions: tuple[Object, ...]) -> LastDeploy:
    """When the release that the workload asks for began. Pure.

    `revisions` are newest first, as `engine.workload.revisions_of` gives them. A restart makes a new revision of the
    same release and is no deploy. Going back to an old revision is one, though the ReplicaSet that it uses is old: its
    time is then the one at which the template's manager last wrote.
    """
    name = f"{target_object['kind'].lower()}/{target_object['metadata']['name']}"
    current = current_revision(target_object, revisions)
    if current is None:
        return LastDeploy(name, None, UNKNOWN, UNKNOWN, "no revision has the workload's template (not made yet, or no longer kept)")
    first = first_of_release(current, revisions)
    at, how = began(target_object, first)
    by = changed_by(target_object, at) if first is current else UNKNOWN
    return LastDeploy(name, at, str(revision_number(first)), by, how)


def first_of_release(current: Object, revisions: tuple[Object, ...]) -> Object:
    """The oldest of the unbroken row of revisions, back from `current`, that run the same release."""
    release, first = release_of(current), current
    for older in revisions[revisions.index(current) + 1 :]:
        if release_of(older) != release:
            break
        first = older
    return first


def began(target: Object, revision: Object) -> tuple[datetime | None, str]:
    if revision["kind"] == "ControllerRevision":
        # Its content never changes: a later write is the controller giving it a new number, which is a rollback to it.
        numbered = [entry.at for entry in writers(revision) if entry.at]
        return max([created_at(revision), *numbered]), "when its ControllerRevision was made, or last numbered anew"
    if REUSED not in (revision["metadata"].get("annotations") or {}):
        return created_at(revision), "when its ReplicaSet was made"
    times = [entry.at for entry in template_writers(target) if entry.at]
    if not times:
        return None, "an old ReplicaSet is used again, and no managedFields tell since when"
    return max(times), "an old ReplicaSet is used again: when the template's manager last wrote anything"


def changed_by(target: Object, at: datetime | None) -> str:
    """The field manager whose write made the revision of `at`, or the only one that ever wrote the template; else unknown."""
    entries = template_writers(target)
    times = [entry.at for entry in entries if at and entry.at and at - BEFORE <= entry.at <= at + AFTER]
    just_then = {entry.manager for entry in entries if entry.at and entry.at == max(times, default=None)}
    managers = just_then or {entry.manager for entry in entries}
    return managers.pop() if len(managers) == 1 else UNKNOWN


def template_writers(target: Object) -> list[Written]:
    """The managers that own something of the pod template, beyond marks of a restart."""
    return [entry for entry in writers(target) if any(_of_release(path) for path in entry.paths)]


def _of_release(path: str) -> bool:
    mark = any(path == f"{TEMPLATE}.metadata.annotations.{key}" for key in RESTART_MARKS)
    return path.startswith(f"{TEMPLATE}.") and not mark

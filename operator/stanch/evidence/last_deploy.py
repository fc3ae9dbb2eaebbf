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
from stanch.evidence.text import parse_time

UNKNOWN = "unknown"
REUSED = "deployment.kubernetes.io/revision-history"
TEMPLATE = "spec.template"
# The controller makes the revision right after the write that asked for it; both times are whole seconds.
BEFORE = timedelta(seconds=30)
AFTER = timedelta(seconds=1)
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


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
    same release and is no deploy. Going back to an old revision is one, though the ReplicaSet that it uses is old.
    """
    name = f"{target_object['kind'].lower()}/{target_object['metadata']['name']}"
    current = current_revision(target_object, revisions)
    if current is None:
        how = "no revision has the workload's template (not made yet, or no longer kept)"
        return LastDeploy(name, None, UNKNOWN, UNKNOWN, how)
    first = first_of_release(current, revisions)
    at, how = began(target_object, first, revisions)
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


def began(target: Object, revision: Object, revisions: tuple[Object, ...]) -> tuple[datetime | None, str]:
    if revision["kind"] == "ControllerRevision":
        # Its content never changes: a later write is the controller giving it a new number, which is a rollback to it.
        numbered = [entry.at for entry in writers(revision) if entry.at]
        return max([created_at(revision), *numbered]), "when its ControllerRevision was made, or last numbered anew"
    if REUSED not in (revision["metadata"].get("annotations") or {}):
        return created_at(revision), "when its ReplicaSet was made"
    others = [created_at(other) for other in revisions if other is not revision]
    return began_again(target, revision["metadata"]["name"], max(others, default=LONG_AGO))


def began_again(target: Object, replica_set: str, not_before: datetime) -> tuple[datetime | None, str]:
    """When an old ReplicaSet came into use again: the Deployment says when its latest rollout last moved, and to which.

    managedFields do not tell: a rollback that only takes fields away leaves its manager with none (seen on 1.34). Later
    scaling does not move that time. A time from before the newest other revision is that of an earlier rollout.
    """
    for condition in (target.get("status") or {}).get("conditions") or ():
        at = parse_time(condition.get("lastUpdateTime"))
        about = condition.get("type") == "Progressing" and f'"{replica_set}"' in condition.get("message", "")
        if about and at and at >= not_before:
            return at, "an old ReplicaSet is used again: when its latest rollout last moved"
    return None, "an old ReplicaSet is used again, and the Deployment does not say since when"


def changed_by(target: Object, at: datetime | None) -> str:
    """The one field manager that wrote to the template just before `at`; else unknown.

    A manager that only took fields away, or has written something else since, cannot be told.
    """
    near = [entry for entry in template_writers(target) if at and entry.at and at - BEFORE <= entry.at <= at + AFTER]
    latest = max((entry.at for entry in near), default=None)
    managers = {entry.manager for entry in near if entry.at == latest}
    return managers.pop() if len(managers) == 1 else UNKNOWN


def template_writers(target: Object) -> list[Written]:
    """The managers that own something of the pod template, beyond marks of a restart."""
    return [entry for entry in writers(target) if any(_of_release(path) for path in entry.paths)]


def _of_release(path: str) -> bool:
    mark = any(path == f"{TEMPLATE}.metadata.annotations.{key}" for key in RESTART_MARKS)
    return path.startswith(f"{TEMPLATE}.") and not mark

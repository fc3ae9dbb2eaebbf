"""Whether the API server vouches for what people write: by admission policies that are ours, in force, and refuse what is forged.

What is read and asked here is judged only; `runtime.witness` reads and asks. To vouch is to say two things: that it is so now,
and since when it was so without a break. A Decision that was said before that is not counted, whoever seems to have said it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from stanch.domain.incident import VouchRecord
from stanch.engine.chain import canonical, digest
from stanch.engine.errors import Failure
from stanch.engine.ports import Object
from stanch.engine.shipped import Shipped

# What the API server fills in where nothing is said.
DEFAULTS = {"failurePolicy": "Fail", "matchPolicy": "Equivalent", "scope": "*"}
# A policy takes effect some time after it is stored (each API server looks every second), and times are whole seconds.
SETTLING = timedelta(seconds=3)
# Of what somebody else said: what to do stands behind it.
WORDS = 400
OURS = "the one of this version of stanch"
# In place of a mark: nothing vouched.
NONE = "none"
MEND = "install it again as shipped (kubectl apply -k manifests/admission; what was added to it goes with kubectl replace -k)"


class Distrust(StrEnum):
    PolicyMissing = "PolicyMissing"
    PolicyChanged = "PolicyChanged"
    BindingMissing = "BindingMissing"
    BindingChanged = "BindingChanged"
    ProbeAccepted = "ProbeAccepted"
    # Refused, but not by the policy: whether it would have been is not known.
    ProbeUnproven = "ProbeUnproven"
    Unreadable = "Unreadable"


@dataclass(frozen=True)
class Vouched:
    """`mark` names policy and binding as they are: a change of either gives another. `since`: how long that is known to be so.
    `seen`: since when this life of the operator has seen it."""

    mark: str
    since: datetime
    seen: datetime


@dataclass(frozen=True)
class NotVouched:
    reason: Distrust
    message: str


Trust = Vouched | NotVouched


@dataclass(frozen=True)
class Lapse:
    """One of the other policies does not vouch."""

    policy: Shipped
    why: NotVouched


def distrust(policy: Shipped, reason: Distrust, what: str, mend: str = MEND) -> NotVouched:
    return NotVouched(reason, f"{what}: {mend}. {policy.meanwhile}")


def missing(policy: Shipped, reason: Distrust, kind: str) -> NotVouched:
    return distrust(policy, reason, f"{kind} {policy.name}, by which the API server proves {policy.proves}, is missing")


def altered(shipped: Shipped, policy: Object, binding: Object) -> NotVouched | None:
    """Why these two are not what was shipped; None: they are."""
    if fingerprint(policy) != shipped.policy:
        return distrust(shipped, Distrust.PolicyChanged, f"ValidatingAdmissionPolicy {shipped.name} is not {OURS}")
    if fingerprint(binding) != shipped.binding:
        return distrust(shipped, Distrust.BindingChanged, f"ValidatingAdmissionPolicyBinding {shipped.name} is not {OURS}")
    return None


def unproven(policy: Shipped, refusal: Failure | None) -> NotVouched | None:
    """What it means that a forged object was refused so; None: the policy did it, in its own words."""
    if refusal is None:
        what = f"the API server takes a forged {policy.forgery}, although {policy.name} is there"
        return distrust(policy, Distrust.ProbeAccepted, what, "see whether its admission plugin ValidatingAdmissionPolicy is on")
    if policy.denial in refusal.message:
        return None
    said = refusal.message[:WORDS]
    what = f"a forged {policy.forgery} is refused, but not by {policy.name}, so whether that would is not known ({said})"
    return distrust(policy, Distrust.ProbeUnproven, what, f"let that reach {policy.name}")


def unreadable(policy: Shipped, failure: Failure) -> NotVouched:
    what = f"whether the API server proves {policy.proves} cannot be found out ({str(failure)[:WORDS]})"
    return distrust(policy, Distrust.Unreadable, what, "see that the operator has the rights of manifests/operator/rbac.yaml")


def bars(lapses: Iterable[Lapse]) -> NotVouched | None:
    """Why nothing is planned; None: something may be."""
    return next((lapse.why for lapse in lapses if lapse.policy.bars), None)


def fingerprint(obj: Object) -> str:
    """Of the spec, without what the API server fills in. A field that is not known counts as a change."""
    spec = dict(obj.get("spec") or {})
    # To be audited beside being denied makes nothing weaker.
    if "Deny" in (spec.get("validationActions") or ()):
        spec["validationActions"] = ["Deny"]
    return digest(canonical(told(spec)))


def told(value: Any) -> Any:
    """Without defaults, and without what is empty: of a selector or a list of conditions that means the same as absent."""
    if isinstance(value, list):
        return [told(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: told(item) for key, item in value.items() if DEFAULTS.get(key) != item}
    return {key: item for key, item in kept.items() if item not in (None, {}, [])}


def mark_of(policy: Object, binding: Object) -> str:
    """A generation grows with each change of a spec, also with one that was taken back; a new object has a new UID."""
    return " ".join(f"{obj['metadata']['uid']}/{obj['metadata'].get('generation', 0)}" for obj in (policy, binding))


def recorded_since(policy: Object, binding: Object) -> datetime:
    """Since when both say what they say, as Kubernetes has it on record."""
    return max(at for obj in (policy, binding) for at in changes(obj["metadata"]))


def changes(metadata: Object) -> list[datetime]:
    written = (entry for entry in metadata.get("managedFields") or () if "f:spec" in entry.get("fieldsV1", {}))
    times = [metadata["creationTimestamp"], *(entry["time"] for entry in written if entry.get("time"))]
    return [datetime.fromisoformat(at) for at in times]


def counts_after(trust: Vouched, known: VouchRecord | None) -> datetime:
    """Only what was said after this counts."""
    return began(trust, known) + SETTLING


def began(trust: Vouched, known: VouchRecord | None) -> datetime:
    """Since when it vouches, for the Incident that `known` was stored with: where that names another mark, there was a change when
    nobody looked, and before this life saw what is there now, it may have been anything."""
    if known is None:
        return trust.since
    return max(trust.since, known.since or trust.since) if known.mark == trust.mark else max(trust.since, trust.seen)


def known_by(trust: Trust, known: VouchRecord | None) -> VouchRecord | None:
    """What is stored with the Incident: that it could not be read says nothing about the policy."""
    if isinstance(trust, Vouched):
        return VouchRecord(trust.mark, began(trust, known))
    return known if trust.reason is Distrust.Unreadable else VouchRecord(NONE)

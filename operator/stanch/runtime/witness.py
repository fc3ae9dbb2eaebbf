"""Looks whether one admission policy is ours and in force: reads it and its binding, and tries a forgery that it must refuse."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from random import SystemRandom

import structlog

from stanch.api.base import API_VERSION
from stanch.domain.plan import Ref
from stanch.engine.errors import Conflict, Failure, NotFound, Refused
from stanch.engine.ports import Clock, Cluster, Object
from stanch.engine.shipped import Shipped
from stanch.engine.vouching import (
    Distrust,
    NotVouched,
    Trust,
    Vouched,
    altered,
    mark_of,
    missing,
    recorded_since,
    unproven,
    unreadable,
)

log = structlog.get_logger()

API = "admissionregistration.k8s.io/v1"
Forge = Callable[[], Awaitable[Object]]
# Seconds: between looks, while all is well and while not; for how long the last answer holds where none is to be had.
PERIOD, SOON, KEPT = 60.0, 5.0, 180.0
TAKEN = "AlreadyExists"
UNSEEN = NotVouched(Distrust.Unreadable, "Whether the admission policy is in force was not looked at yet")


def policy_ref(name: str) -> Ref:
    return Ref(API, "ValidatingAdmissionPolicy", "", name)


def binding_ref(name: str) -> Ref:
    return Ref(API, "ValidatingAdmissionPolicyBinding", "", name)


async def refusal(forge: Forge) -> Failure | None:
    """How a forgery is refused, of which nothing is kept. Raises `Failure` where that is not known: a conflict is about what is
    stored, and says nothing about admission, but where the name is taken: that is found out after admission. Nor does it say
    anything that what it was forged upon is gone."""
    try:
        await forge()
    except NotFound:
        raise
    except Refused as failure:
        return failure
    except Conflict as failure:
        if failure.reason != TAKEN:
            raise
    return None


def until_next(well: bool) -> float:
    return PERIOD * SystemRandom().uniform(0.9, 1.1) if well else SOON


@dataclass
class Witness:
    """`trust`: what the looks so far have found."""

    policy: Shipped
    own: Cluster
    clock: Clock
    namespace: str
    monotonic: Callable[[], float] = time.monotonic
    trust: Trust = UNSEEN
    # The last answer that all was well, until another one says that it is not.
    _good: Vouched | None = field(default=None, init=False)
    # Whether something was not well in this life of the operator.
    _broken: bool = field(default=False, init=False)
    _answered: float | None = field(default=None, init=False)

    async def look(self) -> bool:
        """False: it could not be found out. Then the last answer holds for a while."""
        was = self.trust
        try:
            self.trust = await self._answer()
        except Failure as failure:
            if self._answered is None or self.monotonic() - self._answered > KEPT:
                self.trust = unreadable(self.policy, failure)
            return False
        else:
            self._answered = self.monotonic()
            return True
        finally:
            if self.differs(was):
                log.warning("policy.trust", policy=self.policy.name, trusted=isinstance(self.trust, Vouched), what=said(self.trust))

    def differs(self, was: Trust) -> bool:
        return said(was) != said(self.trust)

    async def _answer(self) -> Trust:
        """Raises `Failure` where it cannot be found out."""
        read = await self._read()
        if isinstance(read, NotVouched):
            return self._bad(read)
        if bad := altered(self.policy, *read) or await self._tried():
            return self._bad(bad)
        return self._well(*read)

    async def _read(self) -> tuple[Object, Object] | NotVouched:
        found, name = [], self.policy.name
        for ref, reason in ((policy_ref(name), Distrust.PolicyMissing), (binding_ref(name), Distrust.BindingMissing)):
            try:
                found.append(await self.own.get(ref))
            except NotFound:
                return missing(self.policy, reason, ref.kind)
        return found[0], found[1]

    async def _tried(self) -> NotVouched | None:
        """Why the policy does not refuse a forgery; None: it does, or nothing can be forged."""
        forge = await self._forger()
        return unproven(self.policy, await refusal(forge)) if forge else None

    async def _forger(self) -> Forge | None:
        """How it is tried; None: nothing can be forged, or nothing is there whose status could be."""
        if not self.policy.kind:
            return None
        if not self.policy.status:
            return partial(self.own.create, self.policy.probe(self.namespace), dry_run=True)
        there = await anext(self.own.list(API_VERSION, self.policy.kind, "", metadata_only=True), None)
        return there and partial(self._forge_status, there["metadata"]["name"])

    async def _forge_status(self, name: str) -> Object:
        ref = Ref(API_VERSION, self.policy.kind, "", name)
        return await self.own.patch(ref, {"status": self.policy.status}, subresource="status", dry_run=True)

    def _bad(self, why: NotVouched) -> NotVouched:
        self._good, self._broken = None, True
        return why

    def _well(self, policy: Object, binding: Object) -> Vouched:
        """Unbroken, it is what it was. After a break, or a change, it holds from now on; the first look in this life goes by what
        Kubernetes has on record."""
        mark, recorded, now = mark_of(policy, binding), recorded_since(policy, binding), self.clock.now()
        if self._good is None or self._good.mark != mark:
            since = max(recorded, now) if self._broken or self._good else recorded
            self._good = Vouched(mark, since, now)
        self._broken = False
        return self._good


def said(trust: Trust) -> str:
    """What is told apart: a message may differ from look to look."""
    return trust.mark if isinstance(trust, Vouched) else str(trust.reason)

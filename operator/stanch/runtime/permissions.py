"""What of a playbook's needs is missing in the cluster, asked before an incident asks it.

An API server that lists rules needs one question for each identity (SelfSubjectRulesReview). Where an authorizer has a say that
lists none, each right is asked for, a few at a time and so many at most. What could not be asked is never taken for granted.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from stanch.api.access import Grant
from stanch.api.needs import Needs
from stanch.domain.access import Question, Rights
from stanch.domain.plan import Ref
from stanch.engine.errors import Failure, NotFound
from stanch.engine.ports import Cluster

AT_ONCE = 4
# Single questions about one identity; a playbook of thirty rules asks about as many.
AT_MOST = 100
# RBAC asks for these without a name. A creation below an object (pods/exec) bears the object's.
_NAMELESS = frozenset({"list", "watch", "deletecollection"})
_NO_RULES = Rights((), complete=False)


class Verdict(StrEnum):
    """`Depends`: only the incident names the object, and some are permitted, or might be."""

    Missing = "Missing"
    Unknown = "Unknown"
    Depends = "Depends"


@dataclass(frozen=True)
class Lack:
    """Something that a playbook needs and is not known to have; `hint` says where it comes from."""

    verdict: Verdict
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}"


@dataclass(frozen=True)
class Identity:
    """Whose rights are asked for: `user`'s, right by right; with `user` empty those of whom `cluster` acts as."""

    who: str
    hint: str
    cluster: Cluster
    user: str = ""


def operator(needs: Needs, cluster: Cluster, user: str = "") -> Identity:
    hint = f"stanch rbac {needs.playbook} prints the Role that opts in; what else stanch needs is in manifests/operator/rbac.yaml"
    return Identity("stanch", hint, cluster, user)


def account(needs: Needs, cluster: Cluster, user: str = "") -> Identity:
    return Identity(f"ServiceAccount {needs.account}", f"stanch rbac {needs.playbook} prints the Role", cluster, user)


@dataclass
class Asking:
    """One playbook's needs being asked for; `requests` says how many questions that took."""

    needs: Needs
    lacks: list[Lack] = field(default_factory=list)
    requests: int = 0

    async def account_exists(self, reader: Cluster) -> None:
        """Its rights may be there without it: RBAC knows names only."""
        name, namespace = self.needs.account, self.needs.namespace
        self.requests += 1
        try:
            await reader.get(Ref("v1", "ServiceAccount", namespace, name))
        except NotFound:
            hint = f"stanch rbac {self.needs.playbook} prints it"
            self.lacks.append(Lack(Verdict.Missing, f"there is no ServiceAccount {name} in namespace {namespace}", hint))
        except Failure as failure:
            self.lacks.append(Lack(Verdict.Unknown, f"whether there is a ServiceAccount {name} could not be read", failure.message))

    async def may(self, identity: Identity, needed: Iterable[Grant]) -> None:
        places: dict[str, list[Grant]] = defaultdict(list)
        for grant in needed:
            places[grant.namespace].append(grant)
        for namespace, grants in places.items():
            await self._may_in(namespace or self.needs.namespace, identity, grants)

    async def _may_in(self, namespace: str, identity: Identity, needed: Iterable[Grant]) -> None:
        questions = list(dict.fromkeys(question for grant in needed for question in questions_of(grant)))
        try:
            rights = await self._rights(identity, namespace)
            denied = [one for one in questions if not rights.allow(one)]
            if not rights.complete:
                denied = await self._denied(identity, namespace, questions)
        except Failure as failure:
            self._unknown(identity, failure.message)
        else:
            where = "" if namespace == self.needs.namespace else f" in namespace {namespace}"
            self.lacks += described(identity, denied, rights, where)

    async def _rights(self, identity: Identity, namespace: str) -> Rights:
        if identity.user:
            return _NO_RULES
        self.requests += 1
        return await identity.cluster.rights(namespace)

    async def _denied(self, identity: Identity, namespace: str, questions: list[Question]) -> list[Question]:
        if len(questions) > AT_MOST:
            self._unknown(identity, f"{len(questions)} rights are needed, and the first {AT_MOST} were asked for")
        asked = iter(questions[:AT_MOST])
        denied: list[Question] = []
        while few := list(islice(asked, AT_ONCE)):
            self.requests += len(few)
            answers = await asyncio.gather(*(self._allowed(identity, namespace, one) for one in few))
            denied += [one for one, allowed in zip(few, answers, strict=True) if not allowed]
        return denied

    async def _allowed(self, identity: Identity, namespace: str, asked: Question) -> bool:
        return await identity.cluster.allowed(asked.verb, asked.group, asked.resource, namespace, asked.name, user=identity.user)

    def _unknown(self, identity: Identity, why: str) -> None:
        self.lacks.append(Lack(Verdict.Unknown, f"not all that {identity.who} may do could be asked", why))


async def ask(needs: Needs, reader: Cluster, stanch: Identity, runs_as: Identity) -> Asking:
    """`reader` looks whether the ServiceAccount exists."""
    asking = Asking(needs)
    await asking.account_exists(reader)
    await asking.may(stanch, needs.operator)
    await asking.may(runs_as, needs.granted)
    order = list(Verdict)
    asking.lacks.sort(key=lambda lack: order.index(lack.verdict))
    return asking


def questions_of(grant: Grant) -> Iterator[Question]:
    for name in grant.names or ("",):
        for verb in grant.verbs:
            yield Question(verb, grant.group, grant.resource, "" if nameless(verb, grant.resource) else name)


def nameless(verb: str, resource: str) -> bool:
    """Whether a request like this never says an object's name, so that a rule with names does not permit it."""
    return verb in _NAMELESS or (verb == "create" and "/" not in resource)


def described(identity: Identity, denied: Iterable[Question], rights: Rights, where: str = "") -> Iterator[Lack]:
    """One for each object, with all the verbs. `where` says in which namespace, where that is not the playbook's."""
    verbs: dict[tuple[Verdict, Question], list[str]] = defaultdict(list)
    for one in denied:
        verbs[verdict_on(one, rights), Question("", one.group, one.resource, one.name)].append(one.verb)
    for (verdict, about), missing in verbs.items():
        every = "every one of " if verdict is Verdict.Depends else ""
        only = ", and the incident tells which one it needs" if verdict is Verdict.Depends else ""
        message = f"{identity.who} may not {', '.join(missing)} {every}{object_of(about)}{where}{only}"
        yield Lack(verdict, message, identity.hint)


def verdict_on(denied: Question, rights: Rights) -> Verdict:
    if denied.name or nameless(denied.verb, denied.resource):
        return Verdict.Missing
    return Verdict.Missing if rights.complete and not rights.allow_some(denied) else Verdict.Depends


def object_of(asked: Question) -> str:
    """As kubectl has it: `deployments.apps/scale "frontend"`."""
    resource, slash, subresource = asked.resource.partition("/")
    grouped = f"{resource}.{asked.group}" if asked.group else resource
    return f"{grouped}{slash}{subresource}" + (f' "{asked.name}"' if asked.name else "")

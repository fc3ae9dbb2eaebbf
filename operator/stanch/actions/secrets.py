"""Secrets by reference: read when they are needed, by the playbook's ServiceAccount, and kept nowhere."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.domain.record import SHORT
from stanch.engine.errors import Conflict, NotFound, Refused, Retryable
from stanch.engine.parts import Stage

SUBDOMAIN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
KEY = r"^[-._a-zA-Z0-9]+$"


class SecretRef(BaseModel):
    """One key of a Secret in the playbook's namespace."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=SHORT, pattern=SUBDOMAIN)] = Field(description="Name of the Secret.")
    key: Annotated[str, Field(min_length=1, max_length=SHORT, pattern=KEY)] = Field(description="Key in it.")

    def __str__(self) -> str:
        return f"{self.name}/{self.key}"


async def value_of(stage: Stage, ref: SecretRef) -> bytes:
    """Raises `Refused` (SecretMissing) without Secret or key, and what `cluster.get` raises."""
    try:
        found = await stage.cluster.get(Ref("v1", "Secret", stage.namespace, ref.name))
    except NotFound as failure:
        raise Refused("SecretMissing", f"there is no Secret {ref.name} in namespace {stage.namespace}") from failure
    data = (found.get("data") or {}).get(ref.key)
    if data is None:
        raise Refused("SecretMissing", f"Secret {ref.name} in namespace {stage.namespace} has no key {ref.key}")
    return base64.b64decode(data)


def secret_rules(refs: Iterable[SecretRef]) -> tuple[Rule, ...]:
    names = sorted({ref.name for ref in refs})
    return (Rule(("get",), "", "secrets", tuple(names)),) if names else ()


@contextmanager
def not_begun() -> Iterator[None]:
    """What can be tried again in this block was not begun: it is prepared again (`Conflict`), instead of left unknown."""
    try:
        yield
    except Retryable as failure:
        raise Conflict(failure.reason, f"nothing was begun: {failure.message}") from failure

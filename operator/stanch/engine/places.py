"""Where an HTTP call goes: a Service through the API server's proxy, or an allow-listed place outside. Shared by check and action.

Nothing else can be asked for than what the place names: its path holds nothing that could lead elsewhere.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.domain.record import SHORT, camel
from stanch.engine.durations import Duration
from stanch.engine.ports import Cluster, HttpCall, HttpReply, Object, Web

BODY_LIMIT = 65536
LONGEST = timedelta(minutes=1)

# Segments of characters that stand for themselves: no empty one, none of `.` or `..`, no escapes that could hide one.
# Within a segment no two dots meet. https://www.rfc-editor.org/rfc/rfc3986#section-3.3
_CHAR = r"[A-Za-z0-9_~!$&'()*+,;=:@-]"
PATH_PATTERN = rf"^(/(\.?{_CHAR})+\.?)*/?$"
# Scheme, host and port only: no user, no path.
URL_PATTERN = r"^https?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?$"
PORT_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

ONE_PLACE = "an http call has either service and port, or url"
ONE_PLACE_RULE = {"rule": "has(self.service) == has(self.port) && has(self.service) != has(self.url)", "message": ONE_PLACE}


class Scheme(StrEnum):
    http = "http"
    https = "https"


def _at_most_longest(value: timedelta) -> timedelta:
    if not timedelta() < value <= LONGEST:
        raise ValueError("expected a duration above 0s and up to 1m")
    return value


def _rule(cel: str, message: str) -> dict[str, list[dict[str, str]]]:
    return {"x-kubernetes-validations": [{"rule": cel, "message": message}]}


Port = Annotated[int, Field(ge=1, le=65535)] | Annotated[str, Field(max_length=63, pattern=PORT_PATTERN)]
Status = Annotated[int, Field(ge=100, le=599)]


class Place(BaseModel):
    """Where a call goes, and how long it may take."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=camel,
        validate_by_name=True,
        json_schema_extra={"x-kubernetes-validations": [ONE_PLACE_RULE]},
    )

    service: str | None = Field(
        default=None, max_length=63, pattern=PORT_PATTERN, description="Service, asked through the API server's proxy."
    )
    port: Port | None = Field(default=None, description="Port of the service, by number or name.")
    scheme: Scheme = Field(default=Scheme.http, description="How the service speaks.")
    url: str | None = Field(
        default=None,
        max_length=SHORT,
        pattern=URL_PATTERN,
        description="Scheme, host and port of a place outside, e.g. https://shop.example.com; the ResponsePolicy must allow it.",
    )
    path: str = Field(
        min_length=1,
        max_length=SHORT,
        pattern=PATH_PATTERN,
        description="Path to ask for, without escapes, query, empty or dotted segments; / is the root.",
    )
    timeout: Annotated[
        Duration,
        AfterValidator(_at_most_longest),
        Field(json_schema_extra=_rule("duration(self) > duration('0s') && duration(self) <= duration('1m')", "up to 1m")),
    ] = Field(default=timedelta(seconds=5), description="Longest wait for one answer, up to 1m.")

    @model_validator(mode="after")
    def _one_place(self) -> Place:
        if (self.service is None) == (self.url is None) or (self.service is None) != (self.port is None):
            raise ValueError(ONE_PLACE)
        return self

    @property
    def place(self) -> str:
        """As a person would write it."""
        base = self.url or f"{self.scheme}://{self.service}:{self.port}"
        return base + self.path


async def send(cluster: Cluster, web: Web, namespace: str, place: Place, call: HttpCall) -> HttpReply:
    """One call; its answer's body is cut at BODY_LIMIT. Raises what `proxy` and `web.send` raise; `timeout` is the caller's."""
    if place.url:
        return await web.send(place.url, call, timeout=place.timeout.total_seconds(), limit_bytes=BODY_LIMIT)
    service = Ref("v1", "Service", namespace, place.service)
    return await cluster.proxy(service, str(place.port), call, scheme=place.scheme.value, limit_bytes=BODY_LIMIT)


async def serves(cluster: Cluster, namespace: str, service: str) -> bool:
    """Whether the service has a ready endpoint, or one that may be. Raises what `cluster.list` raises, and NotFound."""
    await cluster.get(Ref("v1", "Service", namespace, service))
    slices = cluster.list("discovery.k8s.io/v1", "EndpointSlice", namespace, labels=f"kubernetes.io/service-name={service}")
    async for item in slices:
        if any(_may_serve(endpoint) for endpoint in item.get("endpoints") or ()):
            return True
    return False


def _may_serve(endpoint: Object) -> bool:
    """An absent `ready` means unknown, to be taken for ready (discovery/v1 EndpointConditions)."""
    return (endpoint.get("conditions") or {}).get("ready", True)


def place_rules(place: Place, verb: str) -> tuple[Rule, ...]:
    """To call it, with the RBAC verb that the method comes to; () for a place outside.

    The API server authorizes the whole last part of the URL as the resource's name: scheme, service and port.
    """
    if not place.service:
        return ()
    return (Rule((verb,), "", "services/proxy", (f"{place.scheme}:{place.service}:{place.port}",)),)

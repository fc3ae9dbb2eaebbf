"""`http`: one call, to a Service through the API server's proxy or to an allow-listed place outside (E-22: clear one user's limit).

It is sent at most once, and bears a key by which a server that knows such keys does nothing twice. A call that certainly was not
sent (no endpoint, no connection) is prepared again; one that got no answer may have arrived, and a person is asked.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stanch.actions.output import JsonOutput, Unreadable, keep, masked, value_in
from stanch.actions.secrets import SecretRef, not_begun, secret_rules, value_of
from stanch.domain.access import Rule
from stanch.domain.plan import Ref, Risk
from stanch.domain.record import camel
from stanch.engine.errors import Conflict, NotSent, Refused, Retryable
from stanch.engine.judging import Code
from stanch.engine.parts import Action, Before, Change, EffectClass, Effected, Stage
from stanch.engine.places import BODY_LIMIT, ONE_PLACE_RULE, Place, Status, place_rules, send
from stanch.engine.ports import HttpCall, HttpReply

# https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2 ; printable ASCII only, so that no value ends its line.
HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
HEADER_VALUE = r"^[\x20-\x7e]*$"
# What says how a message is framed and to whom it goes is not for a playbook to say.
FRAMING = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"})
# The API server takes these for itself: they do not reach a Service.
TAKEN = ("authorization", "proxy-authorization", "x-remote-", "impersonate-")
ONE_BODY = "an http action has body or json, not both"
FIELDS_OF_JSON = "secretFields are fields of json: say json, be it {}"

HeaderName = Annotated[str, Field(min_length=1, max_length=63, pattern=HEADER_NAME)]
HeaderValue = Annotated[str, Field(max_length=1024, pattern=HEADER_VALUE)]
# The verb that RBAC asks about. https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb
VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Method(StrEnum):
    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class SecretHeader(BaseModel):
    """A header whose value is a secret."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=camel, validate_by_name=True)

    name: HeaderName = Field(description="Name of the header.")
    prefix: Annotated[str, Field(max_length=32, pattern=HEADER_VALUE)] = Field(
        default="", description="Text before the secret, e.g. 'Bearer '."
    )
    secret_ref: SecretRef = Field(description="Where the secret is; a line end after it is left out.")


class SecretField(BaseModel):
    """A field of the JSON body whose value is a secret, as `routing_key` in what PagerDuty is sent."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=camel, validate_by_name=True)

    name: Annotated[str, Field(min_length=1, max_length=63)] = Field(description="Name of the field, at the top of json.")
    secret_ref: SecretRef = Field(description="Where the secret is, a text in UTF-8; a line end after it is left out.")


class HttpParams(Place):
    """Sends one call and expects an answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                ONE_PLACE_RULE,
                {"rule": "!has(self.body) || !has(self.json)", "message": ONE_BODY},
                {"rule": "!has(self.secretFields) || has(self.json)", "message": FIELDS_OF_JSON},
            ]
        }
    )

    method: Method = Field(description="Method of the call.")
    query: dict[Annotated[str, Field(min_length=1, max_length=63)], Annotated[str, Field(max_length=1024)]] = Field(
        default={}, max_length=16, description="Query parameters, not percent-encoded. Never a secret."
    )
    headers: dict[HeaderName, HeaderValue] = Field(default={}, max_length=16, description="Headers. Never a secret.")
    secret_headers: list[SecretHeader] = Field(default=[], max_length=4, description="Headers whose values are secrets.")
    body: Annotated[str | None, Field(max_length=16384), Code()] = Field(
        default=None, description="Body as it is, without templates: what they fill in could become another body."
    )
    body_json: dict[str, Any] | None = Field(
        default=None,
        alias="json",
        description="Body as an object, sent as JSON. Its texts may be templates: what they fill in stays a text.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )
    secret_fields: list[SecretField] = Field(
        default=[], max_length=4, description="Fields at the top of json whose values are secrets; json itself has none of them."
    )
    expect: list[Status] = Field(
        default=[200, 201, 202, 204], min_length=1, max_length=16, description="Statuses of which the answer must have one."
    )
    idempotency_key_header: HeaderName = Field(
        default="Idempotency-Key", description="Header with a key that is the same however often this step is tried."
    )
    output: JsonOutput | None = Field(default=None, description="The fact that the answer's body becomes; left out: none.")

    @model_validator(mode="after")
    def _can_be_sent(self) -> HttpParams:
        if self.body is not None and self.body_json is not None:
            raise ValueError(ONE_BODY)
        if self.secret_fields and self.body_json is None:
            raise ValueError(FIELDS_OF_JSON)
        if twice := repeated([*(self.body_json or {}), *(field.name for field in self.secret_fields)]):
            raise ValueError(f"field {twice}: is said twice")
        if len(json.dumps(self.body_json)) > BODY_LIMIT:
            raise ValueError(f"json: longer than {BODY_LIMIT} characters")
        for name in self._names():
            if name.lower() in FRAMING:
                raise ValueError(f"header {name}: is set by the sender alone")
            if self.service and name.lower().startswith(TAKEN):
                raise ValueError(f"header {name}: the API server takes it for itself, it does not reach a Service; use url")
        return self

    def _names(self) -> list[str]:
        names = [*self.headers, *(header.name for header in self.secret_headers), self.idempotency_key_header]
        if twice := repeated([name.lower() for name in names]):
            raise ValueError(f"header {twice}: is said twice")
        return names


def repeated(names: list[str]) -> str:
    """One of those that stand there more than once; "" for none."""
    return min((name for name in names if names.count(name) > 1), default="")


async def read(stage: Stage, _: Ref | None, params: HttpParams) -> Before:
    """Nothing: whether the place answers, only the call itself can tell."""
    return Before({}, ({"kind": "Namespace", "metadata": {"name": stage.namespace}},))


def plan(before: Before, params: HttpParams, token: str) -> Change:
    """What is to be sent, without secrets."""
    said = params.model_dump(mode="json", by_alias=True, exclude_none=True)
    key = hashlib.sha256(token.encode()).hexdigest()
    namespace = before.related[0]["metadata"]["name"]
    place = Ref("v1", "Service", namespace, params.service) if params.service else Ref("", "Place", "", params.url or "")
    secrets = [f"header {header.name} from Secret {header.secret_ref}" for header in params.secret_headers]
    secrets += [f"field {field.name} from Secret {field.secret_ref}" for field in params.secret_fields]
    what = f"{params.method} {params.place}, expect {' or '.join(map(str, params.expect))}"
    return Change(place, {"call": said, "idempotencyKey": key}, what, ", ".join(secrets))


async def apply(stage: Stage, change: Change, _: str) -> Effected:
    """Sends it, at once and once. Raises `Conflict` and `Refused` only where it certainly did not arrive."""
    params = HttpParams.model_validate(change.patch["call"])
    with not_begun():
        headers = {header.name: await in_header(stage, header.secret_ref) for header in params.secret_headers}
        fields = {field.name: await in_field(stage, field.secret_ref) for field in params.secret_fields}
    what = f"{params.method} {params.place}"
    try:
        async with asyncio.timeout(params.timeout.total_seconds()):
            reply = await send(stage.cluster, stage.web, stage.namespace, params, call_of(params, change, headers, fields))
    except NotSent as failure:
        raise Conflict(failure.reason, f"{what}: nothing was sent: {failure.message}") from failure
    except (TimeoutError, Retryable) as failure:
        return unanswered(what, params, failure)
    body = masked(reply.body, [form.encode() for value in (*headers.values(), *fields.values()) for form in forms(value)])
    files, lost = await keep(stage, {"body.txt": body})
    return judge(params, what, reply, body, {"files": files}, lost)


async def in_header(stage: Stage, ref: SecretRef) -> str:
    """Raises `Refused` (SecretUnfit) for what cannot stand in a header."""
    value = (await value_of(stage, ref)).strip().decode("latin-1")
    if not value.isprintable() or not value.isascii():
        raise Refused("SecretUnfit", f"Secret {ref} holds what cannot stand in a header: expected printable ASCII")
    return value


async def in_field(stage: Stage, ref: SecretRef) -> str:
    """Raises `Refused` (SecretUnfit) for what is no text."""
    try:
        return (await value_of(stage, ref)).decode().rstrip("\r\n")
    except UnicodeDecodeError as failure:
        raise Refused("SecretUnfit", f"Secret {ref} holds what cannot stand in JSON: expected a text in UTF-8") from failure


def forms(secret: str) -> set[str]:
    """How an answer may repeat it: as it is, or as JSON spells it."""
    return {secret, *(json.dumps(secret, ensure_ascii=ascii)[1:-1] for ascii in (True, False))}


def call_of(params: HttpParams, change: Change, secret: Mapping[str, str], fields: Mapping[str, str]) -> HttpCall:
    """What is sent, with the secrets in headers and fields."""
    headers = {**params.headers, params.idempotency_key_header: change.patch["idempotencyKey"]}
    headers |= {header.name: header.prefix + secret[header.name] for header in params.secret_headers}
    body = (params.body or "").encode()
    if params.body_json is not None:
        body = json.dumps({**params.body_json, **fields}, ensure_ascii=False).encode()
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
    return HttpCall(params.path, params.method.value, params.query, headers, body)


def unanswered(what: str, params: HttpParams, failure: TimeoutError | Retryable) -> Effected:
    wait = f"no answer in {params.timeout.total_seconds():g} s"
    why = f"{what}: {failure.message.removeprefix(f'{what}: ') if isinstance(failure, Retryable) else wait}"
    return Effected(why, unknown=why)


def judge(params: HttpParams, what: str, reply: HttpReply, body: bytes, kept: dict[str, Any], lost: str) -> Effected:
    summary = f"{what} answered {reply.status} in {reply.seconds:.2f} s{lost}"
    if reply.status not in params.expect:
        wanted = " or ".join(map(str, params.expect))
        return Effected(summary, failed=f"{summary}; expected {wanted}, see the answer in the pack", **kept)
    if params.output is None:
        return Effected(summary, **kept)
    value = value_in(params.output, body)
    if isinstance(value, Unreadable):
        return Effected(summary, failed=f"{summary}; {value.message}", **kept)
    return Effected(summary, output=value, **kept)


def rules(params: HttpParams, namespace: str, ref: Ref | None) -> tuple[Rule, ...]:
    secrets = [one.secret_ref for one in (*params.secret_headers, *params.secret_fields)]
    return (*place_rules(params, VERBS[params.method]), *secret_rules(secrets))


HTTP = Action(
    name="http",
    summary="Send one call to a Service or to an allow-listed place, at most once",
    params=HttpParams,
    kinds=frozenset(),
    effect_class=EffectClass.at_most_once,
    risk=Risk.Medium,
    irreversible="a call that was sent cannot be taken back",
    rules=rules,
    read=read,
    plan=plan,
    apply=apply,
    reach="all that whoever gets the call changes upon it",
)

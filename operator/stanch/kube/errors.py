"""Kubernetes' HTTP answers and aiohttp's exceptions -> `engine.errors`. The only place where that is decided."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from stanch.engine.errors import Conflict, Failure, NotFound, NotSent, Refused, Retryable

# "User "x" cannot patch resource "deployments" ...": the authorizer's words; admission speaks differently.
_RBAC_DENIAL = re.compile(r"cannot \S+ (resource|path)")
# The API server's words where its way to a backend or a kubelet ended before anything was sent: no endpoint (registry/core/
# service), no connection (Go's net.OpError), an upgrade that was not granted (client-go).
_NO_WAY = re.compile(r"no endpoints available for service|dial tcp|unable to upgrade connection")
# registry/rbac: who writes a binding needs `bind` on its role, or all that the role permits.
_ESCALATION = "attempting to grant RBAC permissions not currently held"
_INVALID = frozenset({400, 405, 406, 413, 415, 422})
_LONGEST_WAIT = 60.0
# Who is told to come back at once, again and again, would do nothing else.
_SHORTEST_WAIT = 0.2
_DEFAULT_WAIT = 2.0


@dataclass(frozen=True)
class Answer:
    """An HTTP answer that was read. `headers` finds names in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def status_object(body: bytes) -> dict[str, Any]:
    """The `kind: Status` in which the API server words its errors; empty when `body` is something else."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and found.get("kind") == "Status" else {}


def of_answer(doing: str, answer: Answer) -> Failure:
    """The failure that an answer outside 2xx means. `doing` says what was tried, e.g. "patch deployment/web in shop".

    Source: Kubernetes API conventions, "HTTP Status codes".
    """
    status = status_object(answer.body)
    message = f"{doing}: {status.get('message') or _plain(answer)}"
    match answer.status:
        case 401:
            return Retryable("Unauthorized", f"{message} (the credentials are read again before the next try)")
        case 403:
            return _forbidden(message, status)
        case 404:
            return NotFound("NotFound", message)
        case 409:
            return Conflict(status.get("reason") or "Conflict", message)
        case 410:
            return Retryable("Expired", message)
        case 408 | 429:
            return Retryable(status.get("reason") or "TooManyRequests", message, _wait(answer.headers))
        case code if code in _INVALID:
            return Refused("Invalid", message)
        case code if code >= 500:
            return Retryable(status.get("reason") or "ServerError", message, _wait(answer.headers))
    return Refused("UnexpectedAnswer", message)


def of_exception(doing: str, error: Exception) -> Failure:
    """The failure that a request without an answer means. It may have been carried out: only reading tells."""
    cause = str(error) or type(error).__name__
    match error:
        case aiohttp.InvalidURL():
            return Refused("Invalid", f"{doing}: no URL to ask ({cause})")
        case aiohttp.ConnectionTimeoutError() | aiohttp.ClientConnectorError() | aiohttp.ClientSSLError():
            return NotSent("Unreachable", f"{doing}: no connection ({cause})")
        case TimeoutError():
            return Retryable("Timeout", f"{doing}: no answer in time; whether it took effect is unknown")
        case ValueError():
            return Retryable("UnreadableAnswer", f"{doing}: the answer is not the JSON object it should be ({cause})")
    return Retryable("ConnectionLost", f"{doing}: the connection broke ({cause}); whether it took effect is unknown")


def of_way(failure: Failure) -> Failure:
    """`failure`, which the API server worded about somebody behind it, as `NotSent` where it says that it never got there."""
    if isinstance(failure, Retryable) and _NO_WAY.search(failure.message):
        return NotSent(failure.reason, failure.message, failure.after)
    return failure


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Lets nothing but `engine.errors` out of the block."""
    try:
        yield
    except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError and ssl.SSLError are OSErrors
        raise of_exception(doing, error) from error


def _forbidden(message: str, status: Mapping[str, Any]) -> Refused:
    causes = (status.get("details") or {}).get("causes") or ()
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        return Refused("NamespaceTerminating", message)
    if _RBAC_DENIAL.search(message):
        message += ". A Role with that verb on that resource is missing (for a playbook's ServiceAccount, `stanch rbac` prints it)"
    if _ESCALATION in message:
        # What follows lists all that the role permits.
        message = f"{message.partition(_ESCALATION)[0]}{_ESCALATION}. Missing is `bind` on that role (`stanch rbac` prints it)"
    return Refused("Forbidden", message)


def _plain(answer: Answer) -> str:
    text = answer.body[:200].decode(errors="replace").strip()
    return f"HTTP {answer.status} {text}".rstrip()


def _wait(headers: Mapping[str, str]) -> float:
    """Seconds from Retry-After. Kubernetes sends whole seconds only; anything else counts as absent."""
    value = headers.get("Retry-After", "")
    return min(max(float(value), _SHORTEST_WAIT), _LONGEST_WAIT) if value.isdecimal() else _DEFAULT_WAIT

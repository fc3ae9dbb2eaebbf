"""The one translation of HTTP answers and exceptions."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict

from stanch.engine.errors import Conflict, Failure, NotFound, Refused, Retryable
from stanch.kube.errors import Answer, of_answer, of_exception


def status(reason: str = "", message: str = "said so", **details: Any) -> bytes:
    return json.dumps({"kind": "Status", "reason": reason, "message": message, "details": details}).encode()


@pytest.mark.parametrize(
    ("code", "body", "expected", "reason"),
    [
        (400, status(), Refused, "Invalid"),
        (401, status(), Retryable, "Unauthorized"),
        (403, status(), Refused, "Forbidden"),
        (403, status(causes=[{"reason": "NamespaceTerminating"}]), Refused, "NamespaceTerminating"),
        (404, status(), NotFound, "NotFound"),
        (408, b"", Retryable, "TooManyRequests"),
        (409, status("AlreadyExists"), Conflict, "AlreadyExists"),
        (409, status("Conflict"), Conflict, "Conflict"),
        (409, b"", Conflict, "Conflict"),
        (410, status("Expired"), Retryable, "Expired"),
        (413, b"", Refused, "Invalid"),
        (422, status("Invalid"), Refused, "Invalid"),
        (429, b"", Retryable, "TooManyRequests"),
        (500, status("InternalError"), Retryable, "InternalError"),
        (502, b"<html>", Retryable, "ServerError"),
        (503, status("ServiceUnavailable"), Retryable, "ServiceUnavailable"),
        (504, status("Timeout"), Retryable, "Timeout"),
        (302, b"", Refused, "UnexpectedAnswer"),
    ],
)
def test_answers(code: int, body: bytes, expected: type[Failure], reason: str) -> None:
    failure = of_answer("patch it", Answer(code, CIMultiDict(), body))
    assert (type(failure), failure.reason) == (expected, reason)
    assert failure.message.startswith("patch it: ")


@pytest.mark.parametrize(("header", "after"), [("7", 7), ("0", 0.2), ("3600", 60), ("soon", 2), ("-1", 2), ("", 2)])
def test_retry_after_is_bounded(header: str, after: float) -> None:
    failure = of_answer("x", Answer(429, CIMultiDict({"retry-after": header}), b""))
    assert isinstance(failure, Retryable)
    assert failure.after == after


def test_a_missing_role_is_told_from_a_refusal_by_admission() -> None:
    rbac = 'deployments.apps "web" is forbidden: User "x" cannot patch resource "deployments" in API group "apps"'
    admission = 'deployments.apps "web" is forbidden: exceeded quota: count/deployments.apps=1'
    assert "stanch rbac" in of_answer("x", Answer(403, CIMultiDict(), status("Forbidden", rbac))).message
    assert "stanch rbac" not in of_answer("x", Answer(403, CIMultiDict(), status("Forbidden", admission))).message


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), "Timeout"),
        (aiohttp.SocketTimeoutError(), "Timeout"),
        (aiohttp.ConnectionTimeoutError(), "Unreachable"),
        (aiohttp.ServerDisconnectedError(), "ConnectionLost"),
        (aiohttp.ClientPayloadError(), "ConnectionLost"),
        (ConnectionResetError(), "ConnectionLost"),
        (ValueError("no JSON"), "UnreadableAnswer"),
    ],
)
def test_exceptions(error: Exception, reason: str) -> None:
    assert of_exception("x", error).reason == reason

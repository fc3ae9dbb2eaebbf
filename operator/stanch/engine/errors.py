"""The three ways in which reaching the world fails. Adapters translate their library's exceptions into these once."""

from __future__ import annotations


class Failure(Exception):
    """Base: `reason` is one CamelCase word for conditions and metrics, `message` a sentence for a person."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class Retryable(Failure):
    """Worth another try after `after` seconds: time-outs, 429, 5xx, connection refused. Says nothing about the effect."""

    def __init__(self, reason: str, message: str, after: float = 2.0) -> None:
        super().__init__(reason, message)
        self.after = after


class NotSent(Retryable):
    """Retryable, and it is certain that nothing was carried out: no connection, no endpoint. What must not happen twice may be
    prepared again after this one only."""


class Refused(Failure):
    """Another try changes nothing: forbidden, invalid, guarded."""


class NotFound(Refused):
    """The object does not exist (or is another one than the pinned UID)."""


class Conflict(Failure):
    """Somebody else wrote first: read again, decide again."""

"""How an object store is reached, beside its URL. Never a credential: those are the environment's, as the store's own tools
read them (`AWS_ACCESS_KEY_ID` and so on from a Secret; or `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_ARN`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reach:
    """For `s3://`: `endpoint` of a server of one's own, empty: Amazon's; `ca` is a file with the certificates (PEM) that vouch
    for it beside the system's."""

    endpoint: str = ""
    region: str = ""
    ca: str = ""

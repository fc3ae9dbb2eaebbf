"""The claim of a seal, `seal.json`: which head this segment seals, as of when, and with which facts.

It is the first file of a seal, and create-only: of two leaders that begin the same segment, one decides what it will be.
All else that a seal writes follows from the claim, the chain and the files that are there. So whoever finds a claim without
its manifest (its leader died, was held up, or is at it this moment) finishes just that seal, byte for byte; and a leader
that was held up for as long as it may be can only write again what is there already.

That a claim says the truth nobody vouches for before the seal, no more than for any file that lies there unsealed: who can
write to the store before a seal is caught by the chain in what they change of the story, not in the facts told beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stanch.domain.timeline import Head
from stanch.engine.chain import parse, parse_time, plain, time_text
from stanch.engine.errors import Refused
from stanch.packs.manifest import FORMAT_VERSION, MAX_MANIFEST, head_in, object_in, segment_path

_FACT = re.compile(r"[a-z]{1,32}", re.ASCII)
_NOT_A_LIST_OF_FACTS = {"timeline", "manifest", "seal"}
_FIELDS = {"formatVersion", "segment", "head", "at", "facts"}


@dataclass(frozen=True)
class Claim:
    """`facts` is plain JSON: `incident`, `changes`, `approvals` and what else was said of the incident."""

    segment: int
    head: Head
    at: datetime
    facts: Mapping[str, Any]

    @property
    def incident(self) -> Mapping[str, Any]:
        return self.facts["incident"]

    @property
    def lists(self) -> Mapping[str, Any]:
        """What becomes a file of its own, by the file's name."""
        return {name: value for name, value in sorted(self.facts.items()) if name != "incident"}


def claim_path(segment: int) -> str:
    return segment_path("seal", ".json", segment)


def wanted(segment: int, head: Head, facts: Mapping[str, Any], at: datetime) -> Claim:
    """The claim that a leader would make. `Refused` (BadFacts) for facts that no seal can write."""
    for name in facts:
        if not _FACT.fullmatch(name) or name in _NOT_A_LIST_OF_FACTS:
            raise Refused("BadFacts", f"facts: {name!a} cannot name a file; expected lower-case letters")
    said = {"incident": {}, "changes": [], "approvals": [], **facts}
    return Claim(segment, head, at, {name: parse(readable(name, value)) for name, value in said.items()})


def encode_claim(claim: Claim) -> bytes:
    """Its bytes. `Refused` (PackTooLarge) when they are more than a reader takes."""
    document = {"formatVersion": FORMAT_VERSION, "segment": claim.segment, "head": claim.head, "at": time_text(claim.at)}
    data = readable("seal", {**document, "facts": claim.facts})
    if len(data) > MAX_MANIFEST:
        raise Refused("PackTooLarge", f"the incident's facts take {len(data)} bytes; a seal holds {MAX_MANIFEST}")
    return data


def decode_claim(data: bytes, segment: int) -> Claim:
    """`Refused` (SealBroken), saying what is wrong, unless it is a claim of this segment."""
    try:
        raw = object_in(parse(data), "seal")
        if raw.keys() != _FIELDS or raw["formatVersion"] != FORMAT_VERSION or raw["segment"] != segment:
            raise ValueError(f"expected formatVersion {FORMAT_VERSION}, segment {segment}, and {', '.join(sorted(_FIELDS))}")
        return wanted(segment, head_in(raw["head"]), object_in(raw["facts"], "facts"), parse_time(raw["at"]))
    except (ValueError, Refused) as error:
        raise Refused("SealBroken", f"{claim_path(segment)}: {error}; run stanch verify on the pack") from error


def readable(name: str, value: Any) -> bytes:
    """JSON for people. `Refused` (BadFacts) for what JSON cannot say."""
    try:
        text = json.dumps(plain(value), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Refused("BadFacts", f"facts: {name} cannot be written as JSON: {error}") from error
    return (text + "\n").encode("utf-8", "backslashreplace")

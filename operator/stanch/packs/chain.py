"""How the chain lies in a pack: one create-only object an entry, `chain/000001.json`, whose bytes are
`engine.chain.encode`.

Object stores do not append; and of two writers of one number only one can win.
"""

from __future__ import annotations

import re

FOLDER = "chain"

# An entry is at most six texts and eight files (domain.timeline); 128 KiB holds them with every character escaped.
MAX_ENTRY = 128 * 1024
_NAME = re.compile(r"chain/(\d{6,9})\.json", re.ASCII)


def entry_path(seq: int) -> str:
    return f"{FOLDER}/{seq:06d}.json"


def entry_seq(path: str) -> int | None:
    """The number in an entry's path; None when it is not exactly the path of an entry."""
    found = _NAME.fullmatch(path)
    seq = int(found.group(1)) if found else 0
    return seq if seq and entry_path(seq) == path else None

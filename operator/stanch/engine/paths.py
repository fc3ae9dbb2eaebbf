"""Names and paths inside a pack: what is allowed, and how a hostile text becomes a harmless name."""

from __future__ import annotations

import hashlib
import re

from stanch.engine.errors import Refused

# Leaves room for a `+2` within the 512 that an entry's File allows.
MAX_PATH = 480
MAX_PART = 250
_PART = re.compile(r"[A-Za-z0-9_@+=:-][A-Za-z0-9._@+=:-]*", re.ASCII)
_HASHED = re.compile(r".*\+[0-9a-f]{12}", re.ASCII)


def safe_name(text: str, limit: int = 100) -> str:
    """One part of a path that stands for `text`: unchanged where it is harmless and at most `limit` long.

    Otherwise what is harmless of it, `+`, and 48 bits of its SHA-256, so that two texts do not get one name. Names of
    Kubernetes objects hold no `+` and so are never mistaken for a changed one. `limit` is at least 16.
    """
    if len(text) <= limit and _PART.fullmatch(text) and not _HASHED.fullmatch(text):
        return text
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    kept = re.sub(r"[^A-Za-z0-9._@=:-]", "_", text[: limit - 13]).lstrip(".")
    return f"{kept}+{mark}"


def check_path(path: str) -> str:
    """`path`, when it may stand in a pack; else `Refused`.

    Relative, forward slashes, parts of A-Z a-z 0-9 . _ @ + = : - of at most 250 characters, none starting with a dot
    (so neither `..` nor hidden), at most 480 characters in all.
    """
    if len(path) > MAX_PATH:
        raise Refused("BadPath", f"a path of {len(path)} characters; a pack's paths have at most {MAX_PATH}")
    for part in path.split("/"):
        if len(part) > MAX_PART or not _PART.fullmatch(part):
            raise Refused("BadPath", f"{path!a}: the part {part!a} is not allowed in a pack; make it by safe_name")
    return path


def alternatives(path: str, most: int = 99) -> list[str]:
    """`logs/a.log`, then `logs/a+2.log`, …: where to write when the name is taken. Nothing is overwritten."""
    folder, slash, name = path.rpartition("/")
    stem, dot, suffix = name.partition(".")
    return [path, *(f"{folder}{slash}{stem}+{number}{dot}{suffix}" for number in range(2, most + 1))]

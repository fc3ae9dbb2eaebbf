"""`stanch timeline`: `[HH:MM] action, expectation, result, next`, from the pack's own entries (A-17)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from stanch.cli.ending import Code, Ending
from stanch.cli.output import Format, say, say_json
from stanch.cli.packed import folder_of, pack_at
from stanch.cli.session import Session
from stanch.domain.timeline import Entry
from stanch.engine.chain import plain
from stanch.packs.reach import Reach
from stanch.packs.store import HERE
from stanch.packs.timeline import Gap, read_entries, render


def is_pack(argument: str) -> bool:
    """A path, or a folder that is there; anything else is the name of an incident."""
    return "/" in argument or Path(argument).is_dir()


async def of_incident(session: Session, name: str, output: Format) -> None:
    """Raises `Ending` (Unusable) that says where the pack is, when that is not here."""
    pack = ((await session.incident(name)).get("status") or {}).get("pack") or {}
    uri = str(pack.get("uri", ""))
    if not uri:
        raise Ending(f"incident {name} has no pack yet")
    folder = folder_of(uri)
    if folder is None:
        message = f"the pack of {name} is {uri}, which is no folder of this machine: copy it here, then `stanch timeline FOLDER`"
        raise Ending(message, Code.Unusable)
    show(folder, output)


def of_pack(path: str, output: Format, reach: Reach = HERE) -> None:
    with pack_at(path, reach) as folder:
        show(folder, output)


def show(folder: Path, output: Format) -> None:
    """Prints all entries; what cannot be shown is said in its place. Raises `Ending`: Problems for gaps, Unusable for no entry."""
    entries, missing = count(folder)
    if not entries and not missing:
        raise Ending(f"{folder} has no entries (chain/000001.json and so on): is it a pack?", Code.Unusable)
    if output is Format.json:
        say_json({"entries": [body(found) for found in read_entries(folder)], "missing": missing})
    else:
        for line in render(folder):
            say(line)
    if missing:
        raise Ending(f"{missing} entries cannot be shown; `stanch verify {folder}` says more")


def count(folder: Path) -> tuple[int, int]:
    """How many entries there are, and how many are missing or cannot be read; one in memory at a time."""
    entries = missing = 0
    for found in read_entries(folder):
        if isinstance(found, Gap):
            missing += found.last - found.first + 1
        else:
            entries += 1
    return entries, missing


def body(found: Entry | Gap) -> dict[str, Any]:
    return asdict(found) if isinstance(found, Gap) else plain(found)

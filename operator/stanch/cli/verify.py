"""`stanch verify`: whether a pack is whole and unchanged, offline; one in an object store is copied here first.

Exit codes: 0 it is; 1 it is not, the first bad entry is named; 2 it could not be read, so that nothing is known.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from stanch.cli.ending import Code, Ending
from stanch.cli.output import Format, say, say_json, size
from stanch.cli.packed import pack_at
from stanch.packs.findings import ProblemKind, Verification
from stanch.packs.reach import Reach
from stanch.packs.render import printable
from stanch.packs.store import HERE
from stanch.packs.verify import verify


@dataclass(frozen=True)
class Known:
    """What is known from elsewhere (the Incident's `status.pack`): hash of the last entry and of the manifest; empty: nothing."""

    head: str = ""
    manifest: str = ""
    unsealed: bool = False


def check(path: str, known: Known, output: Format, reach: Reach = HERE) -> None:
    with pack_at(path, reach) as folder:
        found = verify(folder, known.head or None, known.manifest or None, allow_unsealed=known.unsealed)
    if output is Format.json:
        say_json({"pack": path, "firstBadEntry": found.first_bad_entry, **asdict(found)})
    else:
        tell(path, found, known)
    if not found.ok:
        raise Ending(code=code(found))


def code(found: Verification) -> Code:
    """What could not be read is not known to be bad, and not known to be good."""
    return Code.Unusable if all(p.kind is ProblemKind.Unreadable for p in found.problems) else Code.Problems


def tell(path: str, found: Verification, known: Known) -> None:
    for problem in found.problems:
        say(printable(str(problem)))
    if found.more:
        say(f"… {found.more} more problems")
    counted = f"{found.entries} entries, {found.files} files, {size(found.bytes)}"
    if not found.ok:
        first = f"; the first bad entry is {found.first_bad_entry}" if found.first_bad_entry else ""
        verdict = "could not be read" if code(found) is Code.Unusable else "is not what was recorded"
        say(printable(f"{path}: {verdict}: {counted}{first}"))
        return
    for line in found.glass:
        say(printable(f"the glass was broken: {line}"))
    for stray in found.strays:
        say(printable(f"{stray}: Stray: no part of the pack; a leader that was held up wrote it after the seal, or it was added"))
    if found.stray > len(found.strays):
        say(f"… {found.stray - len(found.strays)} more strays")
    sealed = f"sealed up to entry {found.sealed}" if found.sealed else "not sealed"
    say(printable(f"{path}: whole: {counted}, {sealed}"))
    say(f"head {found.head}")
    say(f"manifest {found.manifest or 'none'}")
    if not (known.head or known.manifest):
        say("Whoever can write there could have written all of it anew: compare with status.pack of the Incident,")
        say("  stanch verify PACK --head HASH --manifest HASH")

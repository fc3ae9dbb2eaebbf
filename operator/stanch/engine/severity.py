"""Which severity the criteria of a ladder propose (E-33). Pure. What nobody knows meets no criterion, and is named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields

from stanch.domain.record import camel
from stanch.domain.severity import Assessment, Criterion, Proposal, Rung

SHARE = "users_affected"


def propose(ladder: Iterable[Rung], seen: Assessment) -> Proposal | None:
    """The gravest severity of which a criterion holds; `ladder` has the gravest first. One without a severity says what is not
    known where none does; None: nothing more would change that."""
    unknown: dict[str, None] = {}
    for rung in ladder:
        for criterion in rung.criteria:
            missing = unmet(criterion, seen)
            if missing == []:
                return Proposal(rung.severity, told(criterion, seen, unknown))
            unknown |= dict.fromkeys(missing or ())
    return Proposal(message=f"no criterion is known to hold; not known: {', '.join(unknown)}") if unknown else None


def unmet(criterion: Criterion, seen: Assessment) -> list[str] | None:
    """What would have to be known: [] where it holds, None where it does not, whatever the rest is."""
    missing = []
    for name, wanted in lines(criterion):
        found = getattr(seen, name)
        if found is None:
            missing.append(camel(name))
        elif found < wanted if name == SHARE else found is not wanted:
            return None
    return missing


def lines(criterion: Criterion) -> Iterator[tuple[str, int | bool]]:
    """What it says."""
    said = ((field.name, getattr(criterion, field.name)) for field in fields(criterion))
    return ((name, wanted) for name, wanted in said if wanted is not None)


def told(criterion: Criterion, seen: Assessment, unknown: Iterable[str]) -> str:
    why = ", ".join(line_of(name, wanted, seen) for name, wanted in lines(criterion))
    graver = ", ".join(unknown)
    return f"{why}; not known, and could make it graver: {graver}" if graver else why


def line_of(name: str, wanted: int | bool, seen: Assessment) -> str:
    if name == SHARE:
        return f"usersAffected is {seen.users_affected}, at least {wanted} %"
    return f"{camel(name)} is {str(wanted).lower()}"

"""The table of `pytest --requirements`: every ID, under it the tests that name it, and at the end the sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.plugin.ledger import Ledger, Outcome, State

INDENT = " " * 15


def lines(ledger: Ledger) -> Iterator[str]:
    states = {identifier: ledger.state(identifier) for identifier in ledger.titles}
    yield ""
    for identifier, state in states.items():
        yield f"{identifier}  {state:<7}  {ledger.titles[identifier]}"
        if state is State.in_part:
            yield f"{INDENT}lacks: {ledger.lacking[identifier]}"
        yield from (INDENT + line for line in proofs(ledger, identifier))
    counts = Counter(states.values())
    in_part = f", {counts[State.in_part]} in part" if counts[State.in_part] else ""
    yield f"requirements: {counts[State.proven]} of {len(states)} proven{in_part}"


def proofs(ledger: Ledger, identifier: str) -> Iterator[str]:
    """One line for each test function, its parameters taken together: `passed 12  tests/unit/test_x.py::test_y`."""
    functions: dict[str, Counter[Outcome]] = {}
    for nodeid in ledger.tests.get(identifier, ()):
        functions.setdefault(nodeid.split("[", 1)[0], Counter())[ledger.outcome(nodeid)] += 1
    for function, counts in sorted(functions.items()):
        said = ", ".join(f"{outcome} {counts[outcome]}" if counts.total() > 1 else outcome for outcome in counts)
        yield f"{said}  {function}"

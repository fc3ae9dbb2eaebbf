"""`@pytest.mark.requirement("E-14")` says what a test proves; `pytest --requirements` prints what became of every ID.

The table comes after pytest's closing line, so that its last line, `requirements: N of M proven`, is the run's last.
An ID is proven when at least one test that names it ran, and every one that ran passed; a skipped test did not run.
One of which `in-part.yaml` says what is lacking is proven in part, at most.

Above it stands what tests say by `closing_line`: what a suite injected and what came of it is seen although the test passed, and in
whichever process it ran.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial

import pytest

from tests.plugin import catalogue, table
from tests.plugin.ledger import Ledger

LEDGER = pytest.StashKey[Ledger]()
LINES = pytest.StashKey[list[str]]()
PROPERTY, LINE = "requirements", "closing line"
MARKER = "requirement(*ids): the lines of the runbooks that this test proves (tests/requirements.yaml)"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--requirements", action="store_true", help="print which requirements this run proved, and by which tests")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    config.stash[LEDGER] = Ledger(catalogue.load(), catalogue.lacking())
    recorder = Recorder(config.stash[LEDGER])
    config.stash[LINES] = recorder.lines
    config.pluginmanager.register(recorder)


@pytest.fixture
def closing_line(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Says a line that stands below pytest's own closing line."""
    return partial(record_property, LINE)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A marker that names no known ID makes its module (or class) a collection error: nothing is run."""
    report = yield
    ledger = collector.config.stash[LEDGER]
    items = [node for node in report.result or () if isinstance(node, pytest.Item)]
    problems = [problem for item in items for problem in ledger.enter(item.nodeid, named(item))]
    return pytest.CollectReport(report.nodeid, "failed", "\n".join(problems), []) if problems else report


def named(item: pytest.Item) -> tuple[object, ...]:
    """What the item's markers name; a marker without any ID names the empty one."""
    return tuple(name for mark in item.iter_markers("requirement") for name in mark.args or ("",))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Reports carry the IDs: with `-n` they come from another process, and nothing was collected in this one."""
    item.user_properties.append((PROPERTY, list(named(item))))


@dataclass(frozen=True, eq=False)
class Recorder:
    """Compared by identity, because pytest keeps its plugins in sets."""

    ledger: Ledger
    lines: list[str] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # A report has what those before it had, too.
        if report.when == "call":
            self.lines.extend(said for key, said in report.user_properties if key == LINE)
        self.ledger.enter(report.nodeid, tuple(name for key, names in report.user_properties if key == PROPERTY for name in names))
        self.ledger.record(report)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    """Outermost, so that lines and table stand below pytest's closing line."""
    result = yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        proven = table.lines(session.config.stash[LEDGER]) if session.config.getoption("requirements") else ()
        for line in (*session.config.stash[LINES], *proven):
            reporter.write_line(line)
    return result

"""What every tier of tests shares: its plugins, the order of the tiers, and how hypothesis searches."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# Suites that several tiers inherit say what they saw, too.
pytest.register_assert_rewrite("tests.contract")

pytest_plugins = ("pytester", "tests.plugin", "tests.cluster.fixtures")

HERE = Path(__file__).resolve().parent
TIERS = ("unit", "contract", "e2e", "bench")

# Derandomized: a run that turns red shows a change of ours, not of the dice. No deadline: the machine may be busy.
# To search further: pytest --hypothesis-profile=explore
settings.register_profile("stanch", derandomize=True, deadline=None)
# `make test-unit`: an answer while one still looks at the screen.
settings.register_profile("quick", derandomize=True, deadline=None, max_examples=20)
settings.register_profile("explore", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile("stanch")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The quick tiers first, so that what is broken shows early."""
    items.sort(key=lambda item: TIERS.index(item.path.relative_to(HERE).parts[0]))

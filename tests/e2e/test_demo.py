"""The demo itself, as `make demo` plays it, on the cluster that the other tests are on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.demo import background, place
from tests.stage.install import uninstall_operator
from tests.stage.kubectl import ROOT, Kubectl

# Two incidents of half a minute each, beside other tests.
SECONDS = 400


@pytest.fixture
def place_of_its_own(installed: Kubectl, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("STANCH_DEMO_CLUSTER", cluster.name)
    yield
    background.stop()
    installed("delete", "namespace", place.NAMESPACE, "--wait=false", "--ignore-not-found")
    uninstall_operator(installed)
    shutil.rmtree(place.state())


def test_the_demo_resolves_its_incidents_and_verifies_their_packs(place_of_its_own: None) -> None:
    played = subprocess.run(
        [sys.executable, "-m", "tests.demo"], cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=SECONDS
    )
    said = played.stdout.strip().splitlines() or [""]
    assert said[-1] == "demo: 2 of 2 incidents resolved, 2 of 2 packs verified", played.stdout + played.stderr
    assert played.returncode == 0

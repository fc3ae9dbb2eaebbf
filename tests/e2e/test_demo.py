"""The demo itself, as `make demo` plays it, on the cluster that the other tests are on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.demo import background, place
from tests.stage.install import uninstall_operator
from tests.stage.kubectl import ROOT, Kubectl

# Two incidents of half a minute each, beside other tests.
SECONDS = 400
# What `stanch verify` says of a sealed pack that is as it was recorded.
WHOLE = re.compile(r"^(/.+): whole: \d+ entries, \d+ files, .+, sealed up to entry \d+$", re.MULTILINE)


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
    first, second = re.findall(r"^Incident \d of 2, (\S+): ", played.stdout, re.MULTILINE)
    restarted, approved = last_picture(played.stdout, "P0", first), last_picture(played.stdout, "P1", second)
    assert "Denied  option restart" in restarted and "Confirmed  option undo" in restarted, played.stdout
    assert "may not approve" in played.stdout, "who opened it is refused before the viewer's eyes"
    assert "Confirmed  option undo" in approved and "approved by carol as incident-commander" in approved, played.stdout
    listed = played.stdout.partition(f"$ kubectl get inc {first} {second}\n")[2].splitlines()
    rows = [line.split()[:3] for line in listed[1:3]]
    assert [row[:2] for row in rows] == [[first, "P0"], [second, "P1"]], listed
    assert {row[2] for row in rows} <= {"Resolved", "Closed"}, listed
    packs = [Path(path) for path in WHOLE.findall(played.stdout)]
    assert [path.name.rpartition("-")[0] for path in packs] == [first, second], played.stdout
    assert all(path.parent.samefile(place.packs() / place.NAMESPACE) for path in packs)


def last_picture(said: str, severity: str, name: str) -> str:
    """What `stanch watch` drew of the incident at its end, below the headline; empty: it did not."""
    _, headline, below = said.rpartition(f"Resolved  {severity}  {place.NAMESPACE}/{name}\n")
    return below.partition("back in service")[0] if headline else ""

"""The harness works: every measurement, from a handful of samples, on a real cluster. How fast it was is not judged here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.bench import build
from tests.bench.contestants import Field
from tests.bench.measurements.registry import MEASUREMENTS
from tests.bench.place import Place, placed
from tests.bench.scale import SHORT
from tests.cluster.run import run

CLEAN = ("lost: stanch", "doubled: stanch", "doubled: Go peer")

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]


@pytest.fixture
async def place(cluster: Any, namespace: str, tmp_path: Path):
    async with placed(cluster, f"{namespace}-bench", tmp_path) as found:
        yield found


@pytest.mark.parametrize("name", MEASUREMENTS)
async def test_measures(place: Place, name: str):
    rows = await MEASUREMENTS[name](Field(place, build.peer()), SHORT)
    assert rows
    for row in rows:
        print(row.what, row.value.middle, row.unit)
    wrong = [row.what for row in rows if row.what.endswith(CLEAN) and row.value.middle]
    assert not wrong


def test_the_go_peer_keeps_its_promise_and_the_naive_one_does_not():
    run(["go", "test", "-trimpath", "./..."], env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": ""}, cwd=build.SOURCE, timeout=900)

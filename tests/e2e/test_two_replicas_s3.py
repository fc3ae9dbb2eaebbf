"""Two replicas whose packs are in one bucket of a real S3 server (versitygw, over TLS), of which they are told as pods are."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.run import run
from tests.e2e.test_two_replicas import RAISE, Replicas, changes, of_one_installation, refused_with, taken_over
from tests.s3.running import BUCKET, CREDENTIALS, S3Server, serving
from tests.stage.kubectl import Kubectl

ANOTHER = "another"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    with serving(tmp_path / "s3") as running:
        (running.folder / "buckets" / ANOTHER).mkdir()
        yield running


def told(server: S3Server) -> dict[str, str]:
    """The variables of the components `object-store` and `own-object-store`, and those of the Secret."""
    reach = server.reach
    own = {"STANCH_PACKS_ENDPOINT": reach.endpoint, "STANCH_PACKS_CA": reach.ca}
    return {"STANCH_PACKS_REGION": reach.region, **own, **CREDENTIALS}


@pytest.fixture
def replicas(installed: Kubectl, namespace: str, tmp_path: Path, server: S3Server) -> Iterator[Replicas]:
    with of_one_installation(installed, namespace, tmp_path, server.url("stanch"), told(server)) as made:
        yield made


@pytest.mark.requirement("A-22", "E-04")
def test_who_takes_over_goes_on_in_the_bucket_and_the_pack_that_is_fetched_is_whole(
    replicas: Replicas, server: S3Server, closing_line: Callable[[str], None]
) -> None:
    limits = replicas.limits
    name, hold, stopped = replicas.stopped_at(changes, RAISE)
    leading = replicas.second.until_it_says("operator.leading")
    limits.ended(name, only="Confirmed")
    limits.kubectl("wait", f"incident/{name}", "--for=jsonpath={.status.pack.manifest}", "--timeout=30s")
    assert replicas.let_arrive(hold) == 409
    pack = limits.incident(name)["status"]["pack"]
    assert pack["uri"].startswith(server.url("stanch/")), pack["uri"]
    assert f"{pack['uri']}: whole" in fetched(server, pack["uri"], "--head", pack["head"]["hash"], "--manifest", pack["manifest"])
    closing_line(f"stale write, in a bucket: {taken_over(replicas, stopped, leading)}")


def fetched(server: S3Server, *words: str) -> str:
    """What `stanch verify` says, which copies the pack here; it raises where that is not whole."""
    command = [str(Path(sys.executable).with_name("stanch")), "verify", *words]
    return run(command, env={**os.environ, **told(server)})


@pytest.mark.parametrize("packs", [f"s3://{BUCKET}/{ANOTHER}", f"s3://{ANOTHER}/stanch"], ids=["prefix", "bucket"])
def test_beside_a_leader_nobody_starts_with_another_bucket_or_prefix(replicas: Replicas, packs: str) -> None:
    refused_with(replicas, packs)

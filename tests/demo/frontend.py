"""The frontend as its users see it: what /health answers, asked through the API server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from tests.cluster.model import ClusterError
from tests.cluster.run import wait_for
from tests.demo import place

HEALTH = f"/api/v1/namespaces/{place.NAMESPACE}/services/http:frontend:8080/proxy/health"
# Endpoints follow a rollout by a moment.
SETTLE_SECONDS = 20.0


@dataclass(frozen=True)
class Answer:
    status: int
    reason: str
    version: str

    def __str__(self) -> str:
        return f"{self.version} answers {self.status} {self.reason}"


def answers(kubectl: Path, status: int, version: str) -> Answer:
    """What /health answers once that is `status` by `version`. Raises ClusterError when it does not come to that."""
    seen: list[Answer] = []

    def as_expected() -> bool:
        seen.append(ask(port))
        return (seen[-1].status, seen[-1].version) == (status, version)

    with proxy(kubectl) as port:
        wait_for(f"/health of frontend {version} answering {status}", as_expected, SETTLE_SECONDS)
    return seen[-1]


def ask(port: int) -> Answer:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", HEALTH)
        response = connection.getresponse()
        return read(response.status, response.reason, response.read())
    except OSError as error:
        return Answer(0, f"nothing: {error}", "frontend")
    finally:
        connection.close()


def read(status: int, reason: str, body: bytes) -> Answer:
    """`version` is empty where it was not the frontend that answered."""
    try:
        found = json.loads(body)
    except ValueError:
        found = {}
    return Answer(status, reason, str(found.get("version", "")) if isinstance(found, dict) else "")


@contextmanager
def proxy(kubectl: Path) -> Iterator[int]:
    """The port on which `kubectl proxy` lets plain HTTP through to the API server. Raises ClusterError."""
    command = [str(kubectl), f"--kubeconfig={place.kubeconfig()}", "proxy", "--port=0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        if not said.startswith("Starting to serve on "):
            raise ClusterError(f"kubectl proxy does not start: {said or 'it says nothing'}")
        yield int(said.rpartition(":")[2])
    finally:
        process.terminate()
        process.wait()

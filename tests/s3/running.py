"""The S3 server as a process on the loopback, over TLS under a CA of its own; its buckets are folders."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from stanch.packs.reach import Reach
from tests.cluster.run import run, wait_for
from tests.s3.build import SERVER

REGION = "eu-test-1"
BUCKET = "evidence"
HERE = "127.0.0.1"
# Of this server alone, which is gone when the test is.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "of-no-use-elsewhere"}


@dataclass
class S3Server:
    folder: Path
    port: int
    tls: bool = True
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def reach(self) -> Reach:
        """Of a server with TLS."""
        return Reach(f"https://{HERE}:{self.port}", REGION, str(self.folder / "ca.crt"))

    def url(self, prefix: str = "") -> str:
        return f"s3://{BUCKET}/{prefix}"

    def files(self, prefix: str) -> list[str]:
        """What lies below a prefix, as the server's own file system has it."""
        root = self.folder / "buckets" / BUCKET / prefix
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    def start(self) -> None:
        """Returns once it takes connections."""
        environment = os.environ | {
            "ROOT_ACCESS_KEY": CREDENTIALS["AWS_ACCESS_KEY_ID"],
            "ROOT_SECRET_KEY": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        }
        notes, buckets, certificate, key = (self.folder / name for name in ("notes", "buckets", "server.crt", "server.key"))
        told = ["--port", f"{HERE}:{self.port}", "--region", REGION, *(["--cert", certificate, "--key", key] if self.tls else [])]
        # What it notes of an object stands beside the objects: not every file system of a test machine takes attributes.
        command = [SERVER.path(), "--quiet", *told, "posix", "--sidecar", notes, buckets]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        wait_for(f"S3 server on port {self.port}", self._answers, 30, 0.05)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None and self._process.poll() is None, (self.folder / "server.log").read_text()
        with suppress(OSError), socket.create_connection((HERE, self.port), 1):
            return True
        return False


@contextmanager
def serving(folder: Path, *, tls: bool = True) -> Iterator[S3Server]:
    """Running, with one empty bucket."""
    for name in ("buckets", "notes"):
        (folder / name).mkdir(parents=True)
    (folder / "buckets" / BUCKET).mkdir()
    certify(folder)
    with socket.create_server((HERE, 0)) as free:
        port = free.getsockname()[1]
    server = S3Server(folder, port, tls)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def certify(folder: Path, name: str = f"IP:{HERE}") -> None:
    """`ca.crt`, and `server.crt` with its key for this address (the loopback's), as openssl writes it."""
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    ca = [*new, "-subj", "/CN=tests", "-keyout", "ca.key", "-out", "ca.crt"]
    run(ca, cwd=folder)
    signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-addext", f"subjectAltName={name}", "-addext", "basicConstraints=CA:FALSE"]
    run([*new, *signed, "-subj", "/CN=s3", "-keyout", "server.key", "-out", "server.crt"], cwd=folder)

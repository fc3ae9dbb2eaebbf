"""Running other programs, and locks between processes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from .model import ClusterError


def say(text: str) -> None:
    """One line for the person who waits; standard output stays for results."""
    print(text, file=sys.stderr, flush=True)


def run(
    argv: list[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | Path = "",
    timeout: float = 120,
) -> str:
    """Run a program to its end and return its output; `timeout` in seconds.

    `stdin` is text, or the path of a file to read.

    Raises ClusterError with the command and the end of what it said on standard error.
    """
    try:
        with _source(stdin) as source:
            done = subprocess.run(
                argv,
                env=env,
                cwd=cwd,
                stdin=source,
                text=True,
                timeout=timeout,
                capture_output=True,
                check=False,
                errors="replace",
            )
    except FileNotFoundError as missing:
        raise ClusterError(f"{argv[0]}: no such program; is it installed?") from missing
    except subprocess.TimeoutExpired as late:
        raise ClusterError(f"{' '.join(argv)}: no end after {timeout:.0f} s") from late
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-3000:]
        raise ClusterError(f"{' '.join(argv)}: exit {done.returncode}\n{said}")
    return done.stdout


def _source(stdin: str | Path) -> BinaryIO:
    if isinstance(stdin, Path):
        return stdin.open("rb")
    source = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
    source.write(stdin.encode())
    source.seek(0)
    return source


def succeeds(argv: list[str], **options: object) -> bool:
    """Whether the program could be run and ended with 0."""
    try:
        run(argv, **options)  # type: ignore[arg-type]
    except ClusterError:
        return False
    return True


def wait_for(what: str, ready: Callable[[], bool], timeout: float, pause: float = 0.2) -> None:
    """Ask until `ready()`; after `timeout` seconds raises ClusterError naming `what`."""
    end = time.monotonic() + timeout
    while not ready():
        if time.monotonic() > end:
            raise ClusterError(f"{what}: not so after {timeout:.0f} s")
        time.sleep(pause)


@contextlib.contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file; says so when another process has to be waited for.

    Who holds it may delete the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _lock(path, what)
    while not _is_file(handle, path):  # deleted by the one who held it before
        os.close(handle)
        handle = _lock(path, what)
    try:
        yield
    finally:
        os.close(handle)


def _lock(path: Path, what: str) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"waiting: another process is at {what}")
        fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def _is_file(handle: int, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False

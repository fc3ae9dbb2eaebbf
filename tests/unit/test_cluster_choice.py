"""Which way to a cluster is taken, in which order, and that it is said. Docker is a program of ours on the PATH."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cluster import providers
from tests.cluster.model import ClusterError
from tests.cluster.providers import choose


@dataclass(frozen=True)
class Machine:
    """Root on Linux, Docker that answers, and no context named: each taken away or added by hand."""

    patch: pytest.MonkeyPatch
    folder: Path

    def docker(self, code: int) -> None:
        """What `docker info` ends with."""
        program = self.folder / "docker"
        program.write_text(f"#!/bin/sh\nexit {code}\n")
        program.chmod(0o755)

    def is_(self, platform: str, user: int) -> None:
        self.patch.setattr(providers, "sys", SimpleNamespace(platform=platform))
        self.patch.setattr(os, "geteuid", lambda: user)

    def named(self) -> str:
        file = self.folder / "config"
        file.write_text("{}")
        self.patch.setenv("STANCH_KUBE_CONTEXT", f"mine@{file}")
        return f"mine@{file}"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("STANCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("STANCH_KUBE_CONTEXT", raising=False)
    found = Machine(monkeypatch, tmp_path)
    found.docker(0)
    found.is_("linux", 0)
    return found


def test_a_context_that_the_user_names_comes_before_docker(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    named = machine.named()
    assert choose("demo").name == "named context"
    assert capsys.readouterr() == ("", f"cluster demo: named context, because STANCH_KUBE_CONTEXT={named}\n")


def test_docker_that_answers_comes_before_local_binaries(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert choose("demo").name == "kind"
    assert capsys.readouterr() == ("", "cluster demo: kind, because Docker answers\n")


@pytest.mark.parametrize("installed", [True, False])
def test_local_binaries_are_what_is_left(machine: Machine, capsys: pytest.CaptureFixture[str], installed: bool) -> None:
    """Docker without its daemon is as good as none."""
    if installed:
        machine.docker(1)
    else:
        (machine.folder / "docker").unlink()
    assert choose("demo").name == "local binaries"
    why = "Docker does not answer, and this is root on Linux"
    assert capsys.readouterr() == ("", f"cluster demo: local binaries, because {why}\n")


@pytest.mark.parametrize(("platform", "user"), [("linux", 1000), ("darwin", 0)])
def test_where_nothing_fits_the_ways_are_named(
    machine: Machine, capsys: pytest.CaptureFixture[str], platform: str, user: int
) -> None:
    machine.docker(1)
    machine.is_(platform, user)
    with pytest.raises(ClusterError, match=r"start Docker, or run as root .* or set STANCH_KUBE_CONTEXT"):
        choose("demo")
    assert capsys.readouterr() == ("", ""), "nothing is chosen, nothing is said to be"

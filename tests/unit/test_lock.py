"""uv.lock holds releases of the public index with their hashes and nothing else, and is what pyproject.toml asks for.
Modules of which tests take CRDs are locked, too."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.others import kinds
from tests.unit.source_tree import ROOT

# Put together, because hosts of registries are written nowhere but in uv.lock (test_secrets.py).
INDEX, FILES = "https://{}.org/simple".format("pypi"), "https://files.{}.org/packages/".format("pythonhosted")
Package = dict[str, Any]


def locked() -> list[Package]:
    return tomllib.loads((ROOT / "uv.lock").read_text())["package"]


def faults(packages: list[Package]) -> Iterator[str]:
    """Every fault of a lock, beginning with the package's name."""
    for package in packages:
        if package["source"] == {"editable": "."} and package["name"] == "stanch":
            continue
        name, files = package["name"], [*package.get("wheels", []), *filter(None, [package.get("sdist")])]
        if package["source"] != {"registry": INDEX}:
            yield f"{name}: comes from {package['source']}"
        if Version(package["version"]).is_prerelease:
            yield f"{name}: {package['version']} is no release"
        if not files:
            yield f"{name}: has no files"
        for file in files:
            if not file.get("url", "").startswith(FILES) or "@" in file["url"]:
                yield f"{name}: a file comes from {file}"
            if not file.get("hash", "").startswith("sha256:") or len(file["hash"]) != len("sha256:") + 64:
                yield f"{name}: {file['url']} has no SHA-256"


def test_every_package_is_a_release_of_the_public_index_with_its_hashes() -> None:
    assert list(faults(locked())) == []


def spoilt(**said: Any) -> Callable[[Package], None]:
    return lambda package: package.update(said)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (spoilt(source={"git": "https://example.org/a.git#0"}), "comes from {'git'"),
        (spoilt(source={"registry": "https://example.org/simple"}), "comes from {'registry'"),
        (spoilt(source={"editable": "."}), "comes from {'editable'"),
        (spoilt(version="2.0rc1"), "is no release"),
        (spoilt(version="2.0.dev3"), "is no release"),
        (spoilt(wheels=[], sdist=None), "has no files"),
        (spoilt(sdist={"url": "https://example.org/a.tar.gz", "hash": "sha256:" + "0" * 64}), "a file comes from"),
        (spoilt(sdist={"url": f"{FILES}a.tar.gz"}), "has no SHA-256"),
        (spoilt(sdist={"url": f"{FILES}a.tar.gz", "hash": "md5:" + "0" * 32}), "has no SHA-256"),
    ],
)
def test_a_lock_that_holds_something_else_is_seen(spoil: Callable[[Package], None], says: str) -> None:
    victim = next(package for package in locked() if package["name"] == "aiohttp")
    spoil(victim)
    assert [fault for fault in faults([victim]) if fault.startswith("aiohttp: ") and says in fault]


def in_step(folder: Path) -> str:
    """What uv, without a network, has against the lock; empty: nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "uv", "lock", "--check", "--offline"], cwd=folder, text=True, capture_output=True, check=False
    )
    return done.stderr if done.returncode else ""


def test_the_lock_is_what_the_project_asks_for(tmp_path: Path) -> None:
    assert in_step(ROOT) == ""
    asks = (ROOT / "pyproject.toml").read_text()
    (tmp_path / "uv.lock").write_text((ROOT / "uv.lock").read_text())
    (tmp_path / "pyproject.toml").write_text(asks.replace('"rich>=13.9"', '"rich>=999"'))
    assert in_step(tmp_path) != ""


def test_every_dependency_says_from_which_version_on_it_is_known_to_work() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [Requirement(text) for text in [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]]
    assert [str(each) for each in asked if each.url or not {"==", ">="} & {spec.operator for spec in each.specifier}] == []
    assert "sources" not in project.get("tool", {}).get("uv", {})


def test_modules_of_other_projects_are_locked_by_what_is_in_them() -> None:
    """Go compares with go.sum what stands there: a module of which only the go.mod does would be taken as it comes."""
    required = re.findall(r"^\t(\S+ v\S+)$", (kinds.MODULES / "go.mod").read_text(), re.MULTILINE)
    sums = [line.rpartition(" ") for line in (kinds.MODULES / "go.sum").read_text().splitlines()]
    assert required and {name for name, _, _ in sums} == {f"{module}{part}" for module in required for part in ("", "/go.mod")}
    assert all(value.startswith("h1:") for _, _, value in sums)
    assert {module for module, _ in kinds.FILES.values()} == {module.partition(" ")[0] for module in required}

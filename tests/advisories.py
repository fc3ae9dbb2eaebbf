"""`make audit`: what is publicly known to be wrong with the packages in uv.lock, asked of OSV (https://google.github.io/osv.dev/api/).

Three answers, and the third is never taken for the first: nothing is known (exit status 0), something is (1), nobody could be
asked (2). A source counts as asked only when it knows of a release that is certainly vulnerable.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Advisories that do not concern us, each with why.
IGNORED: Mapping[str, str] = {}
# Vulnerable for good (CVE-2013-7459): its project has ended.
VULNERABLE = ("pycrypto", "2.6.1")
QUICKLY = {"UV_HTTP_RETRIES": "1", "UV_HTTP_TIMEOUT": "30", "NO_COLOR": "1"}


class Outcome(IntEnum):
    nothing_known = 0
    vulnerable = 1
    unknown = 2


@dataclass(frozen=True)
class Answer:
    outcome: Outcome
    text: str


def audit(project: Path, service: str = "") -> Answer:
    """`service` instead of OSV's own address."""
    packages = tomllib.loads((project / "uv.lock").read_text())["package"]
    index = next(package["source"]["registry"] for package in packages if "registry" in package["source"])
    with tempfile.TemporaryDirectory() as folder:
        lock(Path(folder), *VULNERABLE, index)
        known = _asked(Path(folder), service)
    if known.outcome is Outcome.vulnerable:
        return _asked(project, service)
    why = known.text if known.outcome is Outcome.unknown else f"the source knows nothing of {VULNERABLE[0]} {VULNERABLE[1]}"
    return Answer(Outcome.unknown, why)


def lock(folder: Path, name: str, version: str, index: str) -> None:
    """A project that needs exactly this release."""
    project = f'[project]\nname = "probe"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["{name}=={version}"]\n'
    (folder / "pyproject.toml").write_text(project)
    needed = f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ registry = "{index}" }}\n'
    own = f'[[package]]\nname = "probe"\nversion = "1"\nsource = {{ virtual = "." }}\ndependencies = [{{ name = "{name}" }}]\n'
    (folder / "uv.lock").write_text(f'version = 1\nrevision = 3\nrequires-python = ">=3.11"\n\n{needed}\n{own}')


def _asked(project: Path, service: str) -> Answer:
    command = [sys.executable, "-m", "uv", "audit", "--preview-features", "audit-command", "--frozen"]
    command += [word for advisory in IGNORED for word in ("--ignore", advisory)]
    command += ["--service-url", service] if service else []
    done = subprocess.run(command, cwd=project, env=os.environ | QUICKLY, text=True, capture_output=True, check=False)
    known = done.returncode in {Outcome.nothing_known, Outcome.vulnerable}
    return Answer(Outcome(done.returncode) if known else Outcome.unknown, (done.stdout + done.stderr).strip())


def main() -> int:
    parser = argparse.ArgumentParser(description="Asks what is publicly known to be wrong with the packages in uv.lock.")
    parser.add_argument("--where-reachable", action="store_true", help="say so and go on where nobody could be asked")
    going_on = parser.parse_args().where_reachable
    answer = audit(ROOT)
    print(answer.text, flush=True)
    if answer.outcome is Outcome.unknown:
        print("AUDIT NOT DONE: whether a locked package has a known vulnerability is UNKNOWN (make audit asks again)", flush=True)
        return 0 if going_on else answer.outcome
    return answer.outcome


if __name__ == "__main__":
    sys.exit(main())

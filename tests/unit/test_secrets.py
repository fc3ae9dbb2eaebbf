"""No tracked file holds a secret, a folder of somebody's machine, or the host of a package registry.

detect-secrets' detectors of known forms (keys, tokens, credentials in URLs), and one of ours for kubeconfigs. Its detectors of
"looks random" and "is called password" are left out: here hashes, and tests of secrets, are most of what they find.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.ip_public import IPPublicDetector

from tests.unit.source_tree import ROOT

REGISTRIES = "pypi,pythonhosted,npmjs,golang,crates,rubygems,debian,docker,maven"
OWN: Mapping[str, re.Pattern[str]] = {
    # A key or certificate in base64, as kubeconfigs and Secrets hold it: what begins with `-----BEGIN`.
    "PEM in base64": re.compile(r"LS0tLS1CRUdJTi[A-Za-z0-9+/=]{20,}"),
    # The detector of GitHub's tokens knows the older forms only.
    "GitHub fine-grained token": re.compile(r"github_pat_[A-Za-z0-9_]{20,}"),
    # `/proc/PID/root/` is another thing.
    "folder of a machine": re.compile(r"(?<![\w}])/(?:root|home/[a-z_][\w-]*|Users/\w+)/[\w.-]+"),
    "registry": re.compile(rf"//[\w.-]*(?:{REGISTRIES.replace(',', '|')})\.(?:org|io|com)\b"),
}
# What is none, by file, kind and the first digits of what it says (as SHA-256), each with why.
NONE: Mapping[tuple[str, str, str], str] = {
    ("tests/unit/goldens/actions/setConfig/long-and-secret-values-are-not-told.yaml", "Basic Auth Credentials", "f52fbd32b2b3"):
        "'hunter2': what must not be told",
    ("tests/unit/test_action_cas.py", "Basic Auth Credentials", "f52fbd32b2b3"): "'hunter2': what must not be told",
    ("tests/unit/test_action_takeback.py", "Basic Auth Credentials", "f52fbd32b2b3"): "'hunter2': what must not be told",
    ("tests/unit/test_action_takeback.py", "AWS Access Key", "039ac2ee10ab"): "the alphabet and the digits, in their order",
    ("tests/unit/test_action_takeback.py", "Private Key", "573da6fd127e"): "a first line without a key after it",
    ("tests/unit/test_check_http.py", "Basic Auth Credentials", "d74ff0ee8da3"): "'pass', of a URL that is refused",
    ("tests/unit/test_kube_web.py", "Basic Auth Credentials", "98309a99d6f3"): "'{port}', of a URL that is refused",
    ("tests/unit/test_kube_web.py", "Basic Auth Credentials", "2bb80d537b1d"): "'secret', of a URL that is refused",
    ("tests/contract/test_s3.py", "Basic Auth Credentials", "98c1eb4ee934"): "'word', of a URL that is refused",
    ("tests/unit/test_demo.py", "folder of a machine", "6e566212d936"): "a made-up home is shown as ~",
    ("tests/unit/test_demo.py", "folder of a machine", "5bb40e1544ce"): "a made-up home of another is not",
}  # fmt: skip
# The lock says where each package comes from; test_lock.py says what may stand there.
REGISTRIES_TOLD = "uv.lock"


@cache
def detectors() -> tuple[RegexBasedDetector, ...]:
    known = get_mapping_from_secret_type_to_class().values()
    chosen = [kind for kind in known if issubclass(kind, RegexBasedDetector) and kind is not IPPublicDetector]
    return tuple(kind() for kind in chosen)


def found(text: str) -> Iterator[tuple[str, str]]:
    """The kind of each secret in `text`, and what it says."""
    for detector in detectors():
        yield from ((detector.secret_type, secret) for secret in detector.analyze_string(text))
    for kind, pattern in OWN.items():
        yield from ((kind, match[0]) for match in pattern.finditer(text))


# As .gitignore says.
MADE = re.compile(r"\.git|\.venv|__pycache__|\..*_cache|\.hypothesis|dist|.*\.egg-info")


def digits(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:12]


def tracked() -> list[str]:
    """What git keeps, whoever owns the checkout; of an archive without git everything but what is made here."""
    if not shutil.which("git"):
        return archived(ROOT)
    asked = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    listed = subprocess.run(asked, cwd=ROOT, check=False, capture_output=True, text=True)
    return listed.stdout.rstrip("\0").split("\0") if listed.returncode == 0 else archived(ROOT)


def archived(root: Path) -> list[str]:
    files = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return [str(path) for path in files if not any(MADE.fullmatch(part) for part in path.parts)]


def in_file(path: str) -> set[tuple[str, str, str]]:
    text = (ROOT / path).read_text(errors="replace")
    told = {(path, kind, digits(secret)) for kind, secret in found(text)}
    return {each for each in told if each[:2] != (REGISTRIES_TOLD, "registry")}


def test_no_tracked_file_holds_a_secret() -> None:
    """What is named as none and not there any more is taken off the list."""
    assert set().union(*(in_file(path) for path in tracked() if (ROOT / path).is_file())) == set(NONE)


def test_an_archive_without_git_is_searched_too() -> None:
    """No less than what git keeps."""
    assert set(tracked()) <= set(archived(ROOT))


# Put together here, so that this file holds none.
PEM = "-----BEGIN {} KEY-----".format("EC PRIVATE") + "\nMHcCAQEEIOx\n"
PLANTED = {
    "AWS Access Key": f"aws_access_key_id = {'AKIA'}{'Q7RXM2ZT4LKPW5NB'}",
    "Private Key": PEM,
    "GitHub Token": f"token: {'ghp'}_{'aB3dE6gH9j' * 4}"[:47],
    "GitHub fine-grained token": f"{'github'}_pat_{'11AB3dE6gH9' * 3}",
    "PEM in base64": f"client-key-data: {base64.b64encode(PEM.encode()).decode()}",
    "JSON Web Token": "token: " + ".".join(
        base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg":"RS256"}', b'{"sub":"system:x"}', b"signed")
    ),
    "Basic Auth Credentials": f"https://admin:{'s3cr3t'}@db.example.org/",
    "Slack Token": f"{'xoxb'}-{'123456789012-abcdefABCDEF0123'}",
    "folder of a machine": "see " + "/".join(("", "home", "ada", "src")),
    "registry": "https://{}.org/simple".format("pypi"),
}  # fmt: skip


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_secret_is_found(tmp_path: Path, kind: str) -> None:
    (tmp_path / "planted").write_text(f"first: line\n{PLANTED[kind]}\nlast: line\n")
    assert kind in {kind for _, kind, _ in in_file(str(tmp_path / "planted"))}


@pytest.mark.parametrize(
    "text", ["/proc/12/root/run/x", "/root", "https://example.org", "secretRef: {name: a}", "ghp_short", "PyPI"]
)
def test_what_is_none_is_not_found(text: str) -> None:
    assert list(found(text)) == []

"""What verification does with packs that were made to hurt it: every oddity is a problem, none a crash or a flood."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanch.packs.findings import MAX_PROBLEMS, ProblemKind
from stanch.packs.local import Unreadable, read
from stanch.packs.verify import verify
from tests.unit.packs_built import SEALED, entry, kinds
from tests.unit.packs_shelf import Pack, judged, shelf


@pytest.mark.parametrize("files", [{}, {"logs/a": b"x"}, {"manifest.json": b"{}"}])
def test_what_is_no_pack_is_not_good(files: Pack) -> None:
    for allow in (False, True):
        assert not judged(files, allow_unsealed=allow).ok


def test_a_path_that_is_no_folder_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    assert ProblemKind.Unreadable in kinds(verify(tmp_path / "file"))
    assert ProblemKind.Unreadable in kinds(verify(tmp_path / "nowhere"))


HOSTILE_JSON = [b"", b"\xff\xfe", b"{", b"null", b"NaN", b"[" * 200_000, b'{"a":' * 200_000, b'{"files":5}', b"9" * 10_000]


@pytest.mark.parametrize("data", HOSTILE_JSON)
@pytest.mark.parametrize("path", [entry(2), "manifest.json", "captures/x.json", "timeline.md"])
def test_what_is_no_json_is_a_problem_not_a_crash(path: str, data: bytes) -> None:
    assert not judged({**SEALED, path: data}).ok


def test_a_manifest_with_a_deep_incident_is_a_problem() -> None:
    raw = SEALED["manifest.json"].replace(b'"incident":{', b'"incident":{"deep":' + b"[" * 800 + b"]" * 800 + b",")
    assert not judged({**SEALED, "manifest.json": raw}).ok


@given(st.dictionaries(st.sampled_from([entry(1), entry(2), "manifest.json", "manifest-0002.json"]), st.binary(max_size=200)))
def test_garbage_never_raises(files: Pack) -> None:
    assert not judged(files).ok


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    return Path(shutil.copytree(shelf().lay(SEALED), tmp_path / "pack"))


def test_links_are_not_followed(sealed: Path) -> None:
    (sealed / "logs/link").symlink_to("/etc/passwd")
    (sealed / "loop").symlink_to(".")
    shutil.move(sealed / "timeline.md", sealed.parent / "timeline.md")
    (sealed / "timeline.md").symlink_to(sealed.parent / "timeline.md")
    found = verify(sealed)
    assert {problem.path for problem in found.problems} == {"logs/link", "loop", "timeline.md"}


def test_a_file_that_became_a_link_after_the_walk_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "link").symlink_to("secret")
    with pytest.raises(Unreadable):
        read(tmp_path, "link", 10)


def test_a_pipe_does_not_stop_it(sealed: Path) -> None:
    (sealed / "timeline.md").unlink()
    os.mkfifo(sealed / "timeline.md")
    assert {problem.path for problem in verify(sealed).problems} == {"timeline.md"}


def test_a_name_that_is_not_utf8_is_a_problem(sealed: Path) -> None:
    (sealed / os.fsdecode(b"logs/\xff\x1b[31m")).write_bytes(b"x")
    (problem,) = verify(sealed).problems
    assert problem.kind is ProblemKind.Added and problem.path.isascii() and problem.path.isprintable()
    str(problem).encode()


def test_folders_nested_beyond_what_can_be_opened_are_a_problem(sealed: Path) -> None:
    here = os.open(sealed, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("deep" * 60, dir_fd=here)
        inner = os.open("deep" * 60, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    found = verify(sealed)
    assert not found.ok and all(len(problem.path) < 300 for problem in found.problems)


def test_a_folder_in_place_of_a_file_and_a_file_in_place_of_a_folder(sealed: Path) -> None:
    (sealed / "manifest-0002.json").unlink()
    (sealed / "manifest-0002.json").mkdir()
    shutil.rmtree(sealed / "logs")
    (sealed / "logs").write_bytes(b"x")
    assert not verify(sealed).ok


def test_many_problems_are_counted_and_the_first_entry_is_named(sealed: Path) -> None:
    for seq in range(9, 400):
        (sealed / entry(seq)).write_bytes(b"{}")
    found = verify(sealed)
    assert len(found.problems) == MAX_PROBLEMS and found.more > 250
    assert found.first_bad_entry in (8, 9)


HOSTILE = """
import resource, sys
from pathlib import Path
from stanch.packs.verify import verify
root = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = verify(root)
print(len(found.problems), found.first_bad_entry, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_sizes_beyond_all_bounds_cost_neither_memory_nor_time(sealed: Path) -> None:
    """Sparse files: an entry of 100 MB, a billionth entry, a log of a terabyte, a manifest of 10 GB."""
    for path, size in {entry(3): 10**8, entry(999999999): 10**8, "logs/huge": 10**12, "timeline.md": 10**12,
                       "manifest-0002.json": 10**10}.items():  # fmt: skip
        with open(sealed / path, "wb") as file:
            file.truncate(size)
    done = subprocess.run([sys.executable, "-c", HOSTILE, str(sealed)], capture_output=True, text=True, check=True, timeout=60)
    problems, first, grown_mib = map(int, done.stdout.split())
    assert problems >= 4 and first == 3
    assert grown_mib < 64

"""Verification finds every single tampering, and names the first bad entry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanch.domain.timeline import Head
from stanch.engine.chain import canonical, decode, encode, entry_hash, head_of, link
from stanch.packs.findings import ProblemKind
from stanch.packs.manifest import decode_manifest, encode_manifest
from stanch.packs.verify import verify
from tests.unit.packs_built import HEAD, MANIFEST, SEALED, UNSEALED, UNSEALED_HEAD, built, entry, kinds
from tests.unit.packs_kit import folder_of, line, linked, pack_in
from tests.unit.packs_shelf import Pack, judged

ANY_FILE = st.sampled_from(sorted(SEALED))
ENTRY = st.integers(1, 8)


@pytest.mark.requirement("A-17", "E-24")
def test_an_untouched_pack_is_good() -> None:
    found = judged(SEALED, expected_head=HEAD.hash, expected_manifest=MANIFEST)
    assert found.ok and not found.problems
    assert (found.entries, found.sealed, found.files, found.unvouched) == (8, 8, len(SEALED), 0)
    assert found.bytes == sum(map(len, SEALED.values()))
    assert (found.head, found.manifest, found.first_bad_entry) == (HEAD.hash, f"sha256:{MANIFEST}", 0)


@pytest.mark.long
@given(ANY_FILE, st.integers(min_value=0), st.integers(1, 255))
def test_a_flipped_byte_anywhere_is_found(path: str, where: int, flip: int) -> None:
    data = bytearray(SEALED[path])
    data[where % len(data)] ^= flip
    assert not judged({**SEALED, path: bytes(data)}).ok


@given(ENTRY, st.integers(min_value=0), st.integers(1, 255))
def test_a_flipped_byte_in_an_entry_names_that_entry(seq: int, where: int, flip: int) -> None:
    data = bytearray(SEALED[entry(seq)])
    data[where % len(data)] ^= flip
    assert judged({**SEALED, entry(seq): bytes(data)}).first_bad_entry == seq


@given(ANY_FILE)
def test_a_removed_file_is_found(path: str) -> None:
    found = judged({name: data for name, data in SEALED.items() if name != path})
    assert not found.ok
    assert found.first_bad_entry == (int(path[6:12]) if path.startswith("chain/") else 0)


@given(ANY_FILE, st.integers(min_value=0))
def test_a_truncated_file_is_found(path: str, keep: int) -> None:
    data = SEALED[path]
    assert not judged({**SEALED, path: data[: keep % len(data)]}).ok


@given(ANY_FILE, st.binary(min_size=1, max_size=20))
def test_an_extended_file_is_found(path: str, more: bytes) -> None:
    assert not judged({**SEALED, path: SEALED[path] + more}).ok


@given(ANY_FILE, ANY_FILE)
def test_swapped_files_are_found(one: str, other: str) -> None:
    same = SEALED[one] == SEALED[other]
    assert judged({**SEALED, one: SEALED[other], other: SEALED[one]}).ok == same


@given(ENTRY, ENTRY)
def test_reordered_entries_are_found_and_the_first_is_named(one: int, other: int) -> None:
    found = judged({**SEALED, entry(one): SEALED[entry(other)], entry(other): SEALED[entry(one)]})
    assert found.first_bad_entry == (0 if one == other else min(one, other))


@given(ANY_FILE, ANY_FILE)
def test_a_copy_over_another_file_is_found(source: str, target: str) -> None:
    assert judged({**SEALED, target: SEALED[source]}).ok == (SEALED[source] == SEALED[target])


@given(st.sampled_from(["logs/x", "x", "chain/000009.json", "chain/9.json", "chain/x", "manifest-0009.json", "manifest-2.json",
                        "timeline-0003.md", "a/b/c/d"]), st.binary(max_size=50))  # fmt: skip
def test_an_added_file_is_found(path: str, data: bytes) -> None:
    found = judged({**SEALED, path: data})
    assert not found.ok
    assert any(path.rpartition("/")[2] in problem.path or "manifest" in problem.path for problem in found.problems)


@given(st.integers(0, 7))
def test_a_truncated_chain_names_the_first_missing_entry(keep: int) -> None:
    found = judged({path: data for path, data in SEALED.items() if not path.startswith("chain/") or path <= entry(keep)})
    assert found.first_bad_entry == keep + 1
    assert ProblemKind.Truncated in kinds(found)


def test_a_rehashed_edit_in_the_middle_names_the_edited_entry() -> None:
    """Mallory knows the format: she edits entry 2 and gives it the right hash. Entry 3 still names the true one."""
    edited = replace(decode(UNSEALED[entry(2)]), line=line(99))
    edited = replace(edited, hash=entry_hash(edited))
    found = judged({**UNSEALED, entry(2): encode(edited)}, allow_unsealed=True)
    assert (found.first_bad_entry, kinds(found)) == (2, {ProblemKind.Changed})


def rewritten(files: Pack, first: int) -> Pack:
    """The chain from `first` on with other words, all hashes right."""
    forged = dict(files)
    head = head_of(decode(files[entry(first - 1)])) if first > 1 else Head()
    for seq in range(first, sum(path.startswith("chain/") for path in files) + 1):
        old = decode(files[entry(seq)])
        new = link(head, replace(old.line, result="all was well"), old.at)
        forged[entry(seq)] = encode(new)
        head = head_of(new)
    return forged


@given(st.integers(1, 4))
def test_a_chain_rewritten_to_its_end_needs_the_head_from_elsewhere(first: int) -> None:
    forged = rewritten(UNSEALED, first)
    assert judged(forged, allow_unsealed=True).ok
    found = judged(forged, expected_head=UNSEALED_HEAD.hash, allow_unsealed=True)
    assert kinds(found) == {ProblemKind.WrongHead}


@given(ENTRY)
def test_a_rewritten_chain_of_a_sealed_pack_names_its_first_entry(first: int) -> None:
    assert judged(rewritten(SEALED, first)).first_bad_entry == first


def test_a_whole_pack_written_anew_needs_what_is_known_from_elsewhere() -> None:
    forged, _, _ = built(1)
    assert judged(forged).ok
    found = judged(forged, expected_head=HEAD.hash, expected_manifest=MANIFEST)
    assert kinds(found) == {ProblemKind.WrongHead, ProblemKind.WrongManifest}


def test_expectations_are_taken_with_or_without_the_prefix() -> None:
    assert judged(SEALED, expected_head=HEAD.hash, expected_manifest=f"sha256:{MANIFEST}").ok


@pytest.mark.parametrize("field", ["incident", "files", "previous", "head"])
def test_a_manifest_that_was_edited_and_given_its_hash_contradicts_the_pack(field: str) -> None:
    """All but the free words about the incident: those only the manifest's own hash, kept elsewhere, protects."""
    old = decode_manifest(SEALED["manifest.json"])
    edits = {
        "incident": {"title": "nothing happened"},
        "files": old.files[1:],
        "previous": "sha256:" + "1" * 64,
        "head": Head(3, "sha256:" + "1" * 64),
    }
    new = encode_manifest(replace(old, **{field: edits[field]}))
    assert not judged({**SEALED, "manifest.json": new}).ok


def test_a_word_about_the_incident_is_under_the_hash_of_the_last_manifest() -> None:
    edited = SEALED["manifest-0002.json"].replace(b"502 on every page", b"404 on every page")
    assert [problem.path for problem in judged({**SEALED, "manifest-0002.json": edited}).problems][:1] == ["manifest-0002.json"]


def test_a_removed_segment_is_missing() -> None:
    found = judged({path: data for path, data in SEALED.items() if path != "manifest.json"})
    assert ("manifest.json", ProblemKind.Missing) in {(problem.path, problem.kind) for problem in found.problems}


def test_an_unsealed_pack_says_so() -> None:
    found = judged(UNSEALED, expected_head=UNSEALED_HEAD.hash)
    assert (found.ok, kinds(found), found.sealed) == (False, {ProblemKind.Unsealed}, 0)
    allowed = judged(UNSEALED, expected_head=UNSEALED_HEAD.hash, allow_unsealed=True)
    assert (allowed.ok, allowed.unvouched) == (True, 1)


@given(st.sampled_from(sorted(path for path in UNSEALED if not path.startswith("objects/"))), st.integers(min_value=0))
def test_before_a_seal_entries_and_what_they_vouch_for_are_protected(path: str, where: int) -> None:
    data = bytearray(UNSEALED[path])
    data[where % len(data)] ^= 1
    assert not judged({**UNSEALED, path: bytes(data)}, allow_unsealed=True).ok


def test_an_unsealed_chain_that_was_cut_off_is_found_by_the_head() -> None:
    cut = {path: data for path, data in UNSEALED.items() if path != entry(4)}
    assert kinds(judged(cut, expected_head=UNSEALED_HEAD.hash, allow_unsealed=True)) == {ProblemKind.WrongHead}


async def test_the_listing_of_a_capture_protects_its_files(tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    log = await pack.put("logs/before-1/app.log", b"panic\n")
    other = await pack.put("logs/before-1/db.log", b"ok\n")
    listed = [{"path": file.path, "sha256": file.sha256, "bytes": file.bytes} for file in (log, other)]
    listing = await pack.put("captures/before-1.json", canonical({"files": listed}))
    for linked_entry in linked(1, files=(listing,)):
        await pack.append(linked_entry)
    folder = folder_of(pack)
    assert verify(folder, allow_unsealed=True).ok
    (folder / log.path).write_bytes(b"fine!\n")
    (folder / other.path).unlink()
    found = verify(folder, allow_unsealed=True)
    assert {(problem.path, problem.kind) for problem in found.problems} == {
        (log.path, ProblemKind.Changed),
        (other.path, ProblemKind.Missing),
    }

"""`stanch lint`: each kind of mistake in its place, beside the same file without it; exit codes; what is no file of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from stanch.cli.ending import Code, Ending
from stanch.cli.lint import Finding, lint, lint_text
from stanch.cli.output import Format
from tests.unit.api_examples import DECISION, INCIDENT, PLAYBOOK, POLICY
from tests.unit.cli_kit import parsed

# What is spoiled, how, at which text the finding stands, and what it says.
ERRORS = {
    "an unknown target": (PLAYBOOK, "rolloutUndo: {target: app", "rolloutUndo: {target: ap", "target: ap,", "no target ap", "app?"),
    "an unknown field": (PLAYBOOK, "risk: Medium", "rsik: Medium", "rsik", "no field rsik", "risk?"),
    "an unknown action": (PLAYBOOK, "rolloutRestart:", "rolloutRestrat:", "rolloutRestrat", "field rolloutRestrat", "Restart?"),
    "a missing field": (PLAYBOOK, "  serviceAccountName: frontend-remediator\n", "", "spec:", "is required", ""),
    "CEL that does not compile": (PLAYBOOK, "age < duration('30m')", "age < ", "when:", "mismatched input", "CEL"),
    "CEL over an unknown name": (PLAYBOOK, "lastDeploy.age", "lastDeploi.age", "when:", "facts.lastDeploi", "CEL"),
    "an option that is never tried": (
        PLAYBOOK, "- name: restart\n", "- name: restart\n    onFailure: Stop\n", "name: undo\n", "never tried", "onFailure: Next",
    ),
    "no check": (
        PLAYBOOK, "\n    - {http: {service: frontend, port: 80, path: /health}, holdFor: 5m}", " []", "verify: []", "least 1", "",
    ),
    "a bad duration": (PLAYBOOK, "within: 2m", "within: -2m", "within: -2m", "duration", ""),
    "a bad enum": (PLAYBOOK, "risk: Medium", "risk: Huge", "risk: Huge", "'Low', 'Medium' or 'High'", ""),
    "an unknown kind": (POLICY, "kind: ResponsePolicy", "kind: Policy", "kind", "not a kind of stanch", "ResponsePolicy"),
    "a bad incident": (INCIDENT, "severity: P0, ", "", "spec:", "is required", ""),
    "a bad digest": (DECISION, "sha256:", "sha1:", "planDigest", "pattern", ""),
    "no name": (INCIDENT, "metadata: {name: frontend-502}", "metadata: {}", "metadata", "is required", "name"),
}  # fmt: skip


def place_of(snippet: str, text: str) -> tuple[int, int]:
    """Line and column of its first appearance, from 1."""
    before = text[: text.index(snippet)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def findings(text: str) -> list[Finding]:
    return lint_text("f.yaml", text.encode())[1]


def errors(text: str) -> list[Finding]:
    return [finding for finding in findings(text) if finding.severity == "error"]


@pytest.mark.parametrize("name", ERRORS)
def test_finds_a_mistake_in_its_place_and_only_it(name: str) -> None:
    good, from_, to, at, message, hint = ERRORS[name]
    assert from_ in good and not errors(good)
    bad = good.replace(from_, to)
    found = errors(bad)
    assert [(finding.line, finding.column) for finding in found] == [place_of(at, bad)]
    assert message in found[0].message and hint in found[0].hint


@pytest.mark.parametrize("text", [PLAYBOOK, INCIDENT, POLICY, DECISION])
def test_says_nothing_about_what_is_right(text: str) -> None:
    assert findings(text) == []


def test_counts_lines_through_all_documents_of_a_file() -> None:
    text = f"{PLAYBOOK}---\nkind: ConfigMap\napiVersion: v1\n---{INCIDENT.replace('severity: P0, ', '')}"
    assert [(found.line, found.path) for found in errors(text)] == [(place_of("spec: {title", text)[0], "spec.severity")]


def test_looks_into_a_list_and_names_the_place_there() -> None:
    item = INCIDENT.strip().replace("\n", "\n  ").replace("type: availability, ", "")
    text = f"apiVersion: v1\nkind: List\nitems:\n- {item}\n"
    assert [(found.line, found.column, found.path) for found in errors(text)] == [(*place_of("spec:", text), "spec.type")]


def test_two_objects_of_one_name_in_a_file() -> None:
    found = errors(f"{INCIDENT}---{INCIDENT}")
    assert [(one.line, one.message) for one in found] == [(9, "Incident frontend-502 stands in this file twice, first on line 2")]
    assert not errors(f"{INCIDENT}---{INCIDENT.replace('frontend-502', 'frontend-503')}")


def test_text_of_a_file_cannot_move_the_cursor() -> None:
    line = str(Finding("f\x1b[2J.yaml", 1, 1, "error", "no field \u202eevil\x1b[31m", "a\nb"))
    assert line == "f\\u001b[2J.yaml:1:1: error: no field \\u202eevil\\u001b[31m (a b)"


class Run:
    """One run of lint: its exit code and what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *paths: object, strict: bool = False, json: bool = False) -> None:
        self.message, self.code = "", Code.Fine
        try:
            lint([str(path) for path in paths], strict, Format.json if json else Format.text)
        except Ending as ending:
            self.message, self.code = ending.message, ending.code
        self.out = capsys.readouterr().out


WARNS = PLAYBOOK.replace("risk: Medium", "risk: Low")


@pytest.mark.parametrize(
    ("text", "strict", "code"),
    [
        (PLAYBOOK, True, Code.Fine),
        (WARNS, False, Code.Fine),
        (WARNS, True, Code.Problems),
        (PLAYBOOK.replace("summary:", "sumary:"), False, Code.Problems),
        ("a: [", False, Code.Problems),
        ("kind: ConfigMap\napiVersion: v1\n", False, Code.Unusable),
        ("", False, Code.Unusable),
    ],
)
def test_exit_codes(text: str, strict: bool, code: Code, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "f.yaml").write_text(text)
    assert Run(capsys, tmp_path / "f.yaml", strict=strict).code is code
    assert Run(capsys, tmp_path, strict=strict).code is code


def test_what_cannot_be_read_is_not_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = Run(capsys, tmp_path / "none.yaml")
    assert (missing.code, missing.message) == (Code.Unusable, f"{tmp_path}/none.yaml: cannot be read: No such file or directory")
    empty = Run(capsys, tmp_path)
    assert empty.code is Code.Unusable and ".yaml" in empty.message


def test_reads_folders_in_order_without_hidden_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("b/y.yml", "a/x.yaml", ".git/z.yaml", "a/readme.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(WARNS)
    lines = Run(capsys, tmp_path).out.splitlines()
    at = ":".join(map(str, place_of("risk: Low", WARNS)))
    assert [line.split(": ")[0] for line in lines[:-1]] == [f"{tmp_path}/a/x.yaml:{at}", f"{tmp_path}/b/y.yml:{at}"]
    assert lines[-1] == "2 objects in 2 files: 0 errors, 2 warnings"


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "f.yaml").write_text(ERRORS["a bad enum"][0].replace("risk: Medium", "risk: Huge"))
    found = parsed(Run(capsys, tmp_path, json=True).out)
    assert (found["files"], found["objects"], found["errors"], found["warnings"]) == (1, 1, 1, 0)
    problem = found["problems"][0]
    assert (problem["line"], problem["column"], problem["path"]) == (*place_of("risk: Medium", PLAYBOOK), "spec.options[1].risk")

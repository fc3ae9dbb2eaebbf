"""The command as it is entered: what it imports, its exit codes, its one line of error, no colour off a terminal."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from stanch.cli import run as running
from stanch.cli.ending import Code
from stanch.cli.main import app, main
from stanch.packs.reach import Reach
from stanch.runtime.settings import LogFormat, Settings
from tests.unit.api_examples import PLAYBOOK
from tests.unit.cli_kit import ESCAPE
from tests.unit.source_tree import ROOT

SLOW = {"aiohttp", "cel_expr_python", "kopf", "kubernetes", "obstore", "prometheus_client", "pydantic", "structlog", "yaml"}


Ended = subprocess.CompletedProcess[str]
Command = Callable[..., Ended]


@pytest.fixture
def stanch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command as it is entered, in this process: a new one needs a second to import all that one did before."""

    def called(*arguments: str, given: str = "", **env: str) -> Ended:
        with monkeypatch.context() as process, pytest.raises(SystemExit) as ended:
            process.setattr(os, "environ", clean(env))
            process.setattr(sys, "argv", ["stanch", *arguments])
            process.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
            main()
        return Ended(arguments, ended.value.code, *capsys.readouterr())

    return called


def clean(env: dict[str, str]) -> dict[str, str]:
    """Without the environment's kubeconfig and colours."""
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **env}


def process(*arguments: str, given: str = "", **env: str) -> Ended:
    """The command in a process of its own."""
    script = "from stanch.cli.main import main; main()"
    words = [sys.executable, "-c", script, *arguments]
    return subprocess.run(words, input=given, env=clean(env), capture_output=True, text=True, timeout=60, check=False)


def imported(code: str) -> set[str]:
    """Top-level packages that a process has after `code`; what it prints itself is not looked at."""
    script = f"{code}\nimport sys\nprint('\\n' + ' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return set(found.stdout.splitlines()[-1].split())


RUN = "import sys\nfrom stanch.cli.main import main\nsys.argv[1:] = {arguments!r}\ntry: main()\nexcept SystemExit: pass\n"


# typer itself asks pydantic about the options of one command.
@pytest.mark.parametrize(
    ("arguments", "slow"),
    [(["--help"], SLOW), (["watch", "--help"], SLOW - {"pydantic"}), (["run", "--help"], SLOW - {"pydantic"})],
)
def test_help_imports_nothing_slow(arguments: list[str], slow: set[str]) -> None:
    assert not imported(RUN.format(arguments=arguments)) & slow


@pytest.mark.long
def test_offline_commands_do_without_kubernetes_and_kopf(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(PLAYBOOK)
    commands = (["lint", str(tmp_path)], ["rbac", "-f", str(tmp_path / "f.yaml")], ["verify", str(tmp_path)])
    assert not imported("".join(RUN.format(arguments=command) for command in commands)) & {"kopf", "kubernetes"}
    assert "kubernetes" in imported("import stanch.kube.client")


def test_every_command_says_what_it_does(stanch: Command) -> None:
    shown = stanch("--help").stdout
    for name in ("list", "reverts", "plan", "watch", "timeline", "verify", "lint", "rbac", "freeze", "unfreeze", "run"):
        assert f" {name} " in shown
    for name in ("approve", "reject", "confirm", "extend", "revert", "note", "abort", "resume", "close"):
        assert f" {name} " in shown


def test_an_error_is_one_line_on_standard_error() -> None:
    ended = process("list")
    assert (ended.returncode, ended.stdout) == (Code.Unusable, "")
    assert ended.stderr.startswith("error: no kubeconfig") and ended.stderr.count("\n") == 1


def test_no_server_behind_a_context_names_the_context(stanch: Command, tmp_path: Path) -> None:
    body = {
        "current-context": "dev",
        "contexts": [{"name": "dev", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
    }
    (tmp_path / "config").write_text(json.dumps(body))
    ended = stanch("watch", "x", KUBECONFIG=str(tmp_path / "config"))
    assert ended.returncode == Code.Problems and ended.stderr.count("\n") == 1
    assert "127.0.0.1:1" in ended.stderr and f"(context dev of {tmp_path}/config)" in ended.stderr and "--context" in ended.stderr


def test_usage_errors_are_told_apart(stanch: Command) -> None:
    incomplete = (["abort", "x"], ["extend", "x", "a/b", "-r", "y"], ["revert", "x"], ["reject", "x", "-r", "y"])
    for arguments in (*incomplete, ["watch", "x", "--limit", "0"], ["nonsense"], ["lint", "x", "-o", "xml"]):
        ended = stanch(*arguments)
        assert ended.returncode == Code.Unusable and "Traceback" not in ended.stderr


def test_lint_through_a_pipe_is_plain(stanch: Command) -> None:
    ended = process("lint", "-", given=PLAYBOOK.replace("risk: Medium", "risk: Huge"), TERM="xterm-256color")
    assert ended.returncode == Code.Problems and ended.stdout.startswith("-:") and ended.stderr == ""
    assert ESCAPE not in ended.stdout
    assert stanch("lint", "-", given=PLAYBOOK).returncode == Code.Fine
    found = json.loads(stanch("lint", "-", "-o", "json", given=PLAYBOOK).stdout)
    assert found["errors"] == 0 and found["objects"] == 1


@pytest.mark.parametrize("arguments", [(), ("-", "-n", "aureus"), ("-", "--context", "dev")])
def test_lint_asks_no_cluster_unless_it_is_told_to(stanch: Command, arguments: tuple[str, ...]) -> None:
    ended = stanch("lint", *arguments, given=PLAYBOOK)
    assert ended.returncode == Code.Unusable and "--cluster" in ended.stderr
    there = stanch("lint", "--cluster", "-", given=PLAYBOOK)
    assert there.returncode == Code.Unusable and "no kubeconfig" in there.stderr


def test_text_that_the_terminal_cannot_show_does_not_end_the_command() -> None:
    ended = process("lint", "-", given=PLAYBOOK.replace("risk: Medium", "risk: Größe"), PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert ended.returncode in {Code.Problems} and "Traceback" not in ended.stderr


def test_rbac_needs_to_know_which_playbook(stanch: Command) -> None:
    ended = stanch("rbac")
    assert ended.returncode == Code.Unusable and "-f" in ended.stderr


EVERYTHING = Settings(
    operator_namespace="ops", packs="s3://x", namespaces=("a", "b"), kubeconfig="k", context="c", http_port=0, workers=3,
    identity="me", log_format=LogFormat.console, reach=Reach("https://s3", "eu", "ca.crt"),
)  # fmt: skip


class TestRun:
    """`run` hands on what it was told, by options or by environment."""

    @pytest.fixture
    def told(self, monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
        told: list[Settings] = []
        monkeypatch.setattr(running, "run", told.append)
        return told

    def test_defaults(self, told: list[Settings]) -> None:
        assert CliRunner().invoke(app, ["run"]).exit_code == 0
        assert told == [Settings()]

    def test_options(self, told: list[Settings]) -> None:
        options = ["-n", "a", "-n", "b", "-n", "a", "--operator-namespace", "ops", "--packs", "s3://x", "--kubeconfig", "k"]
        options += ["--context", "c", "--http-port", "0", "--workers", "3", "--identity", "me", "--log-format", "console"]
        options += ["--packs-endpoint", "https://s3", "--packs-region", "eu", "--packs-ca", "ca.crt"]
        assert CliRunner().invoke(app, ["run", *options]).exit_code == 0
        assert told == [EVERYTHING]

    def test_environment(self, told: list[Settings]) -> None:
        env = {"OPERATOR_NAMESPACE": "ops", "PACKS": "s3://x", "NAMESPACES": "a b", "KUBECONFIG": "k", "CONTEXT": "c"}
        env |= {"HTTP_PORT": "0", "WORKERS": "3", "IDENTITY": "me", "LOG_FORMAT": "console"}
        env |= {"PACKS_ENDPOINT": "https://s3", "PACKS_REGION": "eu", "PACKS_CA": "ca.crt"}
        assert CliRunner().invoke(app, ["run"], env={f"STANCH_{name}": value for name, value in env.items()}).exit_code == 0
        assert told == [EVERYTHING]

    def test_every_variable_of_what_is_shipped_is_heard(self) -> None:
        files = [file for file in (ROOT / "manifests").rglob("*.yaml") if "chart" not in file.parts]
        shipped = {name for file in files for name in re.findall(r"name: (STANCH_\w+)", file.read_text())}
        command = typer.main.get_command(app)
        heard = {option.envvar for name in ("run", "uninstall") for option in command.commands[name].params}
        assert {"STANCH_PACKS", "STANCH_PACKS_ENDPOINT", "STANCH_PACKS_CA"} <= shipped <= heard

    def test_every_setting_can_be_said(self) -> None:
        assert all(getattr(EVERYTHING, field.name) != getattr(Settings(), field.name) for field in fields(Settings))

    @pytest.mark.parametrize("packs", ["bucket/prefix", "packs", ""])
    def test_refuses_a_place_that_would_be_a_folder_of_the_pod_s_own(self, told: list[Settings], packs: str) -> None:
        said = CliRunner().invoke(app, ["run", "--packs", packs])
        assert said.exit_code == Code.Unusable and not told and "s3://bucket/prefix" in said.output

    @pytest.mark.parametrize("options", [["--workers", "0"], ["--http-port", "70000"], ["--log-format", "xml"]])
    def test_refuses_what_makes_no_sense(self, told: list[Settings], options: list[str]) -> None:
        assert CliRunner().invoke(app, ["run", *options]).exit_code == Code.Unusable and not told

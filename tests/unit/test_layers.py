"""The layers hold, the core stays pure, and our folder `operator` does not shadow the standard library's module."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import sysconfig
from importlib import import_module
from pathlib import Path

import pytest

from stanch.actions.registry import ACTIONS
from stanch.checks.registry import CHECKS
from stanch.engine.parts import Action, CheckKind, SourceKind
from stanch.evidence.registry import SOURCES
from tests.unit.source_tree import PACKAGE, ROOT, full_name, imported, modules, outermost

FOLDERS = {"crds", "manifests", "operator", "playbooks", "tests"}
# What `uv build` leaves behind; ignored by git.
BUILT = {"dist"}
# Third-party code that computes and does nothing else.
ENGINE_MAY_IMPORT = {"cel_expr_python", "pydantic", "re2", "rfc8785"}
REACHES_THE_WORLD = {"asyncio", "http", "io", "os", "random", "secrets", "shutil", "socket", "subprocess", "tempfile", "threading"}
REACHES_THE_WORLD |= {"time", "urllib", "uuid"}
CLOCKS = {"datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today", "time.time"}


def test_the_import_contracts_hold():
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_import_operator_is_the_standard_library_s():
    assert not (ROOT / "operator" / "__init__.py").exists()
    code = "import operator; print(operator.__file__); operator.itemgetter"
    # From the checkout, with its folder first on the path: as `python -m tests.cluster` and pytest run.
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert Path(done.stdout.strip()).parent == Path(sysconfig.get_path("stdlib"))


def test_the_top_level_folders_are_the_known_ones():
    found = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))}
    assert found - BUILT == FOLDERS


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_each_folder_says_in_a_screen_what_is_in_it(folder: str):
    lines = (ROOT / folder / "README.md").read_text(encoding="utf-8").splitlines()
    assert 5 < len(lines) <= 40


def test_nothing_is_named_utils():
    vague = re.compile(r"(utils?|helpers?|commons?|misc)")
    parts = {part for module in modules(ROOT / "operator", ROOT / "tests") for part in Path(module.path).with_suffix("").parts}
    assert not [part for part in parts if vague.fullmatch(part)]


def test_the_domain_imports_the_standard_library_only():
    used = outermost(name for module in modules(PACKAGE / "domain") for _, name in imported(module))
    assert used - sys.stdlib_module_names == {"stanch"}


def test_the_engine_imports_nothing_that_reaches_the_world():
    used = outermost(name for module in modules(PACKAGE / "domain", PACKAGE / "engine") for _, name in imported(module))
    assert used - sys.stdlib_module_names == ENGINE_MAY_IMPORT | {"stanch"}
    assert not used & REACHES_THE_WORLD


@pytest.mark.parametrize("layer", ["domain", "engine", "actions", "checks", "evidence"])
def test_time_is_told_never_looked_up(layer: str):
    """The clock is the API server's: a port (`engine.ports.Clock`), or an argument."""
    calls = ((module, call) for module in modules(PACKAGE / layer) for call in module.calls())
    found = [module.place(call) for module, call in calls if full_name(module, call.func) in CLOCKS]
    assert not found


@pytest.mark.parametrize(
    ("folder", "kind", "registry"),
    [("actions", Action, ACTIONS), ("checks", CheckKind, CHECKS), ("evidence", SourceKind, SOURCES)],
    ids=["actions", "checks", "evidence"],
)
def test_each_part_is_one_constant_in_the_file_that_bears_its_name(folder: str, kind: type, registry: dict[str, object]):
    """`rollout_restart.py` holds `rolloutRestart`, and nothing else of its kind; and what there is, is in the registry."""
    found: dict[str, list[object]] = {}
    for module in modules(PACKAGE / folder):
        calls = [node.value for node in module.tree.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)]
        own = [call for call in calls if full_name(module, call.func) == f"stanch.engine.parts.{kind.__name__}"]
        parts = [value for value in vars(import_module(f"stanch.{folder}.{module.stem}")).values() if isinstance(value, kind)]
        if own:
            found[camel(module.stem)] = parts
        assert len(own) <= 1, f"{module.path}: one constant a file, found {len(own)}"
    assert {name: [part.name for part in parts] for name, parts in found.items()} == {name: [name] for name in found}
    assert {name: parts[0] for name, parts in found.items()} == dict(registry)


def camel(stem: str) -> str:
    head, *tail = stem.split("_")
    return head + "".join(part.title() for part in tail)

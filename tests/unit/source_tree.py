"""The project's own source, parsed once, for the tests of how it is built."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "operator" / "stanch"
TESTS = ROOT / "tests"


@dataclass(frozen=True)
class Module:
    """One file; `path` is relative to the checkout, `operator/stanch/engine/decide.py`; `names` is `full_names`."""

    path: str
    tree: ast.Module
    names: Mapping[str, str]

    @property
    def stem(self) -> str:
        return Path(self.path).stem

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node: each rule looks at them all."""
        return tuple(ast.walk(self.tree))

    def place(self, node: ast.AST) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)}"

    def calls(self) -> Iterator[ast.Call]:
        return (node for node in self.nodes if isinstance(node, ast.Call))

    def functions(self) -> Iterator[tuple[str, ast.AST]]:
        """`path:function` and its node."""
        for node in self.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{self.path}:{node.name}", node


def parse(source: str, path: str = "operator/stanch/sample.py") -> Module:
    tree = ast.parse(source)
    return Module(path, tree, full_names(tree))


@cache
def parse_file(path: Path) -> Module:
    return parse(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())


def modules(*folders: Path) -> tuple[Module, ...]:
    """All Python files below these folders, by path."""
    return tuple(parse_file(path) for path in sorted(path for folder in folders for path in folder.rglob("*.py")))


def dotted(node: ast.AST) -> str:
    """`time.sleep` for a chain of names; empty for anything else."""
    if isinstance(node, ast.Attribute):
        head = dotted(node.value)
        return f"{head}.{node.attr}" if head else ""
    return node.id if isinstance(node, ast.Name) else ""


def full_names(tree: ast.Module) -> dict[str, str]:
    """What a name at hand stands for: after `from time import sleep as nap`, `nap` -> `time.sleep`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def full_name(module: Module, node: ast.AST) -> str:
    """The dotted name with its first part resolved through the module's imports."""
    head, _, tail = dotted(node).partition(".")
    head = module.names.get(head, head)
    return f"{head}.{tail}" if tail else head


def imported(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Every absolute import, as the dotted name of what is imported."""
    for node in module.nodes:
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def outermost(names: Iterable[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}

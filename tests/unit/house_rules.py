"""What this project's code does not do: each rule is a function from a module to the places that break it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.unit.source_tree import Module, dotted, full_name, imported

SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell"}
SHELLS |= {"asyncio.subprocess.create_subprocess_shell"}
UNSAFE_YAML = {f"yaml.{name}{all_}" for name in ("load", "unsafe_load", "full_load") for all_ in ("", "_all")}
SLEEPS = {"time.sleep", "asyncio.sleep"}
MOCKS = ("unittest.mock", "mock", "pytest_mock")
STARTS = {f"subprocess.{name}" for name in ("run", "Popen", "call", "check_call", "check_output")}
# What a client is told so that it asks nobody who is at the other end.
UNVERIFIED = {"ssl", "verify", "verify_ssl", "check_hostname"}
EXCUSES = {"pytest.skip", "pytest.xfail", "pytest.importorskip"}
EXCUSES |= {f"pytest.mark.{name}" for name in ("skip", "skipif", "xfail")}
EVERYTHING = {"Exception", "BaseException", "builtins.Exception", "builtins.BaseException"}

DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
CONTAINERS = {"list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict", "SimpleNamespace", "count"}
CONTAINERS |= {"WeakKeyDictionary", "WeakValueDictionary", "WeakSet", "ContextVar", "Lock", "RLock", "Event", "Condition", "local"}
CONTAINERS |= {"Semaphore", "BoundedSemaphore", "Queue", "SimpleQueue", "PriorityQueue", "LifoQueue"}
MUTATORS = {"append", "extend", "insert", "remove", "pop", "popitem", "clear", "update", "setdefault", "add", "discard", "sort"}
MUTATORS |= {"reverse", "appendleft", "popleft", "extendleft", "difference_update", "intersection_update"}


def shells(module: Module) -> Iterator[str]:
    """Text handed to a shell: a value in it may be an enemy's."""
    for call in module.calls():
        asked = any(word.arg == "shell" and not is_constant(word.value, False) for word in call.keywords)
        if asked or full_name(module, call.func) in SHELLS:
            yield module.place(call)


def one_text_commands(module: Module) -> Iterator[str]:
    """A program and its words in one text: somebody splits it, and a value with a blank in it becomes two words."""
    for call in module.calls():
        starts = full_name(module, call.func) in STARTS
        if (
            starts
            and call.args
            and isinstance(call.args[0], ast.Constant | ast.JoinedStr | ast.BinOp)
            and not is_list(call.args[0])
        ):
            yield module.place(call)


def is_list(node: ast.AST) -> bool:
    """A list, or one that is put together."""
    return isinstance(node, ast.List) or (isinstance(node, ast.BinOp) and (is_list(node.left) or is_list(node.right)))


def strangers(module: Module) -> Iterator[str]:
    """TLS without asking who is at the other end; of clients that ruff does not know, too."""
    for node in module.nodes:
        if isinstance(node, ast.keyword) and node.arg in UNVERIFIED and is_constant(node.value, False):
            yield module.place(node)
        elif isinstance(node, ast.Assign) and is_constant(node.value, False):
            if any(dotted(target).rpartition(".")[2] in UNVERIFIED for target in node.targets):
                yield module.place(node)
        elif full_name(module, node) == "ssl.CERT_NONE":
            yield module.place(node)


def judging_asserts(module: Module) -> Iterator[str]:
    """Asserts that judge something: `python -O` leaves them out. To say that a value is there (`x is not None`) is no judgement."""
    return (module.place(node) for node in module.nodes if isinstance(node, ast.Assert) and not says_it_is_there(node.test))


def says_it_is_there(test: ast.AST) -> bool:
    if isinstance(test, ast.BoolOp):
        return isinstance(test.op, ast.And) and all(says_it_is_there(part) for part in test.values)
    return isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.IsNot) and is_constant(test.comparators[0], None)


def unsafe_yaml(module: Module) -> Iterator[str]:
    return (module.place(call) for call in module.calls() if full_name(module, call.func) in UNSAFE_YAML)


def mocks(module: Module) -> Iterator[str]:
    for node, name in imported(module):
        if any(f"{name}.".startswith(f"{mock}.") for mock in MOCKS):
            yield module.place(node)
    for _, function in module.functions():
        if any(argument.arg == "mocker" for argument in function.args.args):
            yield module.place(function)


def excuses(module: Module) -> Iterator[str]:
    """Files with tests that may not be run."""
    return (module.path for node in module.nodes if full_name(module, node) in EXCUSES)


def sleeps(module: Module) -> Iterator[str]:
    """`path:function` of each function that sleeps; sleep(0) only gives way."""
    for name, function in module.functions():
        calls = (node for node in ast.walk(function) if isinstance(node, ast.Call) and full_name(module, node.func) in SLEEPS)
        if any(not (call.args and is_constant(call.args[0], 0)) for call in calls):
            yield name


def broad_excepts(module: Module) -> Iterator[str]:
    """`path:function` of each function that takes every exception and does not raise it again."""
    for name, function in module.functions():
        if any(is_broad(module, node) for node in ast.walk(function)):
            yield name


def is_broad(module: Module, node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and full_name(module, node.func) == "contextlib.suppress":
        return any(catches_all(argument) for argument in node.args)
    if not isinstance(node, ast.ExceptHandler):
        return False
    raises_again = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
    return catches_all(node.type) and not raises_again


def catches_all(caught: ast.AST | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(catches_all(part) for part in caught.elts)
    return caught is None or dotted(caught) in EVERYTHING


def module_state(modules: tuple[Module, ...]) -> Iterator[str]:
    """What a module keeps and changes: empty containers, objects that can change, `global`, constants that are written to.

    A filled display under a CONSTANT name is a table, as long as nothing in the package changes it.
    """
    changing = changing_classes(modules)
    written = {name for module in modules for name in written_to(module)}
    for module in modules:
        yield from (module.place(node) for node in module.nodes if isinstance(node, ast.Global))
        for target, value in kept(module.tree.body):
            name = dotted(target)
            is_table = isinstance(value, DISPLAYS) and name == name.upper() and name not in written
            if holds_state(value, changing) or (isinstance(value, DISPLAYS) and not is_table):
                yield module.place(value)


def kept(body: list[ast.stmt], *, in_class: bool = False) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What the module and its classes give a name when imported. Filled displays of a class are left to its own kind
    (dataclasses and enums refuse them, pydantic copies them)."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from kept(node.body, in_class=True)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from kept(node.body, in_class=in_class)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            known = dotted(target) == "__all__" or isinstance(target, ast.Attribute)
            if not known and not (in_class and is_filled(node.value)):
                yield target, node.value


def is_filled(value: ast.expr) -> bool:
    return isinstance(value, DISPLAYS) and bool(getattr(value, "elts", None) or getattr(value, "keys", None))


def holds_state(value: ast.expr, changing: set[str]) -> bool:
    if isinstance(value, ast.Call):
        return dotted(value.func).rpartition(".")[2] in CONTAINERS | changing
    return isinstance(value, ast.List | ast.Dict | ast.Set) and not is_filled(value)


def changing_classes(modules: tuple[Module, ...]) -> set[str]:
    """Classes of ours whose objects can change: dataclasses that are not frozen, and those with an `__init__` of their own."""
    classes = (node for module in modules for node in module.nodes if isinstance(node, ast.ClassDef))
    return {node.name for node in classes if is_thawed(node) or has_init(node)}


def is_thawed(node: ast.ClassDef) -> bool:
    for mark in node.decorator_list:
        call = mark.func if isinstance(mark, ast.Call) else mark
        if dotted(call).rpartition(".")[2] == "dataclass":
            words = mark.keywords if isinstance(mark, ast.Call) else []
            return not any(word.arg == "frozen" and is_constant(word.value, True) for word in words)
    return False


def has_init(node: ast.ClassDef) -> bool:
    return any(isinstance(part, ast.FunctionDef) and part.name == "__init__" for part in node.body)


def written_to(module: Module) -> Iterator[str]:
    """Names whose contents some code changes, without the module before them."""
    for node in module.nodes:
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            yield dotted(node.value).rpartition(".")[2]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            yield dotted(node.func.value).rpartition(".")[2]
        elif isinstance(node, ast.AugAssign):
            yield dotted(node.target).rpartition(".")[2]


def is_constant(node: ast.AST, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value

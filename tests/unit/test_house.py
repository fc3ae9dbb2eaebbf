"""The house rules hold; and each rule sees what it is there to see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.unit import house_rules as rules
from tests.unit.source_tree import PACKAGE, TESTS, Module, modules, parse

TIERS = tuple(TESTS / name for name in ("unit", "contract", "e2e", "bench", "plugin", "stage"))

# Functions that may take every exception, and why.
BROAD: Mapping[str, str] = {
    "operator/stanch/runtime/workers.py:_one": "one incident that stanch stumbles over must not stop the others",
    "tests/stage/scene.py:until_status": "raises again, saying how the incident stands",
    "tests/stage/whole.py:live": "raises again, with the end of the operator's log",
}
# Functions of the tests that may sleep, and why.
SLEEPING: Mapping[str, str] = {
    "tests/bench/measurements/offered_rate.py:opened": "is the load: each Incident comes at its time",
    "tests/contract/world.py:until": "looks again at a condition on another machine",
    "tests/stage/trouble.py:after": "is the fault: an answer that comes late",
}
# Files of the tests that may be skipped, and why.
SKIPPED: Mapping[str, str] = {
    "tests/contract/test_cluster.py": "the local provider itself: elsewhere than as root on Debian, another one is chosen",
    "tests/e2e/test_outages.py": "only the parts of a local cluster can be stopped by themselves; only root mounts a small disk",
}

Rule = Callable[[Module], Iterator[str]]


def broken(rule: Rule, *folders: Path) -> set[str]:
    return {place for module in modules(*folders) for place in rule(module)}


@pytest.mark.parametrize("rule", [rules.shells, rules.one_text_commands, rules.unsafe_yaml, rules.strangers, rules.mocks])
def test_nowhere(rule: Rule):
    assert broken(rule, PACKAGE, TESTS) == set()


def test_the_operator_asserts_only_that_something_is_there():
    assert broken(rules.judging_asserts, PACKAGE) == set()


def test_tests_are_skipped_only_where_there_is_a_reason():
    assert broken(rules.excuses, *TIERS) == set(SKIPPED)


def test_tests_wait_on_conditions_not_on_time():
    assert broken(rules.sleeps, *TIERS) == set(SLEEPING)


def test_every_exception_is_taken_only_where_there_is_a_reason():
    assert broken(rules.broad_excepts, PACKAGE, TESTS) == set(BROAD)


def test_no_module_keeps_state():
    assert list(rules.module_state(modules(PACKAGE))) == []


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (rules.shells, "import subprocess\nsubprocess.run('ls', shell=True)"),
        (rules.shells, "import subprocess as s\ns.run('ls', shell=quick)"),
        (rules.shells, "from os import system\nsystem('ls')"),
        (rules.shells, "import asyncio\nasyncio.create_subprocess_shell('ls')"),
        (rules.one_text_commands, "import subprocess\nsubprocess.run('ls')"),
        (rules.one_text_commands, "from subprocess import Popen\nPopen(f'ls {place}')"),
        (rules.one_text_commands, "import subprocess\nsubprocess.check_output('ls ' + place)"),
        (rules.strangers, "import aiohttp\naiohttp.TCPConnector(ssl=False)"),
        (rules.strangers, "get(url, verify=False)"),
        (rules.strangers, "context.check_hostname = False"),
        (rules.strangers, "import ssl\ncontext.verify_mode = ssl.CERT_NONE"),
        (rules.judging_asserts, "assert len(text) < 10"),
        (rules.judging_asserts, "assert user is not None and user.may(verb)"),
        (rules.unsafe_yaml, "import yaml\nyaml.load(text)"),
        (rules.unsafe_yaml, "from yaml import load as read\nread(text, Loader=L)"),
        (rules.mocks, "from unittest.mock import patch"),
        (rules.mocks, "from unittest import mock"),
        (rules.mocks, "import unittest.mock"),
        (rules.mocks, "def test_it(mocker): pass"),
        (rules.excuses, "import pytest\n@pytest.mark.skip\ndef test_it(): pass"),
        (rules.excuses, "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_it(): pass"),
        (rules.excuses, "from pytest import skip\ndef test_it(): skip('no')"),
        (rules.sleeps, "import time\ndef test_it(): time.sleep(1)"),
        (rules.sleeps, "from asyncio import sleep\nasync def test_it(): await sleep(0.1)"),
        (rules.broad_excepts, "def f():\n try: g()\n except Exception: pass"),
        (rules.broad_excepts, "def f():\n try: g()\n except: pass"),
        (rules.broad_excepts, "def f():\n try: g()\n except (OSError, BaseException) as e: raise E() from e"),
        (rules.broad_excepts, "from contextlib import suppress\ndef f():\n with suppress(Exception): g()"),
    ],
)
def test_a_rule_sees_what_breaks_it(rule: Rule, source: str):
    assert len(list(rule(parse(source)))) == 1


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (rules.shells, "import subprocess\nsubprocess.run(['ls'], shell=False)"),
        (rules.one_text_commands, "import subprocess\nsubprocess.run(['ls'] + words)"),
        (rules.strangers, "aiohttp.TCPConnector(ssl=context)"),
        (rules.judging_asserts, "assert plan is not None and plan.step is not None"),
        (rules.unsafe_yaml, "import yaml\nyaml.safe_load(text)"),
        (rules.mocks, "import mockery"),
        (rules.sleeps, "import asyncio\nasync def test_it(): await asyncio.sleep(0)"),
        (rules.broad_excepts, "def f():\n try: g()\n except BaseException:\n  undo()\n  raise"),
        (rules.broad_excepts, "def f():\n try: g()\n except OSError: pass"),
    ],
)
def test_a_rule_leaves_alone_what_keeps_it(rule: Rule, source: str):
    assert list(rule(parse(source))) == []


@pytest.mark.parametrize(
    "source",
    [
        "CACHE = {}",
        "SEEN: set[str] = set()",
        "from collections import deque\nREADY = deque(maxlen=3)",
        "import asyncio\nLOCK = asyncio.Lock()",
        "names = ['a', 'b']",
        "NAMES = ['a']\ndef f(): NAMES.append('b')",
        "NAMES = {'a': 1}\ndef f(): NAMES['b'] = 2",
        "NAMES = {'a'}\ndef f():\n global NAMES\n",
        "from dataclasses import dataclass\n@dataclass\nclass Box: x: int\nBOX = Box(1)",
        "class Box:\n def __init__(self): self.x = 1\nBOX = Box()",
        "class Box:\n seen = []",
        "if fast:\n CACHE = {}",
    ],
)
def test_state_is_seen(source: str):
    assert len(list(rules.module_state((parse(source),)))) == 1


def test_state_that_another_module_changes_is_seen():
    table, user = parse("NAMES = ['a']", "a.py"), parse("import a\na.NAMES.append('b')", "b.py")
    assert list(rules.module_state((table, user))) == ["a.py:1"]


@pytest.mark.parametrize(
    "source",
    [
        "NAMES = {'a': 1}\ndef f(): return NAMES['a']",
        "EMPTY = frozenset()\nNONE = ()",
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Box: x: int\nBOX = Box(1)",
        "import re\nWORD = re.compile('a')\n__all__ = ['WORD']",
        "def f():\n seen = []\n seen.append(1)",
        "Object = dict[str, int]",
    ],
)
def test_tables_and_constants_are_no_state(source: str):
    assert list(rules.module_state((parse(source),))) == []

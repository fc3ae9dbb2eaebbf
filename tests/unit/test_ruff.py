"""What `make lint` must report: each is planted, and ruff, set as for this project, reports it; so the settings stay as strict."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

import pytest

from tests.unit.source_tree import ROOT

# What is never wanted, by the rule that reports it.
PLANTED = {
    "S602": "import subprocess\n\nsubprocess.run(word, shell=True)\n",
    "S604": "run(word, shell=True)\n",
    "S605": "import os\n\nos.system(word)\n",
    "S506": "import yaml\n\nyaml.load(word, Loader=yaml.Loader)\n",
    "S307": "eval(word)\n",
    "S102": "exec(word)\n",
    "S301": "import pickle\n\npickle.loads(word)\n",
    "S302": "import marshal\n\nmarshal.loads(word)\n",
    "S306": "import tempfile\n\ntempfile.mktemp()\n",
    "S501": "import requests\n\nrequests.get(word, verify=False, timeout=1)\n",
    "S323": "import ssl\n\nssl._create_unverified_context()\n",
    "S502": "import ssl\n\nssl.wrap_socket(ssl_version=ssl.PROTOCOL_SSLv3)\n",
    "S202": "import tarfile\n\ntarfile.open(word).extractall()\n",
    "S314": "import xml.etree.ElementTree\n\nxml.etree.ElementTree.parse(word)\n",
    "S324": "import hashlib\n\nhashlib.md5(word)\n",
    "S103": "import os\n\nos.chmod(word, 0o777)\n",
    "S110": "try:\n    go()\nexcept Exception:\n    pass\n",
    "S310": "import urllib.request\n\nurllib.request.urlopen(word)\n",
    "S701": "import jinja2\n\njinja2.Environment(autoescape=False)\n",
}
# What only tests may: ports for pods, made-up secrets, seeded chance, programs that are started by their names.
OURS = {
    "S104": 'HOST = "0.0.0.0"\n',
    "S105": 'password = "hunter2"\n',
    "S108": 'PLACE = "/tmp/x"\n',
    "S311": "import random\n\nrandom.random()\n",
    "S603": "import subprocess\n\nsubprocess.run([word], check=True)\n",
    "S607": 'import subprocess\n\nsubprocess.run(["ls"], check=True)\n',
    "S608": 'QUERY = f"SELECT a FROM b WHERE c = {word}"\n',
}
OPERATOR, TESTS = "operator/stanch/sample.py", "tests/unit/sample.py"
EVERYTHING = "word = input()\n" + "".join([*PLANTED.values(), *OURS.values()])


@cache
def reported(path: str, source: str = EVERYTHING) -> frozenset[str]:
    """The rules that `source` would break at `path`."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "json", "--stdin-filename", path, "-"]
    found = subprocess.run(command, cwd=ROOT, input=source, text=True, capture_output=True, check=False)
    return frozenset(item["code"] for item in json.loads(found.stdout))


@pytest.mark.parametrize("rule", [*PLANTED, *OURS])
def test_what_is_planted_in_the_operator_is_reported(rule: str) -> None:
    assert rule in reported(OPERATOR)


@pytest.mark.parametrize("rule", PLANTED)
def test_what_is_planted_in_the_tests_is_reported(rule: str) -> None:
    assert rule in reported(TESTS)


def test_what_is_in_order_is_not() -> None:
    assert reported(OPERATOR, "NAME = 1\n") == set()

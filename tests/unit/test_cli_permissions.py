"""`stanch lint --cluster`: each missing permission in its place, asked as who types it; what that one may not ask is a warning."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from stanch.api.needs import user_of
from stanch.cli.access import Wanted
from stanch.cli.ending import Code, Ending
from stanch.cli.kubeconfig import Where
from stanch.cli.output import Format
from stanch.cli.permissions import Checked, check
from stanch.cli.session import Session
from stanch.domain.access import Rule
from stanch.domain.plan import Pin, Ref
from stanch.engine.errors import Retryable
from stanch.engine.ports import Object
from tests.unit.api_examples import PLAYBOOK
from tests.unit.cli_kit import NAMESPACE, parsed
from tests.unit.memory import MemoryCluster, MemoryServer
from tests.unit.permitted import less, permit, rules
from tests.unit.test_cli_lint import place_of

ACCOUNT = "frontend-remediator"
USER = user_of(NAMESPACE, ACCOUNT)
STANCH = user_of("ops", "stanch")
READS = (Rule(("get",), "", "serviceaccounts"), Rule(("get", "list"), "stanch.dev", "playbooks"))
IMPERSONATES = Rule(("impersonate",), "", "serviceaccounts", (ACCOUNT,))
ASKS = Rule(("create",), "authorization.k8s.io", "subjectaccessreviews")


def example() -> Object:
    body = yaml.safe_load(PLAYBOOK)
    return {**body, "metadata": {**body["metadata"], "namespace": NAMESPACE}}


class Site:
    """Where a playbook has all that it needs, and alice looks at it."""

    def __init__(self, *rights: Rule) -> None:
        self.server = MemoryServer()
        self.needs = permit(self.server, example())
        self.server.permit_inside(NAMESPACE, STANCH, *rules(self.needs.operator))
        self.server.permit_inside("*", "alice", *READS, *rights)
        self.code, self.message = Code.Fine, ""

    def deprive(self, verb: str, resource: str) -> None:
        self.server.restrict(USER)
        self.server.grant(NAMESPACE, ACCOUNT, *less(self.needs.granted, verb, resource))

    def lint(self, *paths: Path, strict: bool = False, output: Format = Format.text) -> Site:
        def acting_as(namespace: str, pin: Pin) -> MemoryCluster:
            return MemoryCluster(self.server, namespace, pin, by="alice")

        alice = MemoryCluster(self.server, by="alice")
        session = Session(alice, self.server.time, Where("config", "dev", NAMESPACE), acting_as)
        checked = Checked(tuple(str(path) for path in paths), strict, output)
        try:
            asyncio.run(check(session, Wanted("", "", "ops"), checked))
        except Ending as ending:
            self.code, self.message = ending.code, ending.message
        return self


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "f.yaml").write_text(PLAYBOOK)
    return tmp_path / "f.yaml"


ABLE = {"impersonates": (IMPERSONATES, ASKS), "asks about others": (ASKS,)}


@pytest.mark.parametrize("rights", ABLE.values(), ids=ABLE)
def test_nothing_is_missing(rights: tuple[Rule, ...], file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Site(*rights).lint(file, strict=True).code is Code.Fine
    assert capsys.readouterr().out == "1 objects in 1 files: 0 errors, 0 warnings\n"


@pytest.mark.parametrize("rights", ABLE.values(), ids=ABLE)
def test_what_is_missing_is_an_error_in_its_place(rights: tuple[Rule, ...], file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = Site(*rights)
    site.deprive("patch", "deployments")
    assert site.lint(file).code is Code.Problems
    line, column = place_of("serviceAccountName", PLAYBOOK)
    found, last = capsys.readouterr().out.splitlines()
    assert found.startswith(f"{file}:{line}:") and int(found.split(":")[2]) >= column
    assert f'error: ServiceAccount {ACCOUNT} may not patch deployments.apps "frontend" (stanch rbac frontend-down' in found
    assert last == "1 objects in 1 files: 1 errors, 0 warnings"


def test_the_opt_in_that_is_missing_is_an_error(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = Site(IMPERSONATES, ASKS)
    site.server.restrict(STANCH)
    site.server.permit_inside(NAMESPACE, STANCH, *less(site.needs.operator, "impersonate", "serviceaccounts"))
    assert site.lint(file).code is Code.Problems
    assert f'error: stanch may not impersonate serviceaccounts "{ACCOUNT}" (' in capsys.readouterr().out


def test_who_may_ask_nothing_is_told_so_and_nothing_is_called_well(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Site().lint(file).code is Code.Fine
    *found, last = capsys.readouterr().out.splitlines()
    assert len(found) == 2 and all(" warning: not all that " in line and "subjectaccessreviews" in line for line in found)
    assert last.endswith("0 errors, 2 warnings")
    assert Site().lint(file, strict=True).code is Code.Problems


def test_where_nobody_tells_whether_who_types_may_impersonate_it_is_asked_the_other_way(file: Path) -> None:
    def fail(verb: str, ref: Ref) -> None:
        if (verb, ref.kind) == ("review", "SelfSubjectAccessReview"):
            raise Retryable("Timeout", "no answer")

    site = Site(ASKS)
    site.server.before_read.append(fail)
    assert site.lint(file, strict=True).code is Code.Fine


def test_without_files_it_is_about_those_of_the_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    site = Site(IMPERSONATES, ASKS)
    assert site.lint().message == f"no object of stanch.dev in namespace {NAMESPACE}: nothing was linted"
    site.server.add(example())
    capsys.readouterr()
    site.deprive("list", "events")
    assert site.lint().code is Code.Problems
    found = capsys.readouterr().out.splitlines()[0]
    assert (
        found.startswith("playbook/frontend-down: spec.serviceAccountName: error: ServiceAccount")
        and "may not list events" in found
    )


def test_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = Site(IMPERSONATES, ASKS)
    site.deprive("list", "events")
    assert site.lint(file, output=Format.json).code is Code.Problems
    found: Any = parsed(capsys.readouterr().out)
    (problem,) = found["problems"]
    assert (problem["severity"], problem["path"], problem["file"]) == ("error", "spec.serviceAccountName", str(file))
    assert problem["message"] == f"ServiceAccount {ACCOUNT} may not list events" and problem["line"] > 1


def test_what_is_wrong_in_itself_is_not_asked_about(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(PLAYBOOK.replace("rolloutUndo: {target: app", "rolloutUndo: {target: ap"))
    site = Site(IMPERSONATES, ASKS)
    asked: list[str] = []
    site.server.before_read.append(lambda verb, ref: asked.append(verb))
    assert site.lint(file).code is Code.Problems and asked == []
    assert "no target ap" in capsys.readouterr().out

"""Which cluster is meant: kubectl's rules, and that a wrong name is never taken for another cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from stanch.cli.ending import Code, Ending, told
from stanch.cli.kubeconfig import Asked, Where, locate
from stanch.engine.errors import NotFound, Refused, Retryable

EMPTY: dict[str, Any] = {}


def config(path: Path, *contexts: str, current: str = "", user: dict[str, Any] | None = EMPTY, namespace: str = "") -> str:
    """A kubeconfig with these contexts; each has a cluster and a user of its own name."""
    inner = {"namespace": namespace} if namespace else {}
    body = {
        "kind": "Config",
        "current-context": current,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, **inner}} for name in contexts],
        "clusters": [{"name": name, "cluster": {}} for name in contexts],
        "users": [{"name": name, "user": user} for name in contexts] if user is not None else [],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(body))
    return str(path)


def why(asked: Asked, env: dict[str, str]) -> str:
    with pytest.raises(Ending) as ending:
        locate(asked, env)
    assert ending.value.code is Code.Unusable
    return ending.value.message


def test_the_flag_goes_before_the_variable_and_that_before_the_home_folder(tmp_path: Path) -> None:
    home = config(tmp_path / ".kube" / "config", "home", current="home")
    variable = config(tmp_path / "variable", "variable", current="variable")
    flag = config(tmp_path / "flag", "flag", current="flag", namespace="shop")
    env = {"HOME": str(tmp_path), "KUBECONFIG": variable}
    assert locate(Asked(flag), env) == Where(flag, "flag", "shop")
    assert locate(Asked(), env) == Where(variable, "variable", "default")
    assert locate(Asked(), {"HOME": str(tmp_path)}) == Where(home, "home", "default")


def test_context_and_namespace_of_the_command_line_win(tmp_path: Path) -> None:
    file = config(tmp_path / "c", "dev", "prod", current="prod", namespace="shop")
    assert locate(Asked(file, "dev", "aureus"), {}) == Where(file, "dev", "aureus")
    assert locate(Asked(file), {}) == Where(file, "prod", "shop")


def test_several_files_the_first_that_has_it_and_missing_ones_left_out(tmp_path: Path) -> None:
    one, two = config(tmp_path / "1", "one"), config(tmp_path / "2", "two", "one", current="two")
    env = {"KUBECONFIG": f"{tmp_path}/missing:{one}:{two}"}
    assert locate(Asked(), env) == Where(two, "two", "default")
    assert locate(Asked(context="one"), env) == Where(one, "one", "default")


def test_a_context_that_is_spread_over_files_is_refused(tmp_path: Path) -> None:
    file = config(tmp_path / "c", "dev", current="dev", user=None)
    assert "kubectl config view --flatten" in why(Asked(file), {})


@pytest.mark.parametrize(("user", "acts_as"), [({}, ""), ({"as": "alice"}, "alice")])
def test_whom_the_file_impersonates(user: dict[str, str], acts_as: str, tmp_path: Path) -> None:
    file = config(tmp_path / "c", "dev", current="dev", user=user)
    assert locate(Asked(file), {}).user == acts_as


def test_an_impersonation_that_cannot_be_followed_is_refused(tmp_path: Path) -> None:
    file = config(tmp_path / "c", "dev", current="dev", user={"as": "alice", "as-groups": ["readers"]})
    assert "impersonates with as-groups" in why(Asked(file), {})


def test_in_cluster_only_where_nothing_is_configured(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "KUBERNETES_SERVICE_HOST": "10.96.0.1"}
    assert locate(Asked(namespace="aureus"), env) == Where("", "", "aureus")
    assert "no kubeconfig" in why(Asked(context="dev"), env)
    file = config(tmp_path / ".kube" / "config", "home", current="home")
    assert locate(Asked(), env).kubeconfig == file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "is not one"),
        ("a: [", "cannot be read"),
        ("kind: Config", "no current context"),
        ("current-context: dev", "no context 'dev'"),
    ],
)
def test_a_file_that_cannot_be_used(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "c").write_text(text)
    assert message in why(Asked(str(tmp_path / "c")), {})


def test_what_is_not_there(tmp_path: Path) -> None:
    assert "cannot be read" in why(Asked(str(tmp_path / "c")), {})
    assert "no kubeconfig" in why(Asked(), {"HOME": str(tmp_path)})
    file = config(tmp_path / "c", "dev", "prod")
    assert "there are: dev, prod" in why(Asked(file, "stage"), {})


@pytest.mark.parametrize(
    ("failure", "hint"),
    [
        (NotFound("NotFound", "read incident/x in shop: not found"), "stanch list -A"),
        (Retryable("Unreachable", "reach the API server: no connection"), "--context"),
        (Refused("UnknownKind", "the API server serves no Incident"), "kubectl apply -k crds"),
        (Refused("Forbidden", "not allowed"), "context dev of /c)"),
    ],
)
def test_a_failure_says_what_where_and_what_to_do(failure: Exception, hint: str) -> None:
    with pytest.raises(Ending) as ending, told(str(Where("/c", "dev", "shop"))):
        raise failure
    assert "context dev of /c" in ending.value.message and hint in ending.value.message
    assert ending.value.code is Code.Problems

"""Which workloads count as changed lately: by whom, where, and for how long."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from stanch.domain.incident import ChangeRecord, Mode, RevertRecord, RevertState, Status, StepRecord, StepState
from stanch.domain.plan import Pin, Ref
from stanch.engine.availability import Unknown
from stanch.engine.figures import Budget
from stanch.runtime.lately import LATELY, MOST, LatelyIndex, beside
from tests.unit.memory import MemoryClusters, MemoryServer
from tests.unit.play import APP, T0, facts

MINUTE, ACCOUNT = timedelta(minutes=1), Pin("remediator", "uid-account")
DB = Ref("apps/v1", "StatefulSet", APP.namespace, "db", "uid-db")


def of(ref: Ref = DB, token: str = "t", at: timedelta = MINUTE) -> ChangeRecord:
    return ChangeRecord(token, ref.uid, T0 - at, ref.kind, ref.name)


def status(*changes: ChangeRecord, **more: object) -> Status:
    return replace(Status(service_account=ACCOUNT, changes=changes), **more)


def known(*changes: ChangeRecord, mode: Mode = Mode.Live, **more: object) -> list[tuple[str, bool]]:
    """What the app has beside it."""
    index = LatelyIndex()
    index.told(facts(mode=mode), status(*changes, **more))
    return [(str(one.ref), one.open) for one in index.beside(APP, T0)]


def test_workloads_count_but_oneself() -> None:
    assert known(of(), of(APP), of(replace(DB, kind="ConfigMap")), ChangeRecord("t", at=T0)) == [("statefulset/db", False)]


def test_for_an_hour() -> None:
    assert known(of(at=LATELY - MINUTE)) and known(of(at=-MINUTE)) and not known(of(at=LATELY))


def test_not_in_a_dry_run_nor_in_another_namespace() -> None:
    assert not known(of(), mode=Mode.DryRun)
    index = LatelyIndex()
    index.told(facts(namespace="elsewhere"), status(of()))
    assert index.beside(APP, T0) == []


def test_what_is_intended_is_open_however_old_it_is() -> None:
    step = StepRecord("undo", "undo", StepState.Intended, "t")
    back = RevertRecord("undo", "undo", RevertState.Intended, DB, "t", "image", "sha256:")
    assert known(of(at=2 * LATELY), steps=(step,)) == known(of(token="t/revert"), reverts=(back,)) == [("statefulset/db", True)]
    assert known(of(), steps=(replace(step, state=StepState.Done),)) == [("statefulset/db", False)]


def test_what_was_begun_in_vain_is_given_back_by_what_stands_in_the_cluster() -> None:
    index = LatelyIndex()
    index.begin(facts(), DB, ACCOUNT, T0)
    assert [one.open for one in index.beside(APP, T0)] == [True]
    index.told(facts(), status())
    assert index.beside(APP, T0) == []


@pytest.mark.parametrize(("count", "known_still"), [(MOST, True), (MOST + 1, False)])
async def test_no_more_are_read_than_so_many(count: int, known_still: bool) -> None:
    """They are gone, so that none is waited for."""
    server, index = MemoryServer(), LatelyIndex()
    account = server.add(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "remediator", "namespace": APP.namespace}}
    )
    server.permit_all(f"system:serviceaccount:{APP.namespace}:remediator")
    changes = (of(replace(DB, name=f"db-{number}", uid=f"uid-{number}")) for number in range(count))
    index.told(facts(), status(*changes, service_account=Pin("remediator", account.uid)))
    asked: list[Ref] = []
    server.before_read.append(lambda _, ref: asked.append(ref))
    (budget,) = await beside(MemoryClusters(server), index, APP, (Budget("all", 1, {}),), T0)
    assert len(asked) == MOST
    assert budget.allowed == 1 if known_still else isinstance(budget.allowed, Unknown)


async def test_as_whom_it_was_changed_must_be_known() -> None:
    index = LatelyIndex()
    index.told(facts(), status(of(), service_account=None))
    (budget,) = await beside(MemoryClusters(MemoryServer()), index, APP, (Budget("all", 1, {}),), T0)
    assert isinstance(budget.allowed, Unknown) and "as whom it was changed is not known" in budget.allowed.why

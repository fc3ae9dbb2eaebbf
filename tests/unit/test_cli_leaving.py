"""`stanch uninstall`: what is ended and taken back before stanch goes, what is said of what stays, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from stanch.api import codec
from stanch.cli.ending import Code, Ending
from stanch.cli.freezing import Asking
from stanch.cli.leaving import Scope, leave, scope
from stanch.cli.session import API_VERSION
from stanch.domain.incident import Phase, RevertRecord, RevertState, Status
from stanch.domain.plan import Ref
from stanch.engine.errors import NotFound, Refused, Retryable
from stanch.runtime.settings import LEADER
from stanch.runtime.write import FINALIZER
from tests.unit.cli_kit import NAMESPACE, incident, session, sleeper
from tests.unit.memory import MemoryServer
from tests.unit.memory.kinds import KINDS
from tests.unit.play import APP, Play

OPERATOR = "stanch-system"
EVERYWHERE = Scope((), OPERATOR, timedelta(minutes=1))
Output = pytest.CaptureFixture[str]


def unasked(what: str) -> bool:
    raise AssertionError(f"asked: {what}")


class Site:
    """A cluster with a policy, an operator that leads, and incidents as a test says."""

    def __init__(self) -> None:
        self.server = MemoryServer()
        self.policy = self.add("ResponsePolicy", "aureus", spec={"levels": []})
        self.leads()

    def add(self, kind: str, name: str, **body: Any) -> Ref:
        return self.server.add({"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, **body})

    def leads(self, holder: str = "stanch-0", seconds_ago: float = 1) -> None:
        renewed = self.server.time.now() - timedelta(seconds=seconds_ago)
        metadata = {"name": LEADER, "namespace": OPERATOR}
        spec = {"holderIdentity": holder, "renewTime": f"{renewed:%Y-%m-%dT%H:%M:%S.%fZ}"}
        self.server.add({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec})

    def owing(self, name: str = "limits", *states: RevertState, namespace: str = NAMESPACE) -> Ref:
        """An incident that holds its target, with a change in each of these states."""
        due = self.server.time.now() + timedelta(hours=1)
        records = tuple(
            RevertRecord("o", f"step{place}", state, APP, f"t{place}", "i", "d", due_at=due) for place, state in enumerate(states)
        )
        status = replace(Status(), phase=Phase.Mitigated, locked=True, reverts=records, open_reverts=len(records))
        return incident(self.server, Play(status=status), name, namespace=namespace, finalizers=[FINALIZER])

    def operator(self, *, conflict: bool = False) -> Callable[[float], None]:
        """What it does meanwhile: what is deleted is taken back and let go, or meets a conflict."""

        def turn(_: float) -> None:
            for item in self.server.select(API_VERSION, "Incident", "", "", ""):
                if "deletionTimestamp" not in item["metadata"]:
                    continue
                ref = self.server.ref(item)
                if conflict:
                    self.stuck(ref)
                else:
                    self.server.patch(ref, {"metadata": {"finalizers": []}}, "", "", dry_run=False)

        return turn

    def stuck(self, ref: Ref) -> None:
        status = codec.status_of(self.server.read(ref))
        records = tuple(replace(record, state=RevertState.Conflict, message="replicas is 7") for record in status.reverts)
        self.server.set_status(ref, codec.status_to_json(replace(status, reverts=records, waits_for="a Confirm of o/step0")))

    async def leave(self, where: Scope = EVERYWHERE, then: Callable[[float], None] | None = None, yes: bool = True) -> None:
        asking = Asking(yes, unasked)
        await leave(session(self.server), where, asking, sleeper(self.server, then or self.operator()))

    @property
    def frozen(self) -> bool:
        return self.server.read(self.policy)["spec"].get("suspended", False)

    def there(self, ref: Ref) -> bool:
        try:
            self.server.read(ref)
        except NotFound:
            return False
        return True


@pytest.fixture
def site() -> Site:
    return Site()


async def test_what_is_owed_is_shown_ended_and_waited_for(site: Site, capsys: Output) -> None:
    owing, resting = site.owing("limits", RevertState.Owed), incident(site.server, Play(), "waits")
    site.owing("elsewhere", RevertState.Owed, namespace="other")
    await site.leave()
    out = capsys.readouterr().out
    assert not site.there(owing) and site.frozen
    assert "o/step0   deployment/frontend" in out and "other" in out and "2 to go: aureus/limits (Mitigated, owes 1)" in out
    assert "Nothing is owed any more" in out and "stanch unfreeze --all" in out and "stanch-packs" in out
    assert site.there(resting) and "1 under way that hold nothing stay" in out, "what changed nothing loses nothing"


async def test_where_nothing_is_held_it_is_frozen_all_the_same(site: Site, capsys: Output) -> None:
    await site.leave()
    assert site.frozen and capsys.readouterr().out.startswith("no incident holds anything in any namespace\n")


async def test_a_named_namespace_alone_and_policies_that_others_share_are_left_alone(site: Site, capsys: Output) -> None:
    mine, theirs = site.owing("mine", RevertState.Owed), site.owing("theirs", RevertState.Owed, namespace="other")
    await site.leave(replace(EVERYWHERE, namespaces=(NAMESPACE,)))
    assert not site.there(mine) and site.there(theirs) and not site.frozen
    assert "policies are not frozen" in capsys.readouterr().out


async def test_what_begins_meanwhile_is_ended_too(site: Site) -> None:
    """What was under way when it was frozen: its operator had not seen that yet."""
    owing, late, looks = site.owing("limits", RevertState.Owed), [], []
    operator = site.operator()

    def then(at: float) -> None:
        operator(at)
        looks.append(at)
        if len(looks) == 2:
            assert not site.there(owing), "it had found nothing for once"
            late.append(site.owing("late", RevertState.Owed))

    await site.leave(then=then)
    assert late and not site.there(late[0])


async def test_what_cannot_be_taken_back_stays_and_is_said_at_once(site: Site, capsys: Output) -> None:
    owing, began = site.owing("limits", RevertState.Owed), site.server.time.now()
    with pytest.raises(Ending, match="1 incident still there") as ending:
        await site.leave(then=site.operator(conflict=True))
    assert ending.value.code is Code.Problems and site.there(owing)
    assert site.server.time.now() - began < timedelta(seconds=10), "time changes nothing about it"
    out = capsys.readouterr().out
    assert "replicas is 7" in out and "aureus/limits waits for a Confirm of o/step0" in out and "stanch confirm" in out
    assert "finalizers" in out and "Nothing is owed" not in out


async def test_what_takes_too_long_stays_and_is_said(site: Site, capsys: Output) -> None:
    site.owing("limits", RevertState.Owed, RevertState.Conflict)
    site.owing("locked")
    with pytest.raises(Ending, match="2 incidents still there"):
        await site.leave(then=lambda _: None)
    assert "aureus/locked: Mitigated, owes nothing" in capsys.readouterr().out


@pytest.mark.parametrize(("holder", "seconds_ago"), [("", 1), ("stanch-0", 31)])
async def test_without_an_operator_nothing_is_touched_and_it_says_what_is_left(
    site: Site, capsys: Output, holder: str, seconds_ago: float
) -> None:
    owing = site.owing("limits", RevertState.Owed)
    site.leads(holder, seconds_ago)
    with pytest.raises(Ending, match=r"no operator leads in namespace stanch-system.*nothing was changed"):
        await site.leave()
    assert "deletionTimestamp" not in site.server.read(owing)["metadata"] and not site.frozen
    out = capsys.readouterr().out
    assert "o/step0" in out and "a stanch that is installed again takes them up" in out


async def test_in_a_namespace_where_none_ever_led_another_one_is_asked_for(site: Site) -> None:
    site.owing("limits", RevertState.Owed)
    with pytest.raises(Ending, match=r"no operator leads in namespace ops .--operator-namespace"):
        await site.leave(replace(EVERYWHERE, operator_namespace="ops"))


async def test_who_may_not_know_who_leads_goes_on(site: Site, capsys: Output) -> None:
    owing = site.owing("limits", RevertState.Owed)

    def refuse(verb: str, ref: Ref) -> None:
        if ref.kind == "Lease":
            raise Refused("Forbidden", "bob may not")

    site.server.before_read.append(refuse)
    await site.leave()
    assert not site.there(owing) and "is not known: bob may not" in capsys.readouterr().err


async def test_nobody_is_taken_to_have_agreed_off_a_terminal(site: Site) -> None:
    owing = site.owing("limits", RevertState.Owed)
    with pytest.raises(Ending, match="needs a person's yes") as ending:
        await site.leave(yes=False)
    assert ending.value.code is Code.Unusable and not site.frozen
    assert "deletionTimestamp" not in site.server.read(owing)["metadata"]


def forbidding(kind: str, name: str) -> Callable[[Any], None]:
    def hook(write: Any) -> None:
        if (write.ref.kind, write.ref.name) == (kind, name):
            raise Refused("Forbidden", f"bob may not touch {name}")

    return hook


async def test_what_cannot_be_frozen_stops_it_before_anything_is_ended(site: Site) -> None:
    owing = site.owing("limits", RevertState.Owed)
    site.server.before_write.append(forbidding("ResponsePolicy", "aureus"))
    with pytest.raises(Ending, match=r"responsepolicy/aureus: not frozen.*nothing was taken back"):
        await site.leave()
    assert "deletionTimestamp" not in site.server.read(owing)["metadata"]


async def test_one_that_may_not_be_deleted_keeps_no_other_from_ending(site: Site, capsys: Output) -> None:
    kept, other = site.owing("kept", RevertState.Owed), site.owing("limits", RevertState.Owed)
    began = site.server.time.now()
    site.server.before_write.append(forbidding("Incident", "kept"))
    with pytest.raises(Ending, match="1 incident still there"):
        await site.leave(then=site.operator())
    assert site.there(kept) and not site.there(other) and site.server.time.now() - began < timedelta(seconds=10)
    assert capsys.readouterr().err.count("aureus/kept could not be deleted: bob may not touch kept") == 1, "asked for once"


async def test_an_api_server_that_does_not_answer_is_no_cluster_without_debts(site: Site) -> None:
    """In a cluster of which one look succeeded: what came of it is not known, and that is said."""
    site.owing("limits", RevertState.Owed)
    looks: list[str] = []

    def silent(verb: str, ref: Ref) -> None:
        looks.append(ref.kind)
        if ref.kind == "Incident" and looks.count("Incident") > 1:
            raise Retryable("Unreachable", "no answer")

    site.server.before_read.append(silent)
    with pytest.raises(Ending, match="what is still owed is not known"):
        await site.leave()


async def test_for_a_while_it_is_asked_again(site: Site, capsys: Output) -> None:
    owing = site.owing("limits", RevertState.Owed)
    looks: list[str] = []

    def silent(verb: str, ref: Ref) -> None:
        looks.append(ref.kind)
        if ref.kind == "Incident" and looks.count("Incident") in (2, 3):
            raise Retryable("Unreachable", "no answer")

    site.server.before_read.append(silent)
    await site.leave()
    assert not site.there(owing) and capsys.readouterr().err.count("not up to date: no answer") == 2


async def test_where_the_kinds_are_gone_there_is_nothing_to_take_back(capsys: Output) -> None:
    server = MemoryServer(kind for kind in KINDS if kind.api_version != API_VERSION)
    await leave(session(server), EVERYWHERE, Asking(True, unasked), sleeper(server))
    assert "does not know stanch's kinds" in capsys.readouterr().out


async def test_an_incident_of_a_later_version_is_not_passed_over(site: Site, capsys: Output) -> None:
    owing = site.owing("limits", RevertState.Owed)
    odd = {"option": "o", "step": "s", "state": "Postponed", "ref": {"kind": "Deployment", "name": "x"}}
    site.server.set_status(owing, {"formatVersion": 99, "reverts": [odd]})
    await site.leave()
    assert not site.there(owing) and "Postponed" in capsys.readouterr().out


def test_a_timeout_that_is_none_is_refused() -> None:
    assert scope(("a", "b", "a"), "ops", "90s") == Scope(("a", "b"), "ops", timedelta(seconds=90))
    with pytest.raises(Ending, match="--timeout: 'soon' is not a duration") as ending:
        scope((), "ops", "soon")
    assert ending.value.code is Code.Unusable

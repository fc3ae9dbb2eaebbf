"""Bugs planted on purpose, each found by the state machine in bounded examples: what it finds is what it is worth.

A mutant is one function of the engine or the runtime with one piece of its source replaced. Nothing is shrunk. The search is
derandomized, and still not the same in every process: Hypothesis mixes in constants of the modules that were imported so far. So it
goes on ten times longer than the rarest of these bugs was seen to need; only a bug that is not found costs that time. A few are
planted in `make test-unit`; `make test` (or STANCH_MUTATIONS=all) plants all of them.
"""

from __future__ import annotations
import __future__

import builtins
import dis
import importlib
import inspect
import os
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from types import CodeType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.machine import Incidents
from tests.unit.machine_owner import RESUMED, SUSPENDED, Owned
from tests.unit.machine_rules import BETWEEN_STEPS, GLASS_BEFORE, LAST, MANY, WHEN_ASKED, WHILE_ASKED, YES_AFTER, YES_BEFORE

SEARCH = settings(max_examples=600, stateful_step_count=25, deadline=None, derandomize=True, database=None,
                  phases=[Phase.generate], suppress_health_check=list(HealthCheck), report_multiple_bugs=False)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """In function `where` (`module:name` below `stanch`), `was` becomes `now`. `early`: planted in `make test-unit` too.
    `focus`: the opening that the search begins with, where the bug shows far from the beginning only."""

    bug: str
    where: str
    was: str
    now: str
    early: bool = False
    focus: str = ""

    @property
    def machine(self) -> type[Incidents]:
        return type("Focused", (Owned if self.focus in (SUSPENDED, RESUMED) else Incidents,), {"focus": self.focus})

    @property
    def function(self) -> Callable[..., Any]:
        module, _, name = self.where.partition(":")
        return reduce(getattr, name.split("."), importlib.import_module(f"stanch.{module}"))

    def code(self) -> CodeType:
        """The function's code with the bug in it; an AssertionError where the source does not read so any more."""
        source = textwrap.dedent(inspect.getsource(self.function))
        assert source.count(self.was) == 1, f"{self.where} does not say {self.was!r} once: plant the bug where it is said now"
        planted: dict[str, Any] = {}
        flags = __future__.annotations.compiler_flag
        exec(compile(source.replace(self.was, self.now), self.where, "exec", flags), {}, planted)
        return planted[self.function.__name__].__code__


MUTANTS = (
    Mutant("the evidence barrier is skipped before later steps", "engine.capturing:fresh", "return was.at is not None and",
           "return True or", early=True),
    Mutant("incomplete evidence blocks nothing", "engine.capturing:accept", "is OnMissing.Proceed", "is not None",
           focus="evidence"),
    Mutant("the intent is not stored before the write", "runtime.case:Case.write_status", "if patch:",
           "if \"'Intended'\" in str(patch):\n        self.raw = {**self.raw, 'status': codec.status_to_json(status)}\n"
           "    elif patch:", early=True),
    Mutant("the debt has no time before the change is made", "engine.debts:owe", "replace(debt, due_at=due,",
           "replace(debt, due_at=None,"),
    Mutant("a revert overwrites what somebody else wrote", "actions.takeback:owed", "if contested:", "if ():",
           focus="what was changed is edited"),
    Mutant("a conflict counts as done", "engine.reverting:prepare", "RevertState.Conflict, contested",
           "RevertState.Done, contested", focus="what was changed is edited"),
    Mutant("the wake time of what is owed is forgotten", "engine.debts:next_at", "return min(times, default=None)",
           "return None", early=True),
    Mutant("the time of a revert counts from the new leader's start", "engine.decide:begin", "turn.set(epoch=turn.epoch)",
           "turn.set(epoch=turn.epoch, reverts=tuple(replace(debt, due_at=debt.due_at and turn.now + timedelta(minutes=20))"
           " for debt in turn.status.reverts))", focus="it dies with a change made"),
    Mutant("what is owed is taken back before its time", "engine.debts:due",
           "record.due_at <= (by or turn.now)", "record.due_at"),
    Mutant("the epoch is not fenced", "runtime.write:fence", "return await cluster.patch(", "return await cluster.get(ref) or (",
           focus="a write is held up"),
    # Two places hold the next option back, diagnosing and the step's own preparation: what both ask is what is spoilt.
    Mutant("the next option begins before the denied one is taken back", "engine.debts:after_failure",
           "return demand(turn, of", "return names(of", focus=WHEN_ASKED),
    Mutant("the lock is not taken", "runtime.write:lock", "other = await world.locks.lock(target_lease(ref.uid), me)",
           "other = None"),
    Mutant("the lock is not given back", "runtime.finish:release", "await world.locks.unlock(target_lease(uid), case.facts.uid)",
           "pass", early=True),
    Mutant("a Decision counts twice", "engine.decisions:take_one", "if decision.uid in turn.status.decisions:", "if False:",
           focus="it dies before it marks"),
    Mutant("one that is not marked is forgotten", "engine.decisions:remember", "kept = unrecorded(turn)", "kept = set()",
           focus=MANY),
    Mutant("one person's yes counts twice", "engine.approving:ineligible", "any(record.by == decision.by for record in granted)",
           "False", focus="one person approves twice"),
    Mutant("who opened the incident approves it", "engine.approving:ineligible", "decision.by == turn.facts.opened_by", "False",
           focus="who opened it approves"),
    Mutant("an approval lets a last resort run before the others", "engine.choosing:held_back", "or broken(turn.status)",
           "or granted(turn, option)", focus=LAST),
    Mutant("a broken glass is not told", "engine.choosing:go_without", "turn.key(\"option\", option.name, BROKEN_GLASS)",
           "turn.key(\"option\", option.name, \"approved\")", focus="the glass is broken"),
    Mutant("what was read before releases what is told now", "engine.messages:release",
           "decision.message_digest != record.digest", "False"),
    Mutant("whoever may release may release every message", "engine.messages:unfit", "role != record.role", "False", early=True,
           focus="the scribe releases"),
    Mutant("a draft says how grave it was", "engine.triage:changed", "messages.outdate(turn,", "str("),
    Mutant("what was released is drafted anew", "engine.messages:draft", "is MessageState.Released", "is None",
           focus="it is released"),
    Mutant("a Hold holds nothing up", "engine.pausing:wait", "if (held := turn.status.held) is None:", "if True:",
           focus="it is held up"),
    Mutant("a relapse is ignored", "engine.recovering:checking",
           "relapse(turn, OptionState.Denied if denied else OptionState.Inconclusive, why)", "enter(turn, then)"),
    Mutant("entries of the chain are not written", "engine.turn:Turn.move", "pending=tuple(self.entries)",
           "pending=tuple(self.entries[:1])", early=True),
    Mutant("the seal covers what came after it", "engine.closing:sealing", "sealed=effect.head.seq", "sealed=was.head.seq",
           focus="it is sealed"),
    Mutant("an abort leaves what is owed", "engine.closing:aborting", "if owed := debts.opened(turn):", "if owed := ():",
           focus="it dies with a change made"),
    Mutant("a suspended policy is not asked", "runtime.write:freeze", 'if not policy["spec"].get("suspended"):', "if True:",
           focus="frozen"),
    Mutant("guards of the target are not asked", "runtime.guarding:of_target", "if not action.takes_pods:", "if True:",
           focus="guarded", early=True),
    Mutant("a budget lets every pod go", "engine.guards:beyond", "if pods.taken <= allowed:", "if True:", focus="guarded"),
    Mutant("a target need not rest", "engine.pace:cooldown", "touched is None or", "True or", focus="touched", early=True),
    Mutant("a change is not noted before it is made", "engine.mitigating:intend",
           "turn.changed(intent.token, turn.ref(step))", "pass"),
    # It is asked twice, before the target is locked and when the intent is written: what both ask is what is spoilt.
    Mutant("a freeze window is never open", "engine.guards:in_window", "if until is None:", "if True:", focus="in a window"),
    Mutant("what holds a step up is not looked at again", "engine.mitigating:hold",
           "block.until - turn.now if block.until else timedelta(seconds=held.after)", "None", focus="guarded"),
    # A target that is another one would not be found either when it is looked at what is changed: both looks are what is spoilt.
    Mutant("a target that was created anew is not recognized", "runtime.recognize:recognize", "refs = dict.fromkeys(",
           "return Done()\n    refs = dict.fromkeys(", focus="the target of an approved option is created anew"),
    Mutant("a yes to a plan counts for the one after it", "engine.opening:fix", "checks=(), approvals=(),", "checks=(),",
           focus=YES_BEFORE),
    Mutant("a yes is for whatever plan there is", "engine.approving:unfit", "if decision.plan_digest != turn.status.plan_digest:",
           "if False:", focus=YES_AFTER),
    Mutant("a broken glass is for whatever plan there is", "engine.choosing:broken",
           "if (record.option, record.plan_digest) == of_this", "if record.option == of_this[0]", focus=GLASS_BEFORE),
    Mutant("another change than the one that was shown is made", "runtime.prove:otherwise",
           'if step.change in ("", proof_of(action.effect_class, before, change)):', "if True:", focus=WHILE_ASKED, early=True),
    Mutant("what was shown is not looked at again before it is done", "runtime.recognize:as_shown",
           "approval is None or", "approval is None or True or", focus=BETWEEN_STEPS),
    Mutant("a yes stays when what it was for is another change", "engine.choosing:ask_of_change", "approvals=(), at=", "at=",
           focus=WHILE_ASKED),
    Mutant("an owner is given back before the change is taken back", "engine.debts:needed", "return record.last and (",
           "return False and (", focus=SUSPENDED),
    Mutant("nothing gives a suspended owner back", "engine.debts:owe", "if outcome.ref is None or not wanted:",
           "if outcome.ref is None or not wanted or step.last:", focus=SUSPENDED),
    Mutant("a change is made though its owner was resumed", "actions.owners:_guard_flux",
           "if owner is not None and not kind.active(owner):", "if owner is not None:", focus=RESUMED),
    Mutant("reverts are held up by a freeze window", "runtime.revert:prepare_revert",
           "debt = await recall(world, case, effect)\n",
           "debt = await recall(world, case, effect)\n        from stanch.runtime.guarding import of_policy\n"
           "        if case.plan and (block := of_policy(world, case, case.plan)):\n"
           "            return Later(block.guard, str(block), 5.0)\n", focus="a window opens"),
)  # fmt: skip
PLANTED = [mutant for mutant in MUTANTS if mutant.early or os.environ.get("STANCH_MUTATIONS") == "all"]


@pytest.mark.parametrize("mutant", PLANTED, ids=[mutant.bug.replace(" ", "-") for mutant in PLANTED])
def test_planted_bug_is_found(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutant.function, "__code__", mutant.code())
    with pytest.raises(BaseException) as found:
        run_state_machine_as_test(mutant.machine, settings=SEARCH)
    assert isinstance(found.value, AssertionError), f"it broke the machine instead of an invariant: {found.value!r}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.bug.replace(" ", "-") for mutant in MUTANTS])
def test_each_bug_can_be_planted(mutant: Mutant) -> None:
    code = mutant.code()
    assert code != mutant.function.__code__
    unknown = globals_of(code) - set(mutant.function.__globals__) - set(dir(builtins))
    assert not unknown, f"the bug speaks of {sorted(unknown)}, which {mutant.where} does not know: it would break, not misbehave"


def globals_of(code: CodeType) -> set[str]:
    """What the code and those nested in it look up in their module."""
    nested = [const for const in code.co_consts if isinstance(const, CodeType)]
    own = {str(step.argval) for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    return own.union(*map(globals_of, nested))

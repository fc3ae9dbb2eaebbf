"""The state machine: one incident, its operators, people, and everything that goes wrong, in every order hypothesis finds.

After every rule (`machine_rules`) the invariants are looked at; what is written is judged at the moment it is written
(`machine_witness`). At the end the world is mended and the incident must come to rest by itself, or by the person it names.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Any

from hypothesis import event
from hypothesis.stateful import invariant

from stanch.domain.decision import Verb
from stanch.domain.incident import OPEN_REVERTS, Phase
from stanch.domain.timeline import GENESIS
from stanch.engine.chain import canonical, entry_hash
from stanch.engine.guards import NAMES
from stanch.engine.recovering import rests
from tests.unit.machine_leader import Leader, Rest
from tests.unit.machine_rules import Doings
from tests.unit.machine_site import WATCH

# Largest status: the design's limit, far from what one incident with this playbook needs.
LARGEST = 100_000

true_hash = cache(entry_hash)


class Incidents(Doings):
    # What must hold after each of these.

    @invariant()
    def chain_never_forks(self) -> None:
        before = GENESIS
        for seq, entry in enumerate(self.site.chain, 1):
            assert (entry.seq, entry.prev) == (seq, before) and entry.hash == true_hash(entry)
            before = entry.hash
        if not self.site.gone and self.site.status.pack.head.seq:
            pack = self.site.status.pack
            known = {pack.head.seq: pack.head.hash} | {entry.seq: entry.hash for entry in pack.pending}
            assert all(known.get(entry.seq, entry.hash) == entry.hash for entry in self.site.chain)
            assert pack.head.seq - len(pack.pending) <= len(self.site.chain) <= pack.head.seq

    @invariant()
    def status_is_bounded(self) -> None:
        if not self.site.gone:
            size = len(canonical(self.site.incident.get("status") or {}))
            assert size < LARGEST, f"11: the status has grown to {size} bytes"

    @invariant()
    def decision_is_told_once(self) -> None:
        keys = [entry.line.key for entry in self.site.chain if "/decision/" in entry.line.key]
        said = [key.rpartition("/")[2] for key in keys]
        # What was told but not marked yet is told again when the status, and with it the memory of that, is lost.
        assert self.witness.lost or len(said) == len(set(said)), f"a Decision was counted twice: {keys}"

    @invariant()
    def target_is_locked_by_an_incident_under_way(self) -> None:
        if self.site.gone or not self.site.status.locked:
            assert not self.locks() or self.late_lock() or self.witness.lost, (
                f"6: {self.locks()} are locked by an incident that is over"
            )

    def locks(self) -> list[str]:
        held = [lock["metadata"]["name"] for lock in self.site.locks()]
        owed = (
            set() if self.site.gone else {f"stanch-target-{r.ref.uid}" for r in self.site.status.reverts if r.state in OPEN_REVERTS}
        )
        return [name for name in held if name not in owed]

    def late_lock(self) -> bool:
        """A leader that was held up right before its lock took one for an incident that is over: it falls to the next that asks."""
        return self.old is not None and any(op.what.startswith("create lease/") for op in self.old.life.passage.log)

    def at_rest(self, rest: Rest | None) -> None:
        """What must hold when a tick has come to its end: nothing waits in silence (5), no time-box is late (4)."""
        assert rest is not None
        if self.site.gone or rest.failed is not None:
            return
        status = self.site.status
        assert rest.delay is not None or rests(status) or status.waits_for, f"5: {status.phase} waits for nobody and nothing"
        assert rest.delay is not None or status.reason not in NAMES, f"5: {status.reason} is never asked again"
        if rest.delay == 0:
            return  # it goes on at once
        if self.faults or (self.clear_from is not None and self.now < self.clear_from):
            return
        for change in self.witness.changes:
            self.in_time(change, rest)
        since = self.witness.resolved_at
        if status.phase is Phase.Resolved and status.reason == "Resolved" and since and self.now < since + timedelta(seconds=WATCH):
            assert rest.delay is not None and rest.delay <= 15, "5: a relapse within the window would not be seen"

    def in_time(self, change: Any, rest: Rest) -> None:
        latest = self.witness.latest(change)
        if latest is None or not self.witness.open(change):
            return
        assert latest > self.now, f"4: {change.token} was to be taken back at {latest}, it is {self.now}: {self.debts()}"
        in_time = rest.delay is not None and self.now + timedelta(seconds=rest.delay) <= latest + timedelta(seconds=1)
        assert in_time, f"4: {change.token} is to be taken back at {latest}, the next look is in {rest.delay} s: {self.debts()}"

    def debts(self) -> str:
        return f"{self.site.status.phase} {self.site.status.reverts}"

    # The end.

    def teardown(self) -> None:
        try:
            if hasattr(self, "site"):
                self.run(self._left_alone())
                self.all_is_mended()
                self.site.passes(60)
                self.comes_to_an_end()
                self.wakes_up_late()
                self.is_whole()
        finally:
            self.runner.close()

    async def _left_alone(self) -> None:
        await self.new.finish()
        self.new = Leader(self.site, self.new.life.epoch + 1)
        self.new.gate.free = True

    def wakes_up_late(self) -> None:
        """A leader that was held up goes on when everything is over: nothing of it may take effect any more."""
        if self.old is not None:
            self.run(self.old.finish())
            self.rests()

    def comes_to_an_end(self) -> None:
        """Left alone it rests; whoever it names can end it: by an Abort, by answering for what could not be taken back."""
        self.rests()
        for _ in range(3):
            if self.site.gone or rests(self.site.status):
                break
            self.somebody_confirms_what_is_stuck()
            self.witness.demanded = True
            self.say(Verb.Abort)
            self.rests()
        assert self.site.gone or rests(self.site.status), f"it cannot be ended: {self.site.status}"
        event(f"ended {'gone' if self.site.gone else self.site.status.phase}, epoch {self.new.life.epoch}")
        event(f"changes {len(self.witness.changes)}, taken back {sum(change.back for change in self.witness.changes)}")
        for word in sorted({word for entry in self.site.chain for word in (entry.line.key.rpartition("/")[2],) if word.isalpha()}):
            event(f"told: {word}")

    def rests(self) -> None:
        for _ in range(400):
            rest = self.run(self.new.whole())
            self.at_rest(rest)
            self.chain_never_forks()
            if self.site.gone or rest.delay is None or self.asks_again_and_again():
                return
            self.site.passes(rest.delay + 0.001)
        raise AssertionError(f"it does not come to rest: {self.site.status}")

    def asks_again_and_again(self) -> bool:
        """It names a person, and looks by itself every half minute whether that is mended."""
        return self.site.status.phase is Phase.Waiting or bool(self.stuck() and self.site.status.waits_for)

    def is_whole(self) -> None:
        """Everything temporary is back or answered for, everything is given back, everything is told and proven."""
        for change in self.witness.changes:
            assert not self.witness.open(change), f"4: {change.token} is still there: {self.site.gone or self.debts()}"
            assert not self.witness.contested(change), f"4: {change.token} was changed by somebody, and nobody was asked"
            assert self.witness.told(change), f"9: nothing tells what came of {change.token}: {sorted(self.witness.keys())}"
        self.decision_is_told_once()
        self.target_is_locked_by_an_incident_under_way()
        if not self.site.gone:
            assert "finalizers" not in self.site.incident["metadata"]
            found = self.site.verified()
            assert found.ok, found.problems

"""What each guard says when it holds a step up, word for word: what it saw, what it lets pass, what would lift it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from stanch.domain.guards import Day, FreezeWindow, Guards
from stanch.engine import guards, pace
from stanch.engine.availability import Pods, Unknown, Unseen
from stanch.engine.figures import Budget, Input, Rollout, Underway
from tests.unit.test_guards import DARK, PACED, seen

WEEKEND = FreezeWindow("weekend", "Europe/Berlin", (Day.Friday,), "18:00", timedelta(hours=62))
NOWHERE = FreezeWindow("nowhere", "Europe/Atlantis", (Day.Monday,), "00:00", timedelta(hours=1))
TAKEN = Pods(3, 3, 1)
WORDS: list[tuple[guards.Guard, Input, str]] = [
    (
        guards.last_resort,
        seen(untried=("scale", "undo")),
        "LastResort: options that were not tried: scale, undo; a last resort is run when each other option was tried or "
        "does not fit; lifted by a try of scale, undo after a Resume, or a BreakGlass while the last resort waits for an "
        "approval",
    ),
    (
        guards.freeze_window,
        seen(Guards("aureus", freeze_windows=(WEEKEND,))),
        "FreezeWindow: window weekend is open until Mon 2026-11-23 08:00 (Europe/Berlin, now Sat 2026-11-21 04:00); in a "
        "freeze window nothing is changed; lifted by its end, or an override in freezeWindows of ResponsePolicy aureus, for "
        "incidents that are planned from then on",
    ),
    (
        guards.freeze_window,
        seen(Guards("aureus", freeze_windows=(NOWHERE,))),
        "FreezeWindow: whether window nowhere is open is unknown: no data of time zone Europe/Atlantis; in a freeze window "
        "nothing is changed; lifted by an override in freezeWindows of ResponsePolicy aureus, for incidents that are "
        "planned from then on",
    ),
    (
        pace.storm,
        seen(past=PACED[pace.storm]),
        "Storm: incidents opened within 10m: 31; from 31 on ResponsePolicy aureus lets nothing be changed without a person; "
        "lifted by time, at 2026-11-21 03:09:00 UTC, or a person's Resume once it is Escalated, or an approval where the "
        "option asks for one",
    ),
    (
        pace.storm,
        seen(past=DARK),
        "Storm: what incidents did until now is unknown: forbidden; from 31 on ResponsePolicy aureus lets nothing be "
        "changed without a person; lifted by a person's Resume once it is Escalated, or an approval where the option asks "
        "for one",
    ),
    (
        pace.consecutive_failures,
        seen(past=PACED[pace.consecutive_failures]),
        "ConsecutiveFailures: incidents in a row that this playbook did not help: 3; after 3 ResponsePolicy aureus lets it "
        "change nothing by itself; lifted by a person's Resume once it is Escalated, or an approval where the option asks "
        "for one; for all by one that helps, or by another playbook",
    ),
    (
        pace.consecutive_failures,
        seen(past=DARK),
        "ConsecutiveFailures: what incidents did until now is unknown: forbidden; after 3 ResponsePolicy aureus lets it "
        "change nothing by itself; lifted by a person's Resume once it is Escalated, or an approval where the option asks "
        "for one",
    ),
    (
        pace.change_budget,
        seen(past=PACED[pace.change_budget]),
        "ChangeBudget: changes within the last hour: 60; ResponsePolicy aureus lets 60 be made; lifted by time, at "
        "2026-11-21 03:59:00 UTC, or a person's Resume once it is Escalated, or an approval where the option asks for one",
    ),
    (
        pace.change_budget,
        seen(past=DARK),
        "ChangeBudget: what incidents did until now is unknown: forbidden; ResponsePolicy aureus lets 60 be made; lifted by "
        "a person's Resume once it is Escalated, or an approval where the option asks for one",
    ),
    (
        pace.cooldown,
        seen(past=PACED[pace.cooldown]),
        "Cooldown: incident shop/other changed deployment/app at 2026-11-21 02:59:00 UTC; ResponsePolicy aureus wants 5m "
        "between the changes of two incidents; lifted by time, at 2026-11-21 03:04:00 UTC, or a person's Resume once it is "
        "Escalated, or an approval where the option asks for one",
    ),
    (
        pace.cooldown,
        seen(past=Unknown("it is of a later version", lifts="its deletion")),
        "Cooldown: what incidents did until now is unknown: it is of a later version; ResponsePolicy aureus wants 5m "
        "between the changes of two incidents; lifted by its deletion",
    ),
    (
        guards.concurrent_incidents,
        seen(underway=Underway(10)),
        "ConcurrentIncidents: others that are being mitigated: 10; ResponsePolicy aureus lets 10 be mitigated at a time; "
        "lifted by the end of another one's mitigation, or a higher limits.concurrentIncidents for incidents planned from "
        "then on",
    ),
    (
        guards.concurrent_incidents,
        seen(underway=DARK),
        "ConcurrentIncidents: how many are being mitigated is unknown: forbidden; ResponsePolicy aureus lets 10 be "
        "mitigated at a time; lifted by the end of another one's mitigation, or a higher limits.concurrentIncidents for "
        "incidents planned from then on",
    ),
    (
        guards.min_available,
        seen(pods=Pods(3, 3, 0)),
        "MinAvailable: the step may leave 0 of 3 available pods of deployment/app; at least 1 of 3 must stay; lifted by "
        "more available pods, or another guards.minAvailable in the playbook, for incidents that are planned from then on",
    ),
    (
        guards.min_available,
        seen(pods=Unseen("stale", 3)),
        "MinAvailable: how many pods of deployment/app are available is unknown: stale; at least 1 of 3 must stay; lifted "
        "by more available pods, or another guards.minAvailable in the playbook, for incidents that are planned from then "
        "on",
    ),
    (
        guards.disruption_budgets,
        seen(pods=TAKEN, budgets=(Budget("db", 1),)),
        "DisruptionBudget: the step may take 2 of 3 available pods of deployment/app at once; PodDisruptionBudget db lets 1 "
        "go; lifted by more available pods, another budget, or guards.podDisruptionBudgets: Ignore for incidents planned "
        "from then on",
    ),
    (
        guards.disruption_budgets,
        seen(pods=TAKEN, budgets=(Budget("db", 2, beside=Rollout("deployment/cache", "shop/first", 3, 4)),)),
        "DisruptionBudget: deployment/cache, which incident shop/first changes, is not rolled out, pods to go: 3 of 4; "
        "PodDisruptionBudget db is over pods of both, and one is changed at a time; lifted by the end of that rollout, an "
        "hour after its change, or guards.podDisruptionBudgets: Ignore for incidents planned from then on",
    ),
    (
        guards.disruption_budgets,
        seen(pods=TAKEN, budgets=DARK),
        "DisruptionBudget: which PodDisruptionBudgets select the pods of deployment/app is unknown: forbidden; each must "
        "let the step's pods go; lifted by the Role that `stanch rbac` prints, or guards.podDisruptionBudgets: Ignore",
    ),
    (
        guards.disruption_budgets,
        seen(pods=TAKEN, budgets=(Budget("db", DARK),)),
        "DisruptionBudget: how many pods it lets go is unknown: forbidden; PodDisruptionBudget db; lifted by more available "
        "pods, another budget, or guards.podDisruptionBudgets: Ignore for incidents planned from then on",
    ),
    (
        guards.disruption_budgets,
        seen(pods=TAKEN, budgets=(Budget("db", Unknown("it is of a later version", lifts="its deletion")),)),
        "DisruptionBudget: how many pods it lets go is unknown: it is of a later version; PodDisruptionBudget db; lifted by "
        "its deletion",
    ),
    (
        guards.disruption_budgets,
        seen(pods=Unseen("stale", 3), budgets=(Budget("db", 1),)),
        "DisruptionBudget: how many pods of deployment/app are taken is unknown: stale; PodDisruptionBudget db; lifted by "
        "more available pods, another budget, or guards.podDisruptionBudgets: Ignore for incidents planned from then on",
    ),
]


@pytest.mark.parametrize(("guard", "figures", "words"), WORDS)
def test_word_for_word(guard: guards.Guard, figures: Input, words: str) -> None:
    assert str(guard(figures)) == words


def test_of_every_guard() -> None:
    assert {guard for guard, _, _ in WORDS} == {*guards.CHAIN} and {words.partition(":")[0] for *_, words in WORDS} == guards.NAMES

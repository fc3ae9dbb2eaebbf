"""Guards: what holds a change up although playbook and people want it. One ordered chain of pure functions.

Each looks at the figures it was given and names the first reason against the step, or None; what gathers the figures is
`runtime.guarding`. A figure that could not be read is `Unknown`, and counts as over its limit. They are asked when an incident is
planned, to tell people early, and again before each step's intent is stored, to hold it up; never before a change is taken back.
"""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from stanch.domain.guards import Budgets, FreezeWindow
from stanch.engine.availability import Pods, Unknown, Unseen, share
from stanch.engine.figures import Block, Budget, Input, Rollout
from stanch.engine.pace import change_budget, consecutive_failures, cooldown, storm
from stanch.engine.windows import closed_until

Guard = Callable[[Input], Block | None]
IGNORED = "guards.podDisruptionBudgets: Ignore for incidents planned from then on"


def freeze_window(seen: Input) -> Block | None:
    """Of several windows the one that ends last."""
    blocks = [block for window in seen.limits.freeze_windows if (block := in_window(window, seen))]
    return max(blocks, key=lambda block: (block.until is None, block.until or seen.now), default=None)


def in_window(window: FreezeWindow, seen: Input) -> Block | None:
    lifts = f"an override in freezeWindows of ResponsePolicy {seen.limits.policy}, for incidents that are planned from then on"
    limit = "in a freeze window nothing is changed"
    try:
        until = closed_until(window, seen.now)
    except (KeyError, ValueError, OSError) as error:
        return Block("FreezeWindow", f"whether window {window.name} is open is unknown: {clock_fault(window, error)}", limit, lifts)
    if until is None:
        return None
    zone = ZoneInfo(window.time_zone)
    now, end = (f"{at.astimezone(zone):%a %Y-%m-%d %H:%M}" for at in (seen.now, until))
    figure = f"window {window.name} is open until {end} ({window.time_zone}, now {now})"
    return Block("FreezeWindow", figure, limit, f"its end, or {lifts}", until)


def clock_fault(window: FreezeWindow, error: Exception) -> str:
    """A KeyError of zoneinfo says which zone this machine has no data of."""
    return f"no data of time zone {window.time_zone}" if isinstance(error, KeyError) else str(error)


def concurrent_incidents(seen: Input) -> Block | None:
    """Who began already goes on, here too."""
    most, underway = seen.limits.concurrent_incidents, seen.underway
    limit = f"ResponsePolicy {seen.limits.policy} lets {most} be mitigated at a time"
    lifts = "the end of another one's mitigation, or a higher limits.concurrentIncidents for incidents planned from then on"
    if isinstance(underway, Unknown):
        figure = f"how many are being mitigated is unknown: {underway.why}"
        return Block("ConcurrentIncidents", figure, limit, underway.lifts or lifts)
    if underway.mine or underway.others < most:
        return None
    # Not which ones: each change of that would be a write of every incident that waits.
    return Block("ConcurrentIncidents", f"others that are being mitigated: {underway.others}", limit, lifts)


def min_available(seen: Input) -> Block | None:
    """Holds what would make it worse: a step that takes available pods and leaves fewer than the minimum. Where none is available
    there is nothing to take, and where no available pod is taken nothing gets worse: neither is held up."""
    pods = seen.pods
    least = minimum(seen.limits.min_available, pods.wanted) if pods else 0
    if pods is None or not least:
        return None
    lifts = "more available pods, or another guards.minAvailable in the playbook, for incidents that are planned from then on"
    limit = f"at least {least} of {pods.wanted} must stay"
    if isinstance(pods, Unseen):
        return Block("MinAvailable", f"how many pods of {seen.target} are available is unknown: {pods.why}", limit, lifts)
    if pods.left >= min(least, pods.available):
        return None
    figure = f"the step may leave {pods.left} of {pods.available} available pods of {seen.target}"
    return Block("MinAvailable", figure, limit, lifts)


def minimum(said: str, wanted: int) -> int:
    """Without a word of the playbook: one, where there are several. A single pod cannot be replaced without being taken away."""
    if not said:
        return 1 if wanted > 1 else 0
    return share(said if said.endswith("%") else int(said), wanted, up=True)


def disruption_budgets(seen: Input) -> Block | None:
    """As with an eviction, but for pods that are not available: those may always go."""
    pods, budgets = seen.pods, seen.budgets
    if pods is None or seen.limits.budgets is Budgets.Ignore or (isinstance(pods, Pods) and not pods.taken):
        return None
    if isinstance(budgets, Unknown):
        figure = f"which PodDisruptionBudgets select the pods of {seen.target} is unknown: {budgets.why}"
        lifts = "the Role that `stanch rbac` prints, or guards.podDisruptionBudgets: Ignore"
        return Block("DisruptionBudget", figure, "each must let the step's pods go", lifts)
    return next((block for budget in budgets if (block := beyond(budget, pods, seen.target))), None)


def beyond(budget: Budget, pods: Pods | Unseen, target: str) -> Block | None:
    if budget.beside:
        return beside(budget, budget.beside)
    allowed = budget.allowed
    lifts = f"more available pods, another budget, or {IGNORED}"
    if isinstance(allowed, Unknown):
        figure = f"how many pods it lets go is unknown: {allowed.why}"
        return Block("DisruptionBudget", figure, named(budget), allowed.lifts or lifts)
    if isinstance(pods, Unseen):
        return Block("DisruptionBudget", f"how many pods of {target} are taken is unknown: {pods.why}", named(budget), lifts)
    if pods.taken <= allowed:
        return None
    figure = f"the step may take {pods.taken} of {pods.available} available pods of {target} at once"
    return Block("DisruptionBudget", figure, f"{named(budget)} lets {allowed} go", lifts)


def beside(budget: Budget, other: Rollout) -> Block:
    """What the budget allows is what its controller saw last: pods that a rollout is about to take are not counted out yet."""
    limit = f"{named(budget)} is over pods of both, and one is changed at a time"
    figure = f"{other.what}, which incident {other.by} changes, is not rolled out, pods to go: {other.to_go} of {other.wanted}"
    return Block("DisruptionBudget", figure, limit, f"the end of that rollout, an hour after its change, or {IGNORED}")


def named(budget: Budget) -> str:
    return f"PodDisruptionBudget {budget.name}"


def last_resort(seen: Input) -> Block | None:
    """An approval does not lift it: who says yes to a restart does not say that the others cannot be had."""
    if not seen.untried:
        return None
    names = ", ".join(seen.untried)
    limit = "a last resort is run when each other option was tried or does not fit"
    lifts = f"a try of {names} after a Resume, or a BreakGlass while the last resort waits for an approval"
    return Block("LastResort", f"options that were not tried: {names}", limit, lifts, people=True)


# Of the option alone: asked before anything is looked at for its step, and before it begins.
OF_OPTION: tuple[Guard, ...] = (last_resort,)
# Those of the policy need nothing of the target: they are asked before it is locked.
OF_POLICY: tuple[Guard, ...] = (freeze_window, storm, consecutive_failures, change_budget, cooldown, concurrent_incidents)
OF_TARGET: tuple[Guard, ...] = (min_available, disruption_budgets)
CHAIN = (*OF_OPTION, *OF_POLICY, *OF_TARGET)
# As they stand in `reason` of a status.
NAMES = frozenset({"LastResort", "FreezeWindow", "Storm", "ConsecutiveFailures", "ChangeBudget", "Cooldown", "ConcurrentIncidents",
                   "MinAvailable", "DisruptionBudget"})  # fmt: skip


def judge(seen: Input, chain: tuple[Guard, ...] = CHAIN) -> Block | None:
    """The first block; None: nothing is against it."""
    return next((block for guard in chain if (block := guard(seen))), None)

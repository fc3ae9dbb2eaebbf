"""What a playbook says that makes no sense, or less than it could: it is said, and run all the same. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from stanch.actions.registry import ACTIONS
from stanch.api import names
from stanch.api.playbook import AnyPlaybook
from stanch.api.problems import Problem, Rule, choices, error, options, steps, warning
from stanch.domain.duration import spell
from stanch.domain.plan import OnFailure, Risk
from stanch.engine.expressions import constant

# What a write to a workload destroys: the logs, state and events of the pods that it replaces (invariant 1).
PERISHABLE = ("logs", "events", "describe", "objects")
_GRAVITY = {Risk.Low: 0, Risk.Medium: 1, Risk.High: 2}


def constants(playbook: AnyPlaybook) -> Iterator[Problem]:
    """Conditions that are no conditions."""
    known = names.for_conditions(playbook)
    told = [(f"{place}.when", option.when, "the option is never tried") for place, option in options(playbook)]
    told += [(f"{path}.when", step.when, "the step is always left out") for path, step in steps(playbook)]
    told.append(("spec.falseAlarmWhen", playbook.false_alarm_when, "nothing is ever a false alarm"))
    for path, text, never in told:
        value = constant(text, known) if text else None
        if value is False:
            yield error(path, f"is always false: {never}", "mend or remove it")
        elif value is True:
            yield warning(path, "is always true", "leave it out")


def last_resorts(playbook: AnyPlaybook) -> Iterator[Problem]:
    every = list(options(playbook))
    for number, (place, option) in enumerate(every):
        if option.last_resort and any(not later.last_resort for _, later in every[number + 1 :]):
            yield error(f"{place}.lastResort", "stands before options that are no last resort", "put it last")


def step_times(playbook: AnyPlaybook) -> Iterator[Problem]:
    for place, option in options(playbook):
        for number, step in enumerate(option.steps):
            path = f"{place}.steps[{number}]"
            if "timeout" in step.model_fields_set and step.timeout > option.timeout:
                yield error(f"{path}.timeout", f"{spell(step.timeout)} is longer than its option's {spell(option.timeout)}")
            pause = ACTIONS[step.chosen.kind].pauses(step.parameters) if step.chosen.kind in ACTIONS else None
            if pause and pause >= min(step.timeout, option.timeout):
                yield error(path, f"waits {spell(pause)}, longer than it or its option may take", "make timeout longer")


def unreachable_options(playbook: AnyPlaybook) -> Iterator[Problem]:
    """After an option that is always run and ends with Stop, none is tried."""
    end = None
    for place, option in options(playbook):
        if end:
            yield error(place, f"is never tried: {end} is always run before it and stops on failure", "set onFailure: Next there")
        elif option.on_failure is OnFailure.Stop and (
            not option.when or constant(option.when, names.for_conditions(playbook)) is True
        ):
            end = option.name


def too_short(playbook: AnyPlaybook) -> Iterator[Problem]:
    """An option whose time ends before its checks can be confirmed never helps."""
    for place, option in options(playbook):
        hold = max((check.hold_for for check in option.verify), default=timedelta())
        if hold >= option.timeout:
            yield error(
                f"{place}.timeout", f"{spell(option.timeout)} ends before a check has held for {spell(hold)}", "make it longer"
            )


def missing_evidence(playbook: AnyPlaybook) -> Iterator[Problem]:
    """E-04, E-08: what the first change can destroy is captured before it."""
    collected = {source.chosen.kind for source in playbook.evidence.collect}
    if lost := [name for name in PERISHABLE if name not in collected]:
        hint = "add " + ", ".join(f"{{{name}: {{}}}}" for name in lost)
        yield warning("spec.evidence.collect", f"a change destroys what is not captured: {', '.join(lost)}", hint)


def nothing_held(playbook: AnyPlaybook) -> Iterator[Problem]:
    for place, option in options(playbook):
        if not any(check.hold_for for check in option.verify):
            yield warning(f"{place}.verify", "no check must hold: the first good reading counts", "give one holdFor: 1m")


def understated_risk(playbook: AnyPlaybook) -> Iterator[Problem]:
    for place, option in options(playbook):
        risks = [ACTIONS[step.chosen.kind].risk for step in option.steps if step.chosen.kind in ACTIONS]
        gravest = max(risks, key=_GRAVITY.__getitem__, default=Risk.Low)
        if _GRAVITY[option.risk] < _GRAVITY[gravest]:
            yield warning(f"{place}.risk", f"says {option.risk}, but a step's action is {gravest}", f"say risk: {gravest}")


def unused_targets(playbook: AnyPlaybook) -> Iterator[Problem]:
    used = {choice.chosen.target for _, choice in choices(playbook)}
    for _, step in steps(playbook):
        action = ACTIONS.get(step.chosen.kind)
        used.update(getattr(step.parameters, action.consumers) if action and action.consumers else ())
    if any(not source.chosen.target for source in playbook.evidence.collect):
        return  # that source looks at all of them
    for place, target in enumerate(playbook.targets):
        if target.name not in used:
            yield warning(f"spec.targets[{place}]", f"target {target.name} is not used", "leave it out, or use it")


def only_by_name(playbook: AnyPlaybook) -> Iterator[Problem]:
    if playbook.match is None:
        yield warning("spec", "no match: only an Incident with this playbookRef gets it", "add match: {types: […]}")


RULES: tuple[Rule, ...] = (
    constants,
    last_resorts,
    step_times,
    unreachable_options,
    too_short,
    missing_evidence,
    nothing_held,
    understated_risk,
    unused_targets,
    only_by_name,
)

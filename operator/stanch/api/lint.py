"""What is wrong with a Playbook that its schema cannot say, for `stanch lint` and for its Ready condition. Pure.

One small function for each rule: playbook -> problems. Paths are those of the YAML (`spec.options[1].steps[0].name`), so
that the caller can find file and line.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from stanch.actions.registry import ACTIONS
from stanch.api import names
from stanch.api.base import API_VERSION
from stanch.api.choice import Choice
from stanch.api.codec import path_of
from stanch.api.kinds import KINDS
from stanch.api.parameters import ONE_SOURCE, pattern_fault
from stanch.api.parameters import fault as value_fault
from stanch.api.playbook import AnyPlaybook, Option, Playbook, Target
from stanch.api.steps import check_names, no_way_back
from stanch.domain.duration import spell
from stanch.domain.plan import OnFailure, Risk
from stanch.engine.code import code_in
from stanch.engine.expressions import Failed, constant
from stanch.engine.templates import fault, is_template, mentions_facts, texts


class Severity(StrEnum):
    error = "error"
    warning = "warning"


@dataclass(frozen=True)
class Problem:
    """What is wrong where, and what to do about it."""

    severity: Severity
    path: str
    message: str
    hint: str = ""


def error(path: str, message: str, hint: str = "") -> Problem:
    return Problem(Severity.error, path, message, hint)


def warning(path: str, message: str, hint: str = "") -> Problem:
    return Problem(Severity.warning, path, message, hint)


AnyOption = Option[Any, Any]

# What a write to a workload destroys: the logs, state and events of the pods that it replaces (invariant 1).
PERISHABLE = ("logs", "events", "describe", "objects")
_GRAVITY = {Risk.Low: 0, Risk.Medium: 1, Risk.High: 2}


def lint_document(document: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Problems of one object as it stands in a file: its schema, and for a Playbook all the rules."""
    kind = next((kind for kind in KINDS if kind.name == document.get("kind")), None)
    if kind is None or document.get("apiVersion") != API_VERSION:
        said = f"{document.get('apiVersion')} {document.get('kind')}"
        return (error("kind", f"{said} is not a kind of stanch", f"{API_VERSION}: {', '.join(k.name for k in KINDS)}"),)
    try:
        # As the API server judges it: JSON, spelled as in the CRD, and no "yes" for true.
        spec = kind.spec.model_validate_json(_json(document.get("spec", {})), strict=True, by_name=False, by_alias=True)
    except ValidationError as invalid:
        return tuple(_schema_problems(invalid, kind.spec))
    return lint(spec) if isinstance(spec, Playbook) else ()


def _json(spec: Any) -> str:
    return json.dumps(spec, default=lambda time: time.isoformat())


def lint(playbook: AnyPlaybook) -> tuple[Problem, ...]:
    """All problems of a playbook, rule by rule."""
    return tuple(problem for one in RULES for problem in one(playbook))


def duplicate_names(playbook: AnyPlaybook) -> Iterator[Problem]:
    yield from _duplicates((target.name for target in playbook.targets), "spec.targets")
    yield from _duplicates((option.name for option in playbook.options), "spec.options")
    for place, option in _options(playbook):
        yield from _duplicates((step.name for step in option.steps), f"{place}.steps")
        yield from _duplicates(option.check_names(), f"{place}.verify")
        for number, step in enumerate(option.steps):
            yield from _duplicates(check_names(step.smoke), f"{place}.steps[{number}].smoke")
    if playbook.recovery:
        yield from _duplicates(check_names(playbook.recovery.verify), "spec.recovery.verify")
    facts = [question.name for question in playbook.diagnosis] + [name for name, _ in names.outputs(playbook)]
    yield from _duplicates((parameter.name for parameter in playbook.parameters), "spec.parameters")
    yield from _duplicates(facts, "spec.diagnosis")


def unknown_targets(playbook: AnyPlaybook) -> Iterator[Problem]:
    known = [target.name for target in playbook.targets]
    for place, choice in _choices(playbook):
        chosen = choice.chosen
        if chosen.target and chosen.target not in known:
            path = f"{place}.{chosen.kind}.target"
            yield error(path, f"there is no target {chosen.target}", _did_you_mean(chosen.target, known))


def unused_targets(playbook: AnyPlaybook) -> Iterator[Problem]:
    used = {choice.chosen.target for _, choice in _choices(playbook)}
    for _, step in _steps(playbook):
        action = ACTIONS.get(step.chosen.kind)
        used.update(getattr(step.parameters, action.consumers) if action and action.consumers else ())
    if any(not source.chosen.target for source in playbook.evidence.collect):
        return  # that source looks at all of them
    for place, target in enumerate(playbook.targets):
        if target.name not in used:
            yield warning(f"spec.targets[{place}]", f"target {target.name} is not used", "leave it out, or use it")


def unfit_targets(playbook: AnyPlaybook) -> Iterator[Problem]:
    """An action works on certain kinds of objects."""
    targets = {target.name: target for target in playbook.targets}
    for place, option in _options(playbook):
        for number, step in enumerate(option.steps):
            if target := targets.get(step.chosen.target):
                yield from _unfit(f"{place}.steps[{number}].{step.chosen.kind}.target", step.chosen.kind, target)


def _unfit(path: str, action: str, target: Target) -> Iterator[Problem]:
    kinds = ACTIONS[action].kinds if action in ACTIONS and ACTIONS[action].kinds else frozenset({target.kind})
    if target.kind not in kinds:
        yield error(path, f"{action} does not work on a {target.kind}", f"it works on {', '.join(sorted(kinds))}")


def unknown_consumers(playbook: AnyPlaybook) -> Iterator[Problem]:
    known = {target.name: target for target in playbook.targets}
    for path, step in _steps(playbook):
        consumers = ACTIONS[step.chosen.kind].consumers if step.chosen.kind in ACTIONS else ""
        for number, name in enumerate(getattr(step.parameters, consumers) if consumers else ()):
            where = f"{path}.{step.chosen.kind}.{consumers}[{number}]"
            if name not in known:
                yield error(where, f"there is no target {name}", _did_you_mean(name, known))
            else:
                yield from _unfit(where, "rolloutRestart", known[name])


def conditions(playbook: AnyPlaybook) -> Iterator[Problem]:
    """Each is compiled with what this playbook declares, so that a misspelt parameter or fact is found here."""
    known = names.for_conditions(playbook)
    told = [(f"{place}.when", option.when, "the option is never tried") for place, option in _options(playbook)]
    told += [(f"{path}.when", step.when, "the step is always left out") for path, step in _steps(playbook)]
    told.append(("spec.falseAlarmWhen", playbook.false_alarm_when, "nothing is ever a false alarm"))
    for path, text, never in told:
        value = constant(text, known) if text else None
        if isinstance(value, Failed):
            yield error(path, value.message, "CEL over incident, params and facts")
        elif value is False:
            yield error(path, f"is always false: {never}", "mend or remove it")
        elif value is True:
            yield warning(path, "is always true", "leave it out")


def templates(playbook: AnyPlaybook) -> Iterator[Problem]:
    """What is filled in compiles, speaks of facts only where there are some, and never becomes code."""
    known, early = names.for_templates(playbook), names.parameters(playbook)
    for number, target in enumerate(playbook.targets):
        if why := fault(target.name_from or "", early):
            yield error(f"spec.targets[{number}].nameFrom", why, "CEL over incident and params")
    for path, choice in _choices(playbook):
        chosen = choice.chosen
        late = not path.startswith(("spec.evidence", "spec.diagnosis"))
        for pointer, text in texts(chosen.params, f"{path}.{chosen.kind}"):
            where = pointer.replace("/", ".")
            if why := fault(text, known if late else early):
                yield error(where, why, "CEL over incident, params and facts; a '${' that is meant is '$${'")
            elif not late and mentions_facts(text):
                yield error(where, "speaks of facts, which nobody knows yet at this point", "use incident and params")
        if any(is_template(code) for code in code_in(chosen.params)):
            yield error(f"{path}.{chosen.kind}", "a template in code would become code", "give the value as an argument of its own")


def parameters(playbook: AnyPlaybook) -> Iterator[Problem]:
    for number, parameter in enumerate(playbook.parameters):
        path = f"spec.parameters[{number}]"
        if parameter.required == (parameter.default is not None):
            yield error(path, ONE_SOURCE, "say required: true, or a default")
        if parameter.pattern and (why := pattern_fault(parameter.pattern)):
            yield error(f"{path}.pattern", f"is no regular expression: {why}", "RE2, without backtracking")
        elif parameter.default is not None and (why := value_fault(parameter, parameter.default)):
            yield error(f"{path}.default", why)


def reverts(playbook: AnyPlaybook) -> Iterator[Problem]:
    for path, step in _steps(playbook):
        action = ACTIONS.get(step.chosen.kind)
        if step.revert and action and action.inverse is None:
            yield error(f"{path}.revert", no_way_back(action), "leave revert out")


def last_resorts(playbook: AnyPlaybook) -> Iterator[Problem]:
    options = list(_options(playbook))
    for number, (place, option) in enumerate(options):
        if option.last_resort and any(not later.last_resort for _, later in options[number + 1 :]):
            yield error(f"{place}.lastResort", "stands before options that are no last resort", "put it last")


def step_times(playbook: AnyPlaybook) -> Iterator[Problem]:
    for place, option in _options(playbook):
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
    for place, option in _options(playbook):
        if end:
            yield error(place, f"is never tried: {end} is always run before it and stops on failure", "set onFailure: Next there")
        elif option.on_failure is OnFailure.Stop and (
            not option.when or constant(option.when, names.for_conditions(playbook)) is True
        ):
            end = option.name


def too_short(playbook: AnyPlaybook) -> Iterator[Problem]:
    """An option whose time ends before its checks can be confirmed never helps."""
    for place, option in _options(playbook):
        hold = max((check.hold_for for check in option.verify), default=timedelta())
        if hold >= option.timeout:
            yield error(
                f"{place}.timeout", f"{spell(option.timeout)} ends before a check has held for {spell(hold)}", "make it longer"
            )


def nothing_held(playbook: AnyPlaybook) -> Iterator[Problem]:
    for place, option in _options(playbook):
        if not any(check.hold_for for check in option.verify):
            yield warning(f"{place}.verify", "no check must hold: the first good reading counts", "give one holdFor: 1m")


def understated_risk(playbook: AnyPlaybook) -> Iterator[Problem]:
    for place, option in _options(playbook):
        risks = [ACTIONS[step.chosen.kind].risk for step in option.steps if step.chosen.kind in ACTIONS]
        gravest = max(risks, key=_GRAVITY.__getitem__, default=Risk.Low)
        if _GRAVITY[option.risk] < _GRAVITY[gravest]:
            yield warning(f"{place}.risk", f"says {option.risk}, but a step's action is {gravest}", f"say risk: {gravest}")


def missing_evidence(playbook: AnyPlaybook) -> Iterator[Problem]:
    """E-04, E-08: what the first change can destroy is captured before it."""
    collected = {source.chosen.kind for source in playbook.evidence.collect}
    if lost := [name for name in PERISHABLE if name not in collected]:
        hint = "add " + ", ".join(f"{{{name}: {{}}}}" for name in lost)
        yield warning("spec.evidence.collect", f"a change destroys what is not captured: {', '.join(lost)}", hint)


def only_by_name(playbook: AnyPlaybook) -> Iterator[Problem]:
    if playbook.match is None:
        yield warning("spec", "no match: only an Incident with this playbookRef gets it", "add match: {types: […]}")


Rule = Callable[[AnyPlaybook], Iterable[Problem]]
RULES: tuple[Rule, ...] = (
    duplicate_names,
    unknown_targets,
    unfit_targets,
    unknown_consumers,
    parameters,
    conditions,
    templates,
    reverts,
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


def _options(playbook: AnyPlaybook) -> Iterator[tuple[str, AnyOption]]:
    return ((f"spec.options[{place}]", option) for place, option in enumerate(playbook.options))


def _steps(playbook: AnyPlaybook) -> Iterator[tuple[str, Any]]:
    for place, option in _options(playbook):
        yield from ((f"{place}.steps[{number}]", step) for number, step in enumerate(option.steps))


def _choices(playbook: AnyPlaybook) -> Iterator[tuple[str, Choice]]:
    yield from _numbered("spec.evidence.collect", playbook.evidence.collect)
    yield from _numbered("spec.diagnosis", playbook.diagnosis)
    for path, step in _steps(playbook):
        yield path, step
        yield from _numbered(f"{path}.smoke", step.smoke)
    for place, option in _options(playbook):
        yield from _numbered(f"{place}.verify", option.verify)
    if playbook.recovery:
        yield from _numbered("spec.recovery.verify", playbook.recovery.verify)


def _numbered(path: str, choices: Iterable[Choice]) -> Iterator[tuple[str, Choice]]:
    return ((f"{path}[{number}]", choice) for number, choice in enumerate(choices))


def _duplicates(names: Iterable[str], path: str) -> Iterator[Problem]:
    for name, count in Counter(names).items():
        if count > 1:
            yield error(path, f"{count} are named {name}", "give each a name of its own")


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    known = list(known)
    close = get_close_matches(word, known, 1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"


def _schema_problems(invalid: ValidationError, model: Any) -> Iterator[Problem]:
    for found in invalid.errors(include_url=False):
        path = path_of(found["loc"], "spec")
        if found["type"] == "extra_forbidden":
            word = str(found["loc"][-1])
            yield error(path, f"there is no field {word} here", _close_field(word, model))
        elif found["type"] == "missing":
            yield error(path, "is required", "kubectl explain shows what belongs there")
        else:
            yield error(path, found["msg"].removeprefix("Value error, "))


def _close_field(word: str, model: Any) -> str:
    schema = model.model_json_schema(by_alias=True)
    objects = [schema, *schema.get("$defs", {}).values()]
    close = get_close_matches(word, {name for one in objects for name in one.get("properties", {})}, 1)
    return f"did you mean {close[0]}?" if close else "remove it"

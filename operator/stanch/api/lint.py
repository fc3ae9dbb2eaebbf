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
from stanch.api.base import API_VERSION
from stanch.api.choice import Choice
from stanch.api.codec import path_of
from stanch.api.kinds import KINDS
from stanch.api.playbook import Option, Playbook, Target
from stanch.domain.duration import spell
from stanch.domain.plan import OnFailure, Risk
from stanch.engine.expressions import Failed, constant


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


AnyPlaybook = Playbook[Any, Any, Any]
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


def unknown_targets(playbook: AnyPlaybook) -> Iterator[Problem]:
    known = [target.name for target in playbook.targets]
    for place, choice in _choices(playbook):
        chosen = choice.chosen
        if chosen.target and chosen.target not in known:
            path = f"{place}.{chosen.kind}.target"
            yield error(path, f"there is no target {chosen.target}", _did_you_mean(chosen.target, known))


def unused_targets(playbook: AnyPlaybook) -> Iterator[Problem]:
    used = {choice.chosen.target for _, choice in _choices(playbook)}
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
    kinds = ACTIONS[action].kinds if action in ACTIONS else frozenset({target.kind})
    if target.kind not in kinds:
        yield error(path, f"{action} does not work on a {target.kind}", f"it works on {', '.join(sorted(kinds))}")


def conditions(playbook: AnyPlaybook) -> Iterator[Problem]:
    for place, option in _options(playbook):
        value = constant(option.when) if option.when else None
        if isinstance(value, Failed):
            yield error(f"{place}.when", value.message, "CEL over incident and facts")
        elif value is False:
            yield error(f"{place}.when", "is always false: the option is never tried", "mend or remove the option")
        elif value is True:
            yield warning(f"{place}.when", "is always true", "leave it out")


def unreachable_options(playbook: AnyPlaybook) -> Iterator[Problem]:
    """After an option that is always run and ends with Stop, none is tried."""
    end = None
    for place, option in _options(playbook):
        if end:
            yield error(place, f"is never tried: {end} is always run before it and stops on failure", "set onFailure: Next there")
        elif option.on_failure is OnFailure.Stop and (option.when is None or constant(option.when) is True):
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
    conditions,
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


def _choices(playbook: AnyPlaybook) -> Iterator[tuple[str, Choice]]:
    for number, source in enumerate(playbook.evidence.collect):
        yield f"spec.evidence.collect[{number}]", source
    for place, option in _options(playbook):
        for number, step in enumerate(option.steps):
            yield f"{place}.steps[{number}]", step
        for number, check in enumerate(option.verify):
            yield f"{place}.verify[{number}]", check


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

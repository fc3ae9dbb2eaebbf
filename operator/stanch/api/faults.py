"""What a playbook names and does not have, or cannot mean: such a one is never run. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from stanch.actions.registry import ACTIONS
from stanch.api import names
from stanch.api.parameters import BOUNDED, MATCHED, ONE_SOURCE, ORDERED, Parameter, pattern_fault
from stanch.api.parameters import fault as value_fault
from stanch.api.playbook import AnyPlaybook, Target
from stanch.api.problems import Problem, Rule, choices, did_you_mean, duplicates, error, options, steps
from stanch.api.steps import Check, Question, check_names, no_way_back
from stanch.checks.registry import CHECKS
from stanch.domain.plan import FactType, OnOwnerConflict
from stanch.engine.code import code_in
from stanch.engine.expressions import Failed, compile_condition
from stanch.engine.templates import fault, is_template, mentions_facts, texts

OWN = "lastDeploy"
TOO_EARLY = ("speaks of facts, which nobody knows yet at this point", "use incident and params")


def duplicate_names(playbook: AnyPlaybook) -> Iterator[Problem]:
    yield from duplicates((target.name for target in playbook.targets), "spec.targets")
    yield from duplicates((option.name for option in playbook.options), "spec.options")
    for place, option in options(playbook):
        yield from duplicates((step.name for step in option.steps), f"{place}.steps")
        yield from duplicates(option.check_names(), f"{place}.verify")
        for number, step in enumerate(option.steps):
            yield from duplicates(check_names(step.smoke), f"{place}.steps[{number}].smoke")
    if playbook.recovery:
        yield from duplicates(check_names(playbook.recovery.verify), "spec.recovery.verify")
    facts = [question.name for question in playbook.diagnosis] + [name for name, _ in names.outputs(playbook)]
    yield from duplicates((parameter.name for parameter in playbook.parameters), "spec.parameters")
    yield from duplicates(facts, "spec.diagnosis")
    if OWN in facts:
        yield error("spec", f"{OWN} is a fact that stanch finds by itself", "give yours another name")


def unknown_targets(playbook: AnyPlaybook) -> Iterator[Problem]:
    known = [target.name for target in playbook.targets]
    for place, choice in choices(playbook):
        chosen = choice.chosen
        if chosen.target and chosen.target not in known:
            path = f"{place}.{chosen.kind}.target"
            yield error(path, f"there is no target {chosen.target}", did_you_mean(chosen.target, known))


def unfit_targets(playbook: AnyPlaybook) -> Iterator[Problem]:
    """An action works on certain kinds of objects."""
    targets = {target.name: target for target in playbook.targets}
    for place, option in options(playbook):
        for number, step in enumerate(option.steps):
            if target := targets.get(step.chosen.target):
                yield from _unfit(f"{place}.steps[{number}].{step.chosen.kind}.target", step.chosen.kind, target)


def _unfit(path: str, action: str, target: Target) -> Iterator[Problem]:
    kinds = ACTIONS[action].kinds if action in ACTIONS and ACTIONS[action].kinds else frozenset({target.kind})
    if target.kind not in kinds:
        yield error(path, f"{action} does not work on a {target.kind}", f"it works on {', '.join(sorted(kinds))}")


def unknown_consumers(playbook: AnyPlaybook) -> Iterator[Problem]:
    known = {target.name: target for target in playbook.targets}
    for path, step in steps(playbook):
        consumers = ACTIONS[step.chosen.kind].consumers if step.chosen.kind in ACTIONS else ""
        for number, name in enumerate(getattr(step.parameters, consumers) if consumers else ()):
            where = f"{path}.{step.chosen.kind}.{consumers}[{number}]"
            if name not in known:
                yield error(where, f"there is no target {name}", did_you_mean(name, known))
            else:
                yield from _unfit(where, "rolloutRestart", known[name])


def conditions(playbook: AnyPlaybook) -> Iterator[Problem]:
    """Each is compiled with what this playbook declares, so that a misspelt parameter or fact is found here."""
    known = names.for_conditions(playbook)
    for path, text, earlier in spoken(playbook):
        if isinstance(compiled := compile_condition(text, known), Failed):
            yield error(path, compiled.message, "CEL over incident, params and facts")
        elif isinstance(compile_condition(text, earlier), Failed):
            late = (name for name in known if name not in earlier and re.search(rf"{re.escape(name)}\b", text))
            why = f"speaks of {next(late, 'a fact')}, which a step puts out that is not run before this"
            yield error(path, why, "ask it in diagnosis, or put that step first")


def spoken(playbook: AnyPlaybook) -> Iterator[tuple[str, str, Mapping[str, FactType]]]:
    """Where each condition stands, the condition, and what it may speak of: what is found out before it is read."""
    earlier = names.for_templates(playbook)
    yield "spec.falseAlarmWhen", playbook.false_alarm_when or "true", dict(earlier)
    for place, option in options(playbook):
        yield f"{place}.when", option.when or "true", dict(earlier)
        for number, step in enumerate(option.steps):
            yield f"{place}.steps[{number}].when", step.when or "true", dict(earlier)
            if output := names.output_of(step):
                earlier[f"facts.{output[0]}"] = output[1]


def templates(playbook: AnyPlaybook) -> Iterator[Problem]:
    """What is filled in compiles, speaks of facts only where there are some, and never becomes code."""
    known, early = names.for_templates(playbook), names.parameters(playbook)
    for number, target in enumerate(playbook.targets):
        if why := fault(target.name_from or "", early):
            yield error(f"spec.targets[{number}].nameFrom", why, "CEL over incident and params")
        elif mentions_facts(target.name_from or ""):
            yield error(f"spec.targets[{number}].nameFrom", *TOO_EARLY)
    for path, choice in choices(playbook):
        chosen = choice.chosen
        late = not path.startswith(("spec.evidence", "spec.diagnosis"))
        for pointer, text in texts(chosen.params, f"{path}.{chosen.kind}"):
            where = re.sub(r"/([0-9]+)(?=/|$)", r"[\1]", pointer).replace("/", ".")
            if why := fault(text, known if late else early):
                yield error(where, why, "CEL over incident, params and facts; a '${' that is meant is '$${'")
            elif not late and mentions_facts(text):
                yield error(where, *TOO_EARLY)
        if any(is_template(code) for code in code_in(chosen.params)):
            yield error(f"{path}.{chosen.kind}", "a template in code would become code", "give the value as an argument of its own")


def parameters(playbook: AnyPlaybook) -> Iterator[Problem]:
    for number, parameter in enumerate(playbook.parameters):
        path = f"spec.parameters[{number}]"
        if parameter.required == (parameter.default is not None):
            yield error(path, ONE_SOURCE, "say required: true, or a default")
        if why := misdeclared(parameter):
            yield error(path, why, "mend or remove it")
        if parameter.pattern and (why := pattern_fault(parameter.pattern)):
            yield error(f"{path}.pattern", f"is no regular expression: {why}", "RE2, without backtracking")
        elif parameter.default is not None and (why := value_fault(parameter, parameter.default)):
            yield error(f"{path}.default", why)


def misdeclared(parameter: Parameter) -> str:
    """As the CRD's own rules judge it."""
    low, high = parameter.minimum, parameter.maximum
    if (low is not None or high is not None) and parameter.type not in (FactType.Integer, FactType.Number):
        return BOUNDED
    if parameter.pattern and parameter.type is not FactType.String:
        return MATCHED
    return ORDERED if low is not None and high is not None and low > high else ""


def places(playbook: AnyPlaybook) -> Iterator[Problem]:
    """A check that may have a target looks at it, or at the object that it names itself."""
    for path, choice in choices(playbook):
        kind = CHECKS[choice.chosen.kind] if isinstance(choice, Check | Question) and choice.chosen.kind in CHECKS else None
        if kind and kind.may_target and bool(kind.rules(choice.parameters, "", None)) == bool(choice.chosen.target):
            yield error(f"{path}.{kind.name}", "names a target and an object, or neither", "say which one object it looks at")


def owners(playbook: AnyPlaybook) -> Iterator[Problem]:
    """Who is suspended is named beforehand, as everything is that a step touches."""
    owned = {target.name for target in playbook.targets if target.owner}
    for place, option in options(playbook):
        said = {step.name for step in option.steps}
        for number, step in enumerate(option.steps):
            if step.on_owner_conflict is OnOwnerConflict.SuspendOwner and f"{step.name}-owner" in said:
                why = f"{step.name}-owner is the name of the step that suspends its owner, and another step's"
                yield error(f"{place}.steps[{number}].name", why, "give the other one another name")
    for path, step in steps(playbook):
        if step.on_owner_conflict is OnOwnerConflict.SuspendOwner and not owned.intersection(names.targets_of(step)):
            hint = "say it of a step with a target, and give that target an owner: {kind: Application, name: …}"
            yield error(f"{path}.onOwnerConflict", "there is no owner that could be suspended", hint)


def reverts(playbook: AnyPlaybook) -> Iterator[Problem]:
    for path, step in steps(playbook):
        action = ACTIONS.get(step.chosen.kind)
        if step.revert and action and action.inverse is None:
            yield error(f"{path}.revert", no_way_back(action), "leave revert out")


RULES: tuple[Rule, ...] = (
    duplicate_names,
    unknown_targets,
    unfit_targets,
    unknown_consumers,
    places,
    parameters,
    conditions,
    templates,
    owners,
    reverts,
)

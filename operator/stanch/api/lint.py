"""What is wrong with a Playbook, or with the messages of a policy, that its schema cannot say. For `stanch lint`, and of a
playbook for its Ready condition and before it is run. Pure.

Rules: `api.faults` (such a playbook is never run), `api.sense` (the rest). Paths are those of the YAML, so that the caller can
find file and line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from stanch.api import faults, sense
from stanch.api.base import API_VERSION
from stanch.api.codec import path_of
from stanch.api.kinds import KINDS
from stanch.api.playbook import AnyPlaybook, Playbook
from stanch.api.policy import ResponsePolicy
from stanch.api.problems import Problem, Severity, duplicates, error
from stanch.engine.templates import fault, mentions_facts

__all__ = ["Problem", "Severity", "error", "lint", "lint_document", "why_unusable"]

RULES = (*faults.RULES, *sense.RULES)


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
    if isinstance(spec, ResponsePolicy):
        return tuple(messages(spec))
    return lint(spec) if isinstance(spec, Playbook) else ()


def _json(spec: Any) -> str:
    return json.dumps(spec, default=lambda time: time.isoformat())


def lint(playbook: AnyPlaybook) -> tuple[Problem, ...]:
    """All problems of a playbook, rule by rule."""
    return tuple(problem for one in RULES for problem in one(playbook))


def messages(policy: ResponsePolicy) -> Iterator[Problem]:
    """What could be told of no incident: it would be void, and hold nothing up."""
    yield from duplicates((message.name for message in policy.messages), "spec.messages")
    for place, message in enumerate(policy.messages):
        path = f"spec.messages[{place}].text"
        if why := fault(message.text, {}):
            yield error(path, why, "a message speaks of the incident only")
        elif mentions_facts(message.text):
            yield error(path, "speaks of facts, and is drafted before any is known", "a message speaks of the incident only")


def why_unusable(playbook: AnyPlaybook) -> str:
    """The first fault of a playbook that cannot be run, and how many more there are; empty: it can be."""
    found = [problem for one in faults.RULES for problem in one(playbook)]
    more = f", and {len(found) - 1} more faults: stanch lint shows them" if len(found) > 1 else ""
    return f"{found[0]}{more}" if found else ""


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

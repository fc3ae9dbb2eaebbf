"""A status that an earlier version of stanch wrote, made into what this one reads: running incidents go on after an upgrade.

One function for each earlier `formatVersion` makes it into the next; the JSON is changed, never an object of the domain, which
knows the present format only. It is stored in the new format with the incident's next write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stanch.domain.incident import FORMAT_VERSION, StepState
from stanch.engine.ports import Object


def upgraded(body: Object) -> Object:
    """The status in the present format; what is of it, or of a later one, is returned as it is."""
    for version in range(body.get("formatVersion", FORMAT_VERSION), FORMAT_VERSION):
        body = UPGRADES[version](body) | {"formatVersion": version + 1}
    return body


def _written_while_waiting(body: Object) -> Object:
    """1 -> 2: a step whose end is awaited (a Job) bears the time of its write from its begin, not only from its end."""
    steps = [
        step | {"writtenAt": step["intendedAt"]}
        if step.get("state") == StepState.Waiting and "writtenAt" not in step and "intendedAt" in step
        else step
        for step in body.get("steps", [])
    ]
    return body | {"steps": steps} if steps else body


def _plans_as_config_maps(body: Object) -> Object:
    """2 -> 3: plans are ConfigMaps, which the version before does not find. One that is a Secret is read there (kube.records)."""
    return body


UPGRADES: Mapping[int, Callable[[Object], Object]] = {1: _written_while_waiting, 2: _plans_as_config_maps}

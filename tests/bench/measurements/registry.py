"""All measurements by name, in the order of the table. Adding one: a module with `measure`, and its name in the tuple below."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from tests.bench.contestants import Field
from tests.bench.measurements import (
    burst,
    cold_start,
    evidence_of_pods,
    first_mitigation,
    growth,
    idle,
    offered_rate,
    pods_beside,
    requests_per_incident,
)
from tests.bench.rows import Row
from tests.bench.scale import Scale

Measure = Callable[[Field, Scale], Awaitable[list[Row]]]
MODULES = (first_mitigation, requests_per_incident, offered_rate, burst, idle, cold_start, evidence_of_pods, pods_beside, growth)

MEASUREMENTS: Mapping[str, Measure] = MappingProxyType(
    {module.__name__.rpartition(".")[2].replace("_", "-"): module.measure for module in MODULES}
)

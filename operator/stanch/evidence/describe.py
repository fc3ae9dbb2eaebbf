"""Targets and their pods as a person reads them, in the manner of `kubectl describe`, each with its own events.

One text file for each object. Requirements E-02, E-08.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime

from pydantic import Field

from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.engine.parts import Scope, SourceKind
from stanch.engine.ports import Object
from stanch.engine.workload import selector_of, template_of, without_nulls
from stanch.evidence import events
from stanch.evidence.params import PodParams
from stanch.evidence.reading import each
from stanch.evidence.render import conditions, containers, fact, given, header, volumes
from stanch.evidence.text import clock_time, indent, page, table, visible, when
from stanch.evidence.workload import RESOURCES, pod_rules, pods_once, selected, targets
from stanch.evidence.writing import file_of, put

Row = tuple[str, ...]
COLUMNS = ("LAST SEEN", "TYPE", "REASON", "COUNT", "SOURCE", "MESSAGE")
SECTIONS = (
    ("Init containers", "initContainers", "initContainerStatuses"),
    ("Containers", "containers", "containerStatuses"),
    ("Ephemeral containers", "ephemeralContainers", "ephemeralContainerStatuses"),
)
ALWAYS = ("updatedReplicas", "readyReplicas", "availableReplicas")
NUMBERS = (
    "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas", "currentReplicas",
    "desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberReady", "numberAvailable",
    "numberUnavailable", "numberMisscheduled", "active", "succeeded", "failed",
)  # fmt: skip


class DescribeParams(PodParams):
    events_each: int = Field(50, ge=1, le=500, description="Show at most so many events of each object, the latest ones.")


async def collect(scope: Scope, params: DescribeParams) -> None:
    shown = await events_by_object(scope, params.events_each)

    async def work(obj: Object) -> None:
        description = describe(obj, scope.at, shown(obj))
        await put(scope, file_of(scope, "describe", obj, ".txt"), page(description))

    await each(everything(scope, params), work)


async def everything(scope: Scope, params: DescribeParams) -> AsyncIterator[Object]:
    seen: set[str] = set()
    async for target in targets(scope, "describe"):
        if target["kind"] != "Pod":
            yield target
        async for pod in pods_once(scope, "describe", target, seen):
            yield pod
    async for pod in selected(scope, "describe", params.selector, seen):
        yield pod


async def events_by_object(scope: Scope, each_at_most: int) -> Callable[[Object], list[str]]:
    """A function that gives the lines of an object's events. What could not be read is said there, not left out."""
    listed = events.listing(scope, "describe")
    rows: dict[str, events.Latest[Row]] = defaultdict(lambda: events.Latest[Row](each_at_most))
    async for event in listed:
        rows[(event.get("involvedObject") or {}).get("uid", "")].put(events.last_seen(event), events.row(event))
    incomplete = [f"INCOMPLETE: {listed.failure}"] if listed.failure else []

    def shown(obj: Object) -> list[str]:
        latest = rows.get(obj["metadata"].get("uid", "?"))
        return incomplete + (_events_table(latest) if latest else ["<none>"])

    return shown


def _events_table(latest: events.Latest[Row]) -> list[str]:
    of_one_object = [row[:3] + row[4:] for row in latest.by_time()]
    more = latest.seen - len(of_one_object)
    return [*([f"({more} older ones are not shown)"] if more else []), *table([COLUMNS, *of_one_object])]


def describe(obj: Object, now: datetime, its_events: Sequence[str]) -> list[str]:
    """The whole description, line by line. Pure. A field that is null counts as absent, as it does for the API server."""
    obj = without_nulls(obj)
    body = describe_pod(obj, now) if obj["kind"] == "Pod" else describe_workload(obj, now)
    return [f"As of {clock_time(now)}", *header(obj, now), *body, "Events:", *indent(its_events)]


def describe_pod(pod: Object, now: datetime) -> list[str]:
    spec, status = pod["spec"], pod.get("status") or {}
    return [
        *fact("Node", visible(spec.get("nodeName") or "<none: not scheduled>")),
        *given("Host IP", status.get("hostIP")),
        *given("Pod IPs", ", ".join(item.get("ip", "") for item in status.get("podIPs") or ())),
        *fact("Phase", visible(status.get("phase", "unknown"))),
        *given("Reason", status.get("reason")),
        *given("Message", status.get("message")),
        *(fact("Started", when(status["startTime"], now)) if status.get("startTime") else []),
        *_placing(spec),
        *given("QoS class", status.get("qosClass")),
        *(line for title, specs, statuses in SECTIONS for line in containers(title, spec.get(specs), status.get(statuses), now)),
        *conditions(status, now),
        *volumes(spec),
    ]


def _placing(spec: Object) -> list[str]:
    return [
        *given("Service account", spec.get("serviceAccountName")),
        *given("Priority class", spec.get("priorityClassName")),
        *given("Restart policy", spec.get("restartPolicy")),
        *given("Node selector", ", ".join(f"{key}={value}" for key, value in (spec.get("nodeSelector") or {}).items())),
        *given(
            "Termination grace",
            f"{spec['terminationGracePeriodSeconds']}s" if spec.get("terminationGracePeriodSeconds") else "",
        ),
    ]


def describe_workload(obj: Object, now: datetime) -> list[str]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return [
        *given("Selector", selector_of(obj)),
        *fact(
            "Generation",
            f"{obj['metadata'].get('generation', 'unknown')}, observed {status.get('observedGeneration', 'unknown')}",
        ),
        *(fact("Replicas", _replicas(spec, status)) if status or "replicas" in spec else []),
        *given("Strategy", _strategy(spec)),
        *given("Min ready", f"{spec['minReadySeconds']}s" if spec.get("minReadySeconds") else ""),
        *given("Progress deadline", f"{spec['progressDeadlineSeconds']}s" if spec.get("progressDeadlineSeconds") else ""),
        *given("Revision history", spec.get("revisionHistoryLimit")),
        *(fact("Paused", "yes") if spec.get("paused") else []),
        *given("Current revision", status.get("currentRevision")),
        *given("Update revision", status.get("updateRevision")),
        *conditions(status, now),
        *_template(obj),
    ]


def _replicas(spec: Object, status: Object) -> str:
    """`3 desired, 3 total, 3 updated, 0 ready, 0 available`: controllers leave a zero out, who reads must not have to know."""
    numbers = {"desired": spec["replicas"], "total": status.get("replicas", 0)} if "replicas" in spec else {}
    always = ALWAYS if numbers else ()
    numbers |= {name.removesuffix("Replicas"): status.get(name, 0) for name in NUMBERS if name in status or name in always}
    return ", ".join(f"{value} {name}" for name, value in numbers.items()) or "unknown"


def _strategy(spec: Object) -> str:
    strategy = spec.get("strategy") or spec.get("updateStrategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    return " ".join([strategy.get("type", ""), *(f"{key}={value}" for key, value in rolling.items())]).strip()


def _template(obj: Object) -> list[str]:
    if obj["kind"] not in RESOURCES:
        return []
    template = template_of(obj)
    spec, metadata = template["spec"], template["metadata"]
    lines = [
        *fact("Labels", *(f"{key}={visible(value)}" for key, value in (metadata.get("labels") or {}).items())),
        *fact("Annotations", *(f"{key}={visible(value)}" for key, value in (metadata.get("annotations") or {}).items())),
        *_placing(spec),
        *(line for title, specs, _ in SECTIONS for line in containers(title, spec.get(specs), None, None)),
        *volumes(spec),
    ]
    return ["Pod template:", *indent(lines)]


def rules(params: DescribeParams, namespace: str, refs: tuple[Ref, ...]) -> tuple[Rule, ...]:
    return (*pod_rules(refs), *events.rules(events.EventsParams(), namespace, ()))


SOURCE = SourceKind("describe", "Targets and their pods as kubectl describe shows them", DescribeParams, rules, collect)

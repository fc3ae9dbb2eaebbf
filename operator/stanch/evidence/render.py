"""The pieces that the descriptions of pods and workloads have in common: header, containers, conditions, volumes.

The order and the words follow `kubectl describe`, so that who knows that finds everything where it was.
Values of environment variables that come from a Secret are shown as a reference only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from stanch.engine.ports import Object
from stanch.evidence.text import indent, table, visible, when

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
LABEL = 22


def fact(label: str, *values: str) -> list[str]:
    """`Label:    value`, further values in the same column; no values: `<none>`."""
    first, *rest = values or ("<none>",)
    return [f"{label + ':':<{LABEL}}{first}", *(" " * LABEL + value for value in rest)]


def given(label: str, value: Any) -> list[str]:
    """`fact`, or nothing where there is no value."""
    return fact(label, visible(value)) if value not in (None, "", [], {}) else []


def pairs(values: Mapping[str, Any] | None, *without: str) -> list[str]:
    return [f"{visible(key)}={visible(value)}" for key, value in (values or {}).items() if key not in without]


def header(obj: Object, now: datetime) -> list[str]:
    metadata = obj["metadata"]
    owner = next((ref for ref in metadata.get("ownerReferences") or () if ref.get("controller")), None)
    return [
        *fact("Name", visible(metadata["name"])),
        *given("Namespace", metadata.get("namespace")),
        *fact("Kind", f"{obj['kind']} ({obj['apiVersion']})"),
        *fact("UID", visible(metadata.get("uid", "unknown"))),
        *fact("Created", when(metadata.get("creationTimestamp"), now)),
        *(fact("Being deleted", when(metadata["deletionTimestamp"], now)) if metadata.get("deletionTimestamp") else []),
        *given("Finalizers", ", ".join(metadata.get("finalizers") or ())),
        *(fact("Controlled by", visible(f"{owner['kind']}/{owner['name']}")) if owner else []),
        *fact("Labels", *pairs(metadata.get("labels"))),
        *fact("Annotations", *pairs(metadata.get("annotations"), LAST_APPLIED)),
    ]


def conditions(status: Object, now: datetime) -> list[str]:
    rows = [
        (
            visible(item.get("type"), 64),
            visible(item.get("status"), 16),
            when(item.get("lastTransitionTime"), now),
            visible(item.get("reason") or "-", 64),
            visible(item.get("message") or "-"),
        )
        for item in status.get("conditions") or ()
    ]
    return [
        "Conditions:",
        *indent(table([("TYPE", "STATUS", "SINCE", "REASON", "MESSAGE"), *rows]) if rows else ["<none>"]),
    ]


def containers(title: str, specs: list[Object] | None, statuses: list[Object] | None, now: datetime | None) -> list[str]:
    """A section of containers; without `now` they are a template's and have no state."""
    if not specs:
        return []
    by_name = {status["name"]: status for status in statuses or ()}
    lines = [f"{title}:"]
    for spec in specs:
        lines.append(f"  {visible(spec['name'])}:")
        lines += indent(_container(spec, by_name.get(spec["name"]), now), 4)
    return lines


def _container(spec: Object, status: Object | None, now: datetime | None) -> list[str]:
    resources = spec.get("resources") or {}
    return [
        *fact("Image", visible(spec.get("image", "unknown"))),
        *(_status(status, now) if now else []),
        *given("Command", " ".join(map(repr, spec.get("command") or ()))),
        *given("Args", " ".join(map(repr, spec.get("args") or ()))),
        *given("Ports", ", ".join(map(_port, spec.get("ports") or ()))),
        *given("Requests", ", ".join(pairs(resources.get("requests")))),
        *given("Limits", ", ".join(pairs(resources.get("limits")))),
        *(line for kind in ("liveness", "readiness", "startup") for line in _probe(kind, spec.get(f"{kind}Probe"))),
        *(fact("Environment from", *map(_environment_from, spec["envFrom"])) if spec.get("envFrom") else []),
        *fact("Environment", *map(_variable, spec.get("env") or ())),
        *fact("Mounts", *map(_mount, spec.get("volumeMounts") or ())),
    ]


def _status(status: Object | None, now: datetime) -> list[str]:
    if status is None:
        return fact("State", "unknown: the kubelet has not reported on it")
    last = status.get("lastState") or {}
    return [
        *given("Image ID", status.get("imageID")),
        *fact("State", state(status.get("state") or {}, now)),
        *(fact("Last state", state(last, now)) if last else []),
        *fact("Ready", str(status.get("ready", "unknown"))),
        *fact("Restarts", str(status.get("restartCount", "unknown"))),
    ]


def state(value: Object, now: datetime) -> str:
    """`Terminated: OOMKilled, exit code 137, started …, finished …`."""
    if (ended := value.get("terminated")) is not None:
        return _terminated(ended, now)
    if (running := value.get("running")) is not None:
        return f"Running since {when(running.get('startedAt'), now)}"
    waiting = value.get("waiting") or {}
    message = f": {visible(waiting['message'])}" if waiting.get("message") else ""
    return f"Waiting ({visible(waiting.get('reason') or 'no reason given', 64)}){message}"


def _terminated(ended: Object, now: datetime) -> str:
    parts = [f"exit code {ended.get('exitCode', 'unknown')}"]
    if ended.get("signal"):
        parts.append(f"signal {ended['signal']}")
    parts += [f"started {when(ended.get('startedAt'), now)}", f"finished {when(ended.get('finishedAt'), now)}"]
    if ended.get("message"):
        parts.append(f"message: {visible(ended['message'].strip())}")
    return f"Terminated: {visible(ended.get('reason') or 'no reason given', 64)}, {', '.join(parts)}"


def _port(port: Object) -> str:
    name = f" ({port['name']})" if port.get("name") else ""
    return f"{port.get('containerPort')}/{port.get('protocol', 'TCP')}{name}"


def _probe(kind: str, probe: Object | None) -> list[str]:
    if not probe:
        return []
    # What is left out has the API's default.
    timing = {
        "delay": f"{probe.get('initialDelaySeconds', 0)}s",
        "timeout": f"{probe.get('timeoutSeconds', 1)}s",
        "period": f"{probe.get('periodSeconds', 10)}s",
        "success": probe.get("successThreshold", 1),
        "failure": probe.get("failureThreshold", 3),
    }
    return fact(f"{kind.title()} probe", " ".join([_handler(probe), *(f"{key}={value}" for key, value in timing.items())]))


def _handler(probe: Object) -> str:
    if http := probe.get("httpGet"):
        scheme, host = http.get("scheme", "HTTP").lower(), http.get("host", "")
        return visible(f"http-get {scheme}://{host}:{http.get('port')}{http.get('path', '/')}")
    if tcp := probe.get("tcpSocket"):
        return visible(f"tcp-socket {tcp.get('host', '')}:{tcp.get('port')}")
    if grpc := probe.get("grpc"):
        return visible(f"grpc :{grpc.get('port')} {grpc.get('service') or ''}".rstrip())
    return visible(f"exec {(probe.get('exec') or {}).get('command')}")


def _environment_from(source: Object) -> str:
    prefix = f" with prefix {visible(source['prefix'])}" if source.get("prefix") else ""
    for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
        if ref := source.get(key):
            return f"{kind} {visible(ref.get('name'))}{' (optional)' if ref.get('optional') else ''}{prefix}"
    return f"unknown kind of source{prefix}"


def _variable(variable: Object) -> str:
    name, source = visible(variable["name"]), variable.get("valueFrom")
    if not source:
        return f"{name}={visible(variable.get('value') or '')}"
    for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if ref := source.get(key):
            return f"{name} from {kind} {visible(ref.get('name'))}, key {visible(ref.get('key'))}"
    return f"{name} from {visible(source)}"


def _mount(mount: Object) -> str:
    sub = f", path={mount['subPath']}" if mount.get("subPath") else ""
    return visible(f"{mount.get('mountPath')} from {mount.get('name')} ({'ro' if mount.get('readOnly') else 'rw'}{sub})")


def volumes(spec: Object) -> list[str]:
    lines = [line for volume in spec.get("volumes") or () for line in _volume(volume)]
    return ["Volumes:", *indent(lines or ["<none>"])]


def _volume(volume: Object) -> Iterator[str]:
    kind = next((key for key in volume if key != "name"), "emptyDir")
    source = volume.get(kind) or {}
    yield f"{visible(volume['name'])}: {kind} {_source(kind, source)}".rstrip()
    for part in source.get("sources") or () if kind == "projected" else ():
        yield from (f"  {inner} {_source(inner, value or {})}".rstrip() for inner, value in part.items())


def _source(kind: str, source: Object) -> str:
    name = source.get("secretName") or source.get("claimName") or source.get("name") or ""
    rest = {key: value for key, value in source.items() if key not in ("name", "secretName", "claimName", "sources", "defaultMode")}
    details = f" {visible(rest, 256)}" if rest and kind not in ("secret", "serviceAccountToken") else ""
    return f"{visible(name)}{details}".strip()

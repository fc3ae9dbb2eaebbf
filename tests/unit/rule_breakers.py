"""For each CEL rule of the CRDs one object that breaks it: message of the rule -> how a good object is spoiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit import api_examples as examples

Object = dict[str, Any]
Spoil = Callable[[Object], object]


def playbook() -> Object:
    """A good one that says something in every part."""
    made = examples.playbook()
    made["spec"] |= {
        "parameters": [{"name": "few", "type": "Integer", "default": "3", "minimum": 1, "maximum": 9}],
        "diagnosis": [{"name": "ready", "readyShare": {"target": "app", "atLeast": 50}}],
        "recovery": {"verify": [{"rollout": {"target": "app"}}], "watchFor": "10m"},
    }
    return made


def put(*path: str | int, value: Any) -> Spoil:
    def spoil(spec: Any) -> None:
        for key in path[:-1]:
            spec = spec[key]
        spec[path[-1]] = value

    return spoil


def step(**said: Any) -> Spoil:
    return put("options", 0, "steps", value=[{"name": "a", "expect": "b", **said}])


def check(**said: Any) -> Spoil:
    return put("options", 0, "verify", value=[said])


def parameter(**said: Any) -> Spoil:
    return put("parameters", value=[{"name": "few", **said}])


APP = {"target": "app"}
EXEC = {"target": "app", "command": ["ps"]}
ARGV = {"target": "app", "argv": ["ps"]}
JOB = {"image": "tools:v1"}
CALL = {"service": "frontend", "port": 80, "path": "/health"}
HTTP = {**CALL, "status": [200]}
PROMETHEUS = {"service": "prometheus", "port": 9090, "query": "up"}
OBJECT = {"apiVersion": "batch/v1", "kind": "Job", "objectName": "backup"}
CONFIG = {"name": "app", "kind": "ConfigMap", "objectName": "flags"}
SECRET = {"name": "s", "key": "k"}

WEEKEND: Object = {
    "name": "weekend", "timeZone": "Europe/Berlin", "weekly": {"days": ["Friday"], "startTime": "18:00", "duration": "62h"},
}  # fmt: skip
ROUTING_KEY = {"name": "routing_key", "secretRef": {"name": "pagerduty", "key": "routing-key"}}
YEAR_END = "2026-12-20T18:00"

PLAYBOOK: dict[str, Spoil] = {
    "each step's target is one of targets": step(rolloutRestart={"target": "db"}),
    "each check's target is one of targets": check(rollout={"target": "db"}),
    "each smoke check's target is one of targets": step(rolloutRestart=APP, smoke=[{"rollout": {"target": "db"}}]),
    "each question's target is one of targets": put("diagnosis", value=[{"name": "a", "rollout": {"target": "db"}}]),
    "onOwnerConflict: SuspendOwner needs a target that names its owner": step(
        onOwnerConflict="SuspendOwner", rolloutRestart=APP
    ),
    "each source's target is one of targets": put("evidence", "collect", value=[{"logs": {"target": "db"}}]),
    "keys have at most 317 characters": put("match", "labels", value={"a" * 318: "b"}),
    "keys match ^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?": put("match", "labels", value={"app notin (x),b": "c"}),
    "a parameter is either required or has a default": parameter(required=True, default="x"),
    "minimum and maximum are for Integer and Number": parameter(default="x", minimum=1),
    "pattern is for String": parameter(type="Integer", default="1", pattern="[0-9]+"),
    "minimum is not above maximum": parameter(type="Integer", default="1", minimum=2, maximum=1),
    "default is one of enum": parameter(default="x", enum=["y"]),
    "a target has exactly one of objectName, nameFrom, selector": put("targets", 0, "objectName", value="frontend"),
    "maxCount above 1 needs a selector": put("targets", 0, "maxCount", value=2),
    "apiVersion is apps/v1, for a ConfigMap v1": put("targets", 0, "apiVersion", value="v1"),
    "expected a duration from 1s to 10m, such as 1m": put("evidence", "budget", value="99999h"),
    "a source of evidence has exactly one of": put("evidence", "collect", value=[{"logs": {}, "events": {}}]),
    "lastDeploy is a fact that stanch finds by itself": put("diagnosis", value=[{"name": "lastDeploy", "rollout": APP}]),
    "a question has exactly one of": put("diagnosis", value=[{"name": "a"}]),
    "expected a duration from 1s to 1h, such as 1m": put("diagnosis", 0, "within", value="61m"),
    "an http call has either service and port, or url": check(http={**CALL, "url": "https://shop.example.com"}),
    "up to 1m": check(http={**CALL, "timeout": "2m"}),
    "an object check has either target, or apiVersion, kind and objectName": check(object={**OBJECT, **APP, "expect": "true"}),
    "an object check has expect, value, or both": check(object=OBJECT),
    "a Secret is not read": check(object={"apiVersion": "v1", "kind": "Secret", "objectName": "a", "expect": "true"}),
    "expected a duration from 1s to 1m": check(exec={**EXEC, "timeout": "61s"}),
    "a logs check has either absent or count": check(logs={**APP, "absent": "a", "count": "b"}),
    "expect needs count": check(logs={**APP, "absent": "a", "expect": "value < 1"}),
    "a job check has either objectName or matchLabels": check(job={}),
    "a query that is more than a selector needs freshness": check(prometheus={**PROMETHEUS, "query": "sum(up)"}),
    "keys have at most 63 characters": check(prometheus={**PROMETHEUS, "variables": {"a" * 64: "b"}}),
    "keys match ^[a-z][a-zA-Z0-9]*$": check(prometheus={**PROMETHEUS, "variables": {"$(reboot)": "b"}}),
    "expected a duration from 1s to 1h": check(prometheus={**PROMETHEUS, "maxAge": "0s"}),
    "options that are a last resort stand after all others": put("options", 0, "lastResort", value=True),
    "the names of an option's checks are unique": put("options", 0, "verify", value=[{"name": "a", "rollout": APP}] * 2),
    "keys match ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": put("options", 1, "approval", "roles", value={"../admin": 1}),
    "expected a duration from 1s to 24h, such as 1m": put("options", 0, "timeout", value="25h"),
    "a step has exactly one of": step(rolloutRestart=APP, rolloutPause=APP),
    "revert cannot be promised for rolloutRestart": step(rolloutRestart=APP, revert={"after": "1h"}),
    "revert cannot be promised for exec": step(exec=ARGV, revert={"after": "1h"}),
    "revert cannot be promised for http": step(http={**CALL, "method": "POST"}, revert={"after": "1h"}),
    "revert cannot be promised for runJob": step(runJob=JOB, revert={"after": "1h"}),
    "revert cannot be promised for wait": step(wait={"for": "1m"}, revert={"after": "1h"}),
    "revert cannot be promised for askPerson": step(askPerson={"role": "dba", "question": "is it safe?"}, revert={"after": "1h"}),
    "a check has exactly one of": check(rollout=APP, readyShare={"target": "app", "atLeast": 1}),
    "expected a duration from 0s to 24h, such as 1m": check(rollout=APP, holdFor="24h1ms"),
    "revert says when: after, or onRecovery": step(rolloutPause=APP, revert={"onRecovery": False}),
    "expected a duration from 1s to 720h, such as 1m": step(rolloutPause=APP, revert={"after": "721h"}),
    "revision is required with to: Revision, and only there": step(rolloutUndo={**APP, "to": "Previous", "revision": 3}),
    "scale has exactly one of replicas, by, percent": step(scale={**APP, "replicas": 1, "by": 1}),
    "min is not above max": step(scale={**APP, "by": 1, "min": 3, "max": 2}),
    "setConfig has at least one key in data or remove": step(setConfig=APP),
    "a key is in data or in remove, not in both": step(setConfig={**APP, "data": {"a": "b"}, "remove": ["a"]}),
    "keys have at most 253 characters": step(setConfig={**APP, "data": {"a" * 254: "b"}}),
    "keys match ^[-._a-zA-Z0-9]+$": step(setConfig={**APP, "data": {"../../etc/passwd": "b"}}),
    "setEnv has at least one variable in set or remove": step(setEnv=APP),
    "a variable is in set or in remove, not in both": step(setEnv={**APP, "set": {"A": "b"}, "remove": ["A"]}),
    "keys have at most 128 characters": step(setEnv={**APP, "set": {"a" * 129: "b"}}),
    "keys match ^[-._a-zA-Z][-._a-zA-Z0-9]*$": step(setEnv={**APP, "set": {"A=B": "b"}}),
    "stdin has exactly one of text, secretRef": step(exec={**ARGV, "stdin": {}}),
    "expected a duration from 1s to 10m": step(exec={**ARGV, "timeout": "11m"}),
    "keys match ^[A-Za-z0-9!#$%&'*+.^_`|~-]+$": step(http={**CALL, "method": "POST", "headers": {"a b": "c"}}),
    "an http action has body or json, not both": step(http={**CALL, "method": "POST", "body": "a", "json": {}}),
    "secretFields are fields of json": step(http={**CALL, "method": "POST", "body": "a", "secretFields": [ROUTING_KEY]}),
    "a variable has exactly one of value, secretRef": step(runJob={**JOB, "env": [{"name": "A"}]}),
    "expected a duration from 1s to 24h": step(runJob={**JOB, "deadline": "25h"}),
    "expected a duration from 1m to 168h": step(runJob={**JOB, "keepFor": "1s"}),
    "expected a duration from 0s to 168h, such as 1m": put("recovery", "watchFor", value="169h"),
}  # fmt: skip

INCIDENT: dict[str, Spoil] = {
    "keys have at most 63 characters": put("parameters", value={"a" * 64: "b"}),
    "keys match ^[a-z][A-Za-z0-9]*$": put("parameters", value={"__class__": "b"}),
}

POLICY: dict[str, Spoil] = {
    "expected a duration from 1s": put("retention", value={"incidents": "0s"}),
    "expected a duration from 0s to 24h": put("limits", value={"cooldown": "25h"}),
    "expected a duration from 1m to 168h": put(
        "freezeWindows", value=[{**WEEKEND, "weekly": {**WEEKEND["weekly"], "duration": "169h"}}]
    ),
    "a freeze window has exactly one of weekly, once": put("freezeWindows", value=[{"name": "a", "timeZone": "UTC"}]),
    "start is before end": put(
        "freezeWindows", value=[{"name": "a", "timeZone": "UTC", "once": {"start": YEAR_END, "end": YEAR_END}}]
    ),
}

GOOD: dict[str, Callable[[], Object]] = {"Playbook": playbook, "Incident": examples.incident, "ResponsePolicy": examples.policy}
BREAKERS: dict[str, dict[str, Spoil]] = {"Playbook": PLAYBOOK, "Incident": INCIDENT, "ResponsePolicy": POLICY}
CASES = [(kind, message) for kind, breakers in BREAKERS.items() for message in breakers]


def broken(kind: str, message: str) -> Object:
    made = GOOD[kind]()
    BREAKERS[kind][message](made["spec"])
    return made

"""Descriptions as a person reads them: whole pages against golden files, and whatever shape an object has."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanch.engine.errors import Refused
from stanch.evidence.describe import describe
from stanch.evidence.text import span, visible
from tests.unit.evidence_world import AT, Shop, collected, deployment, event, pod, pod_spec, running_status

GOLDENS = Path(__file__).parent / "goldens" / "evidence"


@pytest.mark.requirement("E-08", "E-02")
@pytest.mark.parametrize("name", ["pod_web-h2-0", "deployment_web"])
async def test_the_page_is_what_the_golden_file_says(name: str) -> None:
    shop = Shop()
    shop.add(event("a", shop.pods[0], 2, "Back-off restarting failed container app"))
    shop.add(event("b", shop.deployment, 9, "Scaled up replica set web-h2 to 2", type="Normal", reason="ScalingReplicaSet"))
    pack, ledger = await collected(shop, "describe")
    assert pack.text(f"describe/before-1/{name}") == (GOLDENS / f"{name}.txt").read_text()
    assert ledger.missing == []


@pytest.mark.requirement("E-08")
async def test_one_file_for_each_target_and_each_pod() -> None:
    pack, _ = await collected(Shop(), "describe")
    names = {path.split("/")[2].split("-2026")[0] for path in pack.files}
    assert names == {"deployment_web", "pod_web-h2-0", "pod_web-h2-1"}


async def test_of_a_secret_only_the_reference_is_shown() -> None:
    shop = Shop(pods=0)
    variables = [
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "vault", "key": "token"}}},
        {"name": "PLAIN", "value": "shown"},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ]
    container = {"name": "app", "image": "x", "env": variables, "envFrom": [{"secretRef": {"name": "all"}, "prefix": "P_"}]}
    volumes = [
        {"name": "s", "secret": {"secretName": "tls"}},
        {"name": "p", "projected": {"sources": [{"secret": {"name": "ca"}}]}},
    ]
    shop.add(pod(shop.new, "holder", spec={"containers": [container], "volumes": volumes}))
    page = (await collected(shop, "describe"))[0].text("describe/before-1/pod_holder")
    for line in ("TOKEN from Secret vault, key token", "PLAIN=shown", "Secret all with prefix P_", "s: secret tls", "secret ca"):
        assert line in page


async def test_the_latest_events_of_an_object_are_shown_and_the_rest_is_counted() -> None:
    shop = Shop(pods=1)
    shop.add(*(event(f"e{number}", shop.pods[0], number, f"minute {number}") for number in (5, 1, 3, 4, 2)))
    page = (await collected(shop, "describe", events_each=2))[0].text("describe/before-1/pod_")
    assert "(3 older ones are not shown)" in page
    assert page.index("minute 2") < page.index("minute 1")
    assert "minute 3" not in page


async def test_events_that_cannot_be_read_are_not_no_events() -> None:
    shop = Shop(pods=1)

    def forbid(verb: str, about: Any) -> None:
        if about.kind == "Event":
            raise Refused("Forbidden", "events is forbidden")

    shop.server.before_read.append(forbid)
    pack, ledger = await collected(shop, "describe")
    assert "INCOMPLETE: Forbidden: events is forbidden" in pack.text("describe/before-1/pod_")
    assert len(ledger.missing) == 1


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}}, "Waiting (CrashLoopBackOff): back-off 5m0s"),
        ({"waiting": {}}, "Waiting (no reason given)"),
        ({"terminated": {"exitCode": 0, "signal": 9, "message": "bye\n"}}, "exit code 0, signal 9, started unknown"),
        ({}, "Waiting (no reason given)"),
    ],
)
def test_states(state: dict, shown: str) -> None:
    status = {"containerStatuses": [{"name": "app", "state": state}]}
    assert shown in "\n".join(describe(pod(None, "one", status=status), AT, ()))


@pytest.mark.parametrize(
    ("probe", "shown"),
    [
        ({"tcpSocket": {"port": 5432}}, "tcp-socket :5432 delay=0s timeout=1s period=10s success=1 failure=3"),
        ({"exec": {"command": ["true"]}, "timeoutSeconds": 7}, "exec ['true'] delay=0s timeout=7s"),
        ({"grpc": {"port": 9000}}, "grpc :9000"),
    ],
)
def test_probes(probe: dict, shown: str) -> None:
    spec = {"containers": [{"name": "app", "livenessProbe": probe}]}
    assert shown in "\n".join(describe(pod(None, "one", spec=spec), AT, ()))


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Every place of a document below its identity."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key)
            yield from places(item, (*path, key))
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from places(item, (*path, number))


# What the API server guarantees to be there.
REQUIRED = {"apiVersion", "kind", "metadata", "spec", "name", "containers", "template"}
SHOWN = pod(None, "web-h2-0", spec={**pod_spec(), "nodeSelector": {"disk": "ssd"}}, status=running_status())


@given(st.data(), st.sampled_from([SHOWN, deployment()]), st.sampled_from([None, {}, [], "gone"]))
def test_whatever_optional_field_is_null_or_absent_there_is_a_page(data: st.DataObject, shown: dict, instead: Any) -> None:
    obj = deepcopy(shown)
    optional = [path for path in places(obj) if path[-1] not in REQUIRED and isinstance(path[-1], str)]
    *way, last = data.draw(st.sampled_from(optional))
    holder = obj
    for step in way:
        holder = holder[step]
    if instead == "gone":
        del holder[last]
    elif instead is None or type(holder[last]) is type(instead):
        holder[last] = instead
    assert describe(obj, AT, ())[1].startswith("Name:")


@given(st.text())
def test_a_value_stays_on_one_line_and_prints(text: str) -> None:
    shown = visible(text, 50)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(character) < 32 for character in shown)
    shown.encode()


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-5, "0s"), (0, "0s"), (59, "59s"), (60, "1m"), (3661, "1h1m"), (90000, "1d1h"), (86405, "1d5s")]
)
def test_spans(seconds: int, shown: str) -> None:
    from datetime import timedelta

    assert span(timedelta(seconds=seconds)) == shown

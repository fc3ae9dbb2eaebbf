"""An API server for tests that change what is there once for all, such as an admission policy: without nodes, and nobody else's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stanch.engine.shipped import DECISIONS
from tests.cluster.fixtures import ClusterUnderTest
from tests.cluster.model import ClusterError, Provider
from tests.cluster.providers import choose
from tests.cluster.providers.assets import Assets
from tests.cluster.providers.kind import Kind
from tests.contract.installed import PROBES, until
from tests.stage.kubectl import ROOT, Kubectl

POLICY, BINDING = f"validatingadmissionpolicy/{DECISIONS.name}", f"validatingadmissionpolicybinding/{DECISIONS.name}"
OWN_NAME = "set spec.by to your own name"
NEEDED = ("etcd", "kube-apiserver", "kubectl")


@contextmanager
def standing(cluster: Any, called: str = "alone", without: tuple[str, ...] = ()) -> Iterator[ClusterUnderTest]:
    """One for each process of the tests, beside the cluster under test; it goes at the end. `without`: admission plugins that are
    turned off."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    provider = beside(cluster, f"{cluster.name[-11:].strip('-')}-{called}{worker}", without)
    try:
        yield ClusterUnderTest(provider.up())
    finally:
        provider.down()


def beside(cluster: Any, name: str, without: tuple[str, ...] = ()) -> Provider:
    """From the same programs, where the cluster under test is made of such; else a whole second cluster."""
    folder = cluster.cluster.kubectl.parent
    if all((folder / program).exists() for program in NEEDED):
        return Assets(name, folder, without)
    # A context that somebody named has the plugins that it has.
    return Kind(name, without) if without else choose(name)


def mend(lone: Kubectl) -> None:
    """Returns when the policies are in force."""
    lone("apply", "-k", str(ROOT / "manifests" / "admission"))
    in_force(lone)


def in_force(lone: Kubectl) -> None:
    """Returns when they are."""
    for message in PROBES:
        until(lambda message=message: message in answer_to_forged(lone, message))


def answer_to_forged(lone: Kubectl, message: str = OWN_NAME) -> str:
    """What the API server says to what is to be refused with this message; empty: it takes it. First of all a Decision in another's
    name."""
    body = {"apiVersion": "stanch.dev/v1alpha1", "metadata": {"name": "probe", "namespace": "default"}, **PROBES[message]}
    try:
        lone("create", "--dry-run=server", "-f", "-", input=json.dumps(body))
    except ClusterError as refused:
        return str(refused)
    return ""


def patch(lone: Kubectl, what: str, **spec: Any) -> None:
    lone("patch", what, "--type=merge", "-p", json.dumps({"spec": spec}))


def restore(lone: Kubectl) -> None:
    """As it was shipped: kubectl's apply leaves alone what it did not put there."""
    for what, added in ((POLICY, "matchConditions"), (BINDING, "matchResources")):
        if lone("get", what, "--ignore-not-found", "-o", "name"):
            patch(lone, what, **{added: None})
    mend(lone)

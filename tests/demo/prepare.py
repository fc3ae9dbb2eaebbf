"""Everything up to the point where nothing is wrong yet, and its removal. What an earlier run left is found and mended."""

from __future__ import annotations

import argparse
import platform
import shutil
from pathlib import Path

from tests.cluster.__main__ import build_all
from tests.cluster.fixtures import ClusterUnderTest
from tests.cluster.model import Provider
from tests.cluster.paths import cache_root, state_dir
from tests.cluster.providers import choose, existing
from tests.cluster.providers.context import NamedContext
from tests.cluster.run import wait_for
from tests.demo import background, place, story
from tests.demo.background import Background
from tests.demo.frontend import answers
from tests.demo.steps import Step, Steps
from tests.demo.story import Teller
from tests.stage.install import SHIPPED, install_operator, install_types
from tests.stage.kubectl import Kubectl, documents
from tests.stage.scene import Scene

STEPS = 6
ABORT_SECONDS = 90.0
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.NAMESPACE}}


def prepare(steps: Steps) -> Teller:
    """A cluster with stanch on it, and a frontend that answers. Raises ClusterError."""
    with steps.step("environment") as step:
        background.ask_to_stop()
        provider = choose(place.cluster())
        step.detail = f"Python {platform.python_version()}; cluster by {provider.name}"
    with steps.step("programs") as step:
        build(provider, step)
    with steps.step("cluster") as step:
        cluster = provider.up()
        kubectl = Kubectl(ClusterUnderTest(cluster).kubectl)
        place.furnish(kubectl, cluster)
        step.detail = f"{cluster.name} is up"
    with steps.step("stanch") as step:
        scene = install(kubectl)
        operator = start(kubectl)
        step.detail = "CRDs, admission policies, RBAC; the operator starts"
    with steps.step("frontend") as step:
        left = story.left_over(scene)
        play(scene, left)
        step.detail = f"two playbooks; /health of {answers(cluster.kubectl, 200, 'v1')}"
    with steps.step("operator") as step:
        operator.await_leading()
        settle(scene, left)
        step.detail = f"leads, as ServiceAccount {SHIPPED}/stanch" + (
            f"; aborted what was left over: {', '.join(left)}" if left else ""
        )
    return Teller(steps, scene, cluster.kubectl)


def build(provider: Provider, step: Step) -> None:
    if isinstance(provider, NamedContext):
        step.detail = "a named context needs none"
        return
    build_all(argparse.Namespace())
    step.detail = f"in {place.tilde(cache_root())}"


def install(kubectl: Kubectl) -> Scene:
    install_types(kubectl)
    install_operator(kubectl)
    kubectl.apply([NAMESPACE])
    return Scene(kubectl.inside(place.NAMESPACE), SHIPPED)


def start(kubectl: Kubectl) -> Background:
    """Always anew: with the code as it is now, and a token that is good for this cluster."""
    background.stop()
    background.take_leadership_back(kubectl)
    operator = Background(kubectl)
    operator.launch()
    return operator


def play(scene: Scene, left: list[str]) -> None:
    """The frontend as v1 again, the playbooks, the people. Aborts come first: what is left over writes nothing any more."""
    scene.set()
    for name in left:
        story.abort(scene, name)
    scene.kubectl.apply(documents(Path(__file__).with_name("rollback.yaml")))
    # Applying does not take away what somebody else set.
    scene.kubectl("set", "env", "deployment/frontend", "FRONTEND_VERSION=v1", "RELEASE_BROKEN-")
    scene.rolled_out()


def settle(scene: Scene, left: list[str]) -> None:
    """Raises ClusterError naming what stays."""

    def settled() -> bool:
        return not set(left) & set(story.left_over(scene))

    what = f"incident {', '.join(left)} of an earlier run being aborted (`make demo-down` clears it away)"
    wait_for(what, settled, ABORT_SECONDS, 0.5)


def remove(steps: Steps, packs: bool) -> None:
    """The operator, the cluster, and what was kept for it; the packs stay unless `packs`."""
    with steps.step("operator") as step:
        step.detail = "stopped" if background.stop() else "none was running"
    with steps.step("cluster") as step:
        was = state_dir(place.cluster()).exists()
        existing(place.cluster()).down()
        step.detail = f"{place.cluster()} is down" if was else f"there was no {place.cluster()}"
    with steps.step("files") as step:
        step.detail = clear(packs)


def clear(packs: bool) -> str:
    for path in place.state().glob("*"):
        if path.is_dir() and path != place.packs():
            shutil.rmtree(path)
        elif path.is_file() and path.name != place.LOCK:
            path.unlink()
    if packs and place.packs().exists():
        shutil.rmtree(place.packs())
    return f"the packs stay in {place.tilde(place.packs())}" if place.packs().exists() else "nothing is left"

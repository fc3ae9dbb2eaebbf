"""How long the logs of many pods take, and how much memory: against one client that only streams them, and against kubectl."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from tests.bench.api import Document, Followed, following
from tests.bench.contestants import Field, Script, Stanch
from tests.bench.crowd import CONTAINER, MIB, PODS, Node, node
from tests.bench.lives import all_settled
from tests.bench.place import HERE, Place
from tests.bench.process import forget_peak, peak_kilobytes, resident_kilobytes
from tests.bench.rows import Row, at_most, compared_row, median_row
from tests.bench.scale import Scale
from tests.stage.kubectl import documents

GROUND = "pods"
MANY, FEW = "many", "few"
OF_CLIENT, OF_KUBECTL, MEBIBYTES = at_most(1.5), at_most(0.1), at_most(150.0)
# Streams at the same time: the client may choose.
AT_ONCE = (1, 8, 32, 64, 128)
SECONDS = 120.0


async def measure(field: Field, scale: Scale) -> list[Row]:
    place = field.place
    assert place.host_address, "evidence of pods: this cluster's API server cannot reach a server of this process"
    with node(place, place.host_address, MIB) as crowded, field.stanch(GROUND) as stanch, field.script(GROUND) as script:
        pods = await gather(crowded, stanch, script, scale)
        async with following(place.api, stanch.namespace) as followed:
            capture = Capture(stanch, followed)
            await capture.of(FEW, "warm")
            return await in_turn(capture, script, pods, scale)


async def gather(crowded: Node, stanch: Stanch, script: Script, scale: Scale) -> list[str]:
    """The pods, and the playbooks that capture their logs; returns where the many logs are read."""
    for name, size in ((MANY, scale.pods), (FEW, scale.few)):
        stanch.place.allow(stanch.namespace, capturing(name))
        await crowded.crowd(stanch.namespace, name, size)
    await crowded.crowd(script.namespace, FEW, scale.few)
    path = PODS.format(stanch.namespace)
    query = f"log?container={CONTAINER}&timestamps=true"
    return [f"{path}/{pod}/{query}" for pod in await crowded.pods(stanch.namespace, MANY)]


def capturing(crowd: str) -> Document:
    """The smallest playbook, with the logs of these pods for its evidence."""
    playbook = documents(HERE / "playbook.yaml")[0]
    playbook["metadata"]["name"] = f"logs-of-{crowd}"
    playbook["spec"]["evidence"] = {"budget": "60s", "collect": [{"logs": {"selector": f"crowd={crowd}"}}]}
    return playbook


class Capture:
    """Incidents whose evidence are the logs of a crowd."""

    def __init__(self, stanch: Stanch, followed: Followed) -> None:
        self.stanch = stanch
        self.followed = followed

    async def of(self, crowd: str, name: str) -> tuple[float, float]:
        """Seconds that it took, and MiB that the operator grew by at the most meanwhile."""
        stanch, place = self.stanch, self.stanch.place
        await place.targets(stanch.namespace, [name])
        forget_peak(stanch.pid)
        before = resident_kilobytes(stanch.pid)
        await place.open(stanch.namespace, name, f"logs-of-{crowd}")
        assert await self.followed.until(all_settled([name]), SECONDS), self.followed.status.get(name)
        return stanch.evidence_seconds()[name], (peak_kilobytes(stanch.pid) - before) / 1024


async def in_turn(capture: Capture, script: Script, logs: Sequence[str], scale: Scale) -> list[Row]:
    place = script.place
    at_once = await best(place, logs)
    many, client, few, kubectl = [], [], [], []
    for number in range(scale.captures):
        many.append(await capture.of(MANY, f"many-{number}"))
        client.append(await streamed(place, logs, at_once))
        few.append(await capture.of(FEW, f"few-{number}"))
        kubectl.append(await one_by_one(script))
    of_many, of_few = f"evidence of {len(logs)} pods, 1 MiB each", f"evidence of {scale.few} pods, 1 MiB each"
    seconds = [took for took, _ in many]
    return [
        compared_row(f"{of_many}: stanch", "s", seconds, f"client, {at_once} streams", client, OF_CLIENT),
        median_row(f"{of_many}: grows by at most", "MiB", [grown for _, grown in many], MEBIBYTES),
        compared_row(f"{of_few}: stanch", "s", [took for took, _ in few], "kubectl, one by one", kubectl, OF_KUBECTL),
    ]


async def best(place: Place, logs: Sequence[str]) -> int:
    """How many streams at the same time are the fastest, of a first try each."""
    took = {number: await streamed(place, logs, number) for number in AT_ONCE}
    return min(took, key=took.__getitem__)


async def streamed(place: Place, logs: Sequence[str], at_once: int) -> float:
    """Seconds that it takes to read them all and keep nothing."""
    waiting, begun = iter(logs), time.perf_counter()

    async def work() -> None:
        for path in waiting:
            await place.api.read(path)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
    return time.perf_counter() - begun


async def one_by_one(script: Script) -> float:
    begun = time.perf_counter()
    await script.run("logs.sh", f"crowd={FEW}")
    return time.perf_counter() - begun

"""What every implementation of `engine.ports.Cluster.exec` promises, in a container that runs.

Run on the cluster in memory by `tests/unit/test_memory_cluster.py`, on real pods by `tests/e2e/test_actions_exec.py`: what the unit
tests of actions and checks lean on is what a container does. What needs no container is in `suite_cluster`.
"""

from __future__ import annotations

from typing import Protocol

import pytest

from stanch.domain.access import Rule
from stanch.domain.plan import Pin, Ref
from stanch.engine.errors import NotFound, NotSent, Refused
from stanch.engine.ports import STDIN_LIMIT, Cluster, ExecReply
from tests.contract.suite_cluster import EVERYTHING, World, everything, service_account

ZEROES = 300_000
# The commands that the suite runs; a container in memory answers them as busybox does.
SPEAK = ["sh", "-c", "echo out; echo err >&2; exit 3"]
IGNORE = ["sh", "-c", "sleep 1; exit 0"]
FILL = ["head", "-c", str(ZEROES), "/dev/zero"]


class ShellWorld(World, Protocol):
    """A namespace with a pod whose container `app` runs and has busybox's commands."""

    async def shell(self) -> Ref:
        """That pod."""


class ExecContract:
    """Inherit, and provide the fixture `world`."""

    @pytest.fixture
    async def able(self, world: ShellWorld) -> Cluster:
        return await everything(world)

    @pytest.fixture
    async def shell(self, world: ShellWorld) -> Ref:
        return await world.shell()

    async def test_output_error_and_exit_code_come_apart(self, able: Cluster, shell: Ref) -> None:
        reply = await able.exec(shell, "app", SPEAK, timeout=20)
        assert reply == ExecReply(3, b"out\n", b"err\n")

    async def test_a_command_that_ends_well(self, able: Cluster, shell: Ref) -> None:
        assert await able.exec(shell, "app", ["true"], timeout=20) == ExecReply(0, b"", b"")

    async def test_no_shell_reads_the_words(self, able: Cluster, shell: Ref) -> None:
        words = ["$HOME; id", "`id`", "ä  b", "a&b=c%20+d"]
        reply = await able.exec(shell, "app", ["echo", *words], timeout=20)
        assert reply.stdout.decode() == " ".join(words) + "\n"

    async def test_standard_input_arrives_and_ends(self, able: Cluster, shell: Ref) -> None:
        said = b"\x00\xff" * (STDIN_LIMIT // 2)
        reply = await able.exec(shell, "app", ["cat"], stdin=said, timeout=20, limit_bytes=len(said))
        assert reply == ExecReply(0, said, b"")

    async def test_nobody_need_read_the_input(self, able: Cluster, shell: Ref) -> None:
        for _ in range(5):
            assert await able.exec(shell, "app", IGNORE, stdin=b"x" * STDIN_LIMIT, timeout=20) == ExecReply(0, b"", b"")

    async def test_a_command_may_end_while_its_input_is_on_its_way(self, able: Cluster, shell: Ref) -> None:
        """Its end is told; or, where the server ends the connection first, said to be unknown at once. Never waited for."""
        replies = [await able.exec(shell, "app", ["true"], stdin=b"x" * STDIN_LIMIT, timeout=20) for _ in range(20)]
        told = [reply for reply in replies if reply == ExecReply(0, b"", b"")]
        untold = [reply for reply in replies if reply not in told]
        assert len(told) >= 15, untold
        assert all(reply.exit_code is None and "connection ended" in reply.broken for reply in untold), untold

    async def test_input_of_which_the_end_might_not_be_told_is_refused(self, able: Cluster, shell: Ref) -> None:
        with pytest.raises(Refused, match=rf"InputTooLong.*{STDIN_LIMIT + 1} bytes, expected at most {STDIN_LIMIT}"):
            await able.exec(shell, "app", ["true"], stdin=b"x" * (STDIN_LIMIT + 1), timeout=20)

    async def test_output_is_cut_and_the_end_still_told(self, able: Cluster, shell: Ref) -> None:
        reply = await able.exec(shell, "app", FILL, timeout=20, limit_bytes=1000)
        assert reply == ExecReply(0, b"\0" * 1000, b"", truncated=True)
        assert not (await able.exec(shell, "app", FILL, timeout=20, limit_bytes=ZEROES)).truncated

    async def test_what_is_not_over_in_time_is_unknown(self, able: Cluster, shell: Ref) -> None:
        reply = await able.exec(shell, "app", ["sleep", "30"], timeout=1)
        assert reply.exit_code is None
        assert "1 s" in reply.broken

    async def test_a_command_that_is_not_there_did_not_begin(self, able: Cluster, shell: Ref) -> None:
        with pytest.raises(Refused, match="NotStarted"):
            await able.exec(shell, "app", ["no-such-command"], timeout=20)

    async def test_it_takes_two_verbs(self, world: ShellWorld, shell: Ref) -> None:
        """Older API servers ask for `get`, since 1.35 they ask for `create` as well: both are granted."""
        pin = await service_account(world, Rule(("get",), "", "pods"), Rule(("get", "create"), "", "pods/exec"))
        acting = world.clusters.acting_as(world.namespace, pin)
        assert (await acting.exec(shell, "app", ["true"], timeout=20)).exit_code == 0
        await world.admin.delete(Ref("v1", "ServiceAccount", world.namespace, pin.name, pin.uid))
        with pytest.raises(Refused, match="ServiceAccountGone"):
            await acting.exec(shell, "app", ["true"], timeout=20)


class ExecRefusals:
    """What needs no container that runs. Inherit beside `ClusterContract`."""

    async def test_exec_needs_permission(self, world: World) -> None:
        pod = await world.pod("p", b"", None)
        pin = await service_account(world, Rule(("get",), "", "pods"))
        with pytest.raises(Refused, match=r"cannot .*pods/exec|pods/exec.*cannot") as caught:
            await world.clusters.acting_as(world.namespace, pin).exec(pod, "app", ["true"], timeout=20)
        assert caught.value.reason == "Forbidden"

    async def test_exec_as_a_service_account_without_pin_is_refused(self, world: World) -> None:
        pin = await service_account(world, EVERYTHING)
        pod = await world.pod("p", b"", None)
        with pytest.raises(Refused, match="ServiceAccountNotPinned"):
            await world.clusters.acting_as(world.namespace, Pin(pin.name)).exec(pod, "app", ["true"], timeout=20)

    async def test_exec_in_a_pod_that_is_not_there_is_not_found(self, world: World, able: Cluster) -> None:
        with pytest.raises(NotFound):
            await able.exec(Ref("v1", "Pod", world.namespace, "absent"), "app", ["true"], timeout=20)

    async def test_exec_in_another_pod_of_the_same_name_is_not_found(self, world: World, able: Cluster) -> None:
        pod = await world.pod("p", b"", None)
        with pytest.raises(NotFound):
            await able.exec(Ref(pod.api_version, pod.kind, pod.namespace, pod.name, "another"), "app", ["true"], timeout=20)

    async def test_exec_in_a_container_that_the_pod_has_not_is_refused(self, world: World, able: Cluster) -> None:
        pod = await world.pod("p", b"", None)
        with pytest.raises(Refused, match="Invalid"):
            await able.exec(pod, "nonsense", ["true"], timeout=20)

    async def test_exec_that_the_kubelet_does_not_take_did_not_begin(self, world: World, able: Cluster) -> None:
        pod = await world.pod("p", b"", None)
        with pytest.raises(NotSent):
            await able.exec(pod, "new", ["true"], timeout=20)

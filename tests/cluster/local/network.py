"""Addresses: each cluster gets a number, and from it its own subnets, routed from the host.

The host reaches pods and Services by their addresses; pods reach the host at `host`.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..model import ClusterError
from ..paths import clusters_dir, write
from ..run import locked, run, succeeds, wait_for


@dataclass(frozen=True)
class Network:
    """The subnets of the cluster with this number (0 to 255)."""

    number: int

    @property
    def link(self) -> str:
        """The host's end of the cable to the node."""
        return f"stanch{self.number}"

    @property
    def pods(self) -> str:
        """The subnet of the pods."""
        return f"10.213.{self.number}.0/24"

    @property
    def services(self) -> str:
        """The subnet of the Services."""
        return f"10.214.{self.number}.0/24"

    @property
    def api_service(self) -> str:
        """The `kubernetes` Service: the first address of the subnet."""
        return f"10.214.{self.number}.1"

    @property
    def dns(self) -> str:
        """The `kube-dns` Service."""
        return f"10.214.{self.number}.10"

    @property
    def host(self) -> str:
        """This machine, as pods see it."""
        return f"10.215.{self.number}.1"

    @property
    def node(self) -> str:
        """The node, which is also where the API server listens."""
        return f"10.215.{self.number}.2"


def allot(state: Path) -> Network:
    """The cluster's network: as recorded, else the first number free of other uses."""
    record = state / "network.json"
    with locked(clusters_dir() / "network.lock", "choosing addresses"):
        if record.exists():
            return recorded(state)
        network = _first_free(set(_taken()))
        write(record, json.dumps({"number": network.number}))
    return network


def recorded(state: Path) -> Network:
    """The network of a cluster that has one; raises ClusterError."""
    return Network(_number(state / "network.json"))


def connect(network: Network, pid: int, enter: list[str]) -> None:
    """Lay the cable to the namespaces that `pid` lives in; what is there already stays."""
    if not succeeds([*enter, "ip", "link", "show", "eth0"]):
        disconnect(network)  # the end of a cable whose other end has gone
        run(["ip", "link", "add", network.link, "type", "veth", "peer", "name", "eth0", "netns", str(pid)])
    run([*enter, "ip", "address", "replace", f"{network.node}/30", "dev", "eth0"])
    run([*enter, "ip", "link", "set", "eth0", "up"])
    run(["ip", "address", "replace", f"{network.host}/30", "dev", network.link])
    run(["ip", "link", "set", network.link, "up"])
    run([*enter, "ip", "route", "replace", "default", "via", network.host])
    for subnet in (network.pods, network.services):
        run(["ip", "route", "replace", subnet, "via", network.node])


def disconnect(network: Network) -> None:
    """Take the cable away; its addresses and routes go with it."""
    link = Path("/sys/class/net") / network.link
    if link.exists():
        succeeds(["ip", "link", "delete", network.link])  # the kernel may be about to do the same
        wait_for(f"link {network.link}: gone", lambda: not link.exists(), 10, 0.05)


def _taken() -> Iterator[int]:
    """The numbers of all clusters here; one may be taken down at this moment, record and all."""
    for record in clusters_dir().glob("*/network.json"):
        try:
            yield _number(record)
        except ClusterError:
            if record.exists():
                raise


def _number(record: Path) -> int:
    try:
        return int(json.loads(record.read_text())["number"])
    except (OSError, ValueError, KeyError) as wrong:
        raise ClusterError(f"{record}: unreadable ({wrong}); is the cluster up? if it is, take it down") from None


def _first_free(taken: set[int]) -> Network:
    used = [
        ipaddress.ip_network(route["dst"]) for route in json.loads(run(["ip", "-j", "-4", "route"])) if route["dst"] != "default"
    ]
    for number in range(256):
        if number not in taken and not _overlaps(Network(number), used):
            return Network(number)
    raise ClusterError("10.213.x, 10.214.x, 10.215.x: all in use here; take clusters down, or routes to these networks")


def _overlaps(network: Network, used: list[ipaddress.IPv4Network]) -> bool:
    wanted = [network.pods, network.services, f"{network.host}/30"]
    return any(ipaddress.ip_network(w, strict=False).overlaps(u) for w in wanted for u in used)

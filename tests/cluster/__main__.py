"""python -m tests.cluster: a Kubernetes cluster for tests, the demo and people."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from . import apt, build, images, paths
from .model import ClusterError, Status
from .providers import choose, docker_answers, existing
from .run import say


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when it did what it says, 1 with a message when not, 130 on Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except ClusterError as wrong:
        say(f"error: {wrong}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; the same command again goes on from here")
        return 130
    return 0


def up(options: argparse.Namespace) -> None:
    """Bring a cluster up and say how to reach it."""
    cluster = choose(options.name).up(options.fake_nodes)
    say(f"cluster {cluster.name} is up; try: {cluster.kubectl} --kubeconfig={cluster.kubeconfig} get nodes")


def run_with(options: argparse.Namespace) -> None:
    """Run a command on a cluster that comes and goes with it; one that was up before stays. Its exit status is ours."""
    provider = choose(options.name)
    keep = os.environ.get("STANCH_KEEP_CLUSTER") == "1" or provider.status().state == "up"
    try:
        provider.up()
        sys.exit(subprocess.run(options.argv, env=os.environ | {"STANCH_TEST_CLUSTER": options.name}, check=False).returncode)
    finally:
        if not keep:
            provider.down()


def down(options: argparse.Namespace) -> None:
    """Take one cluster down, or all."""
    names = _known() if options.all else [options.name]
    for name in names:
        existing(name).down()
        say(f"cluster {name} is down")


def status(options: argparse.Namespace) -> None:
    """Say what is there; every known cluster unless one is named."""
    names = [options.name] if options.name else _known()
    found = [existing(name).status() for name in names]
    if options.output == "json":
        print(json.dumps([s.as_json() for s in found], indent=2))
    else:
        print("\n".join(_line(s) for s in found) or "no clusters")


def kubeconfig(options: argparse.Namespace) -> None:
    """Print the path of a cluster's kubeconfig file."""
    found = existing(options.name).status().kubeconfig
    if not found:
        raise ClusterError(f"cluster {options.name}: is not up; run `python -m tests.cluster up`")
    print(found)


def build_all(options: argparse.Namespace) -> None:
    """Build programs and images only."""
    if docker_answers():
        images.workload_archives(docker=True)
        return
    apt.install_missing()
    images.node_archives(build.binaries())
    images.workload_archives()


def load(options: argparse.Namespace) -> None:
    """Give an image archive to the cluster's node."""
    existing(options.name).load_image(options.archive)


def _known() -> list[str]:
    return sorted(p.name for p in paths.clusters_dir().glob("*") if p.is_dir())


def _line(found: Status) -> str:
    stopped = [part for part, state in found.parts.items() if state != "running"]
    detail = f"  stopped: {', '.join(stopped)}" if found.state == "broken" else ""
    return f"{found.name:<20} {found.state:<7} {found.provider}  {found.kubeconfig or ''}{detail}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    one = _command(commands, "up", up, "bring a cluster up, or repair it")
    one.add_argument("--fake-nodes", type=int, default=0, metavar="N", help="have N nodes for scale")
    one = _command(commands, "with", run_with, "run a command on a cluster that comes and goes with it")
    one.add_argument("argv", nargs="+", help="the command, after --")
    one = _command(commands, "down", down, "remove a cluster and all that belongs to it")
    one.add_argument("--all", action="store_true", help="every cluster that was made here")
    one = _command(commands, "status", status, "say what runs", default=None)
    one.add_argument("-o", "--output", choices=["text", "json"], default="text")
    _command(commands, "kubeconfig", kubeconfig, "print the path of the kubeconfig")
    _command(commands, "build", build_all, "build programs and images only")
    one = _command(commands, "load", load, "give an image archive to the node")
    one.add_argument("archive", type=Path, help="as written by `docker save`")
    return parser


def _command(commands, name, function, text, default="stanch"):  # type: ignore[no-untyped-def]
    one = commands.add_parser(name, help=text)
    one.set_defaults(command=function)
    one.add_argument("--name", default=default, help=f"the cluster's name (default: {default or 'all'})")
    return one


if __name__ == "__main__":
    sys.exit(main())

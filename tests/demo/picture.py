"""The README's picture: what `stanch watch` drew of a real incident, at two moments of its life, as an SVG.

python -m tests.demo --svg .readme/demo.svg
"""

from __future__ import annotations

import io
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from stanch.api import codec
from stanch.cli import picture
from stanch.domain.incident import Phase
from tests.cluster.model import ClusterError
from tests.cluster.paths import cache_root
from tests.demo import place

WIDTH = 116
# How long after the phase began the picture shows it: long enough that the phase is a fact.
LATER = timedelta(seconds=2)
# Fetched from elsewhere: no page that shows the picture would fetch them, and every font that it falls back to fits.
FONTS = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


@dataclass(frozen=True)
class Recording:
    """Every state of one incident, as the API server told it, in order."""

    file: Path

    def states(self) -> list[dict[str, Any]]:
        return list(objects(self.file.read_text()))

    def last(self) -> dict[str, Any] | None:
        """None before the first."""
        return next(reversed(self.states()), None)


@contextmanager
def recording(kubectl: Path, name: str) -> Iterator[Recording]:
    """Records an incident while the block runs."""
    file = place.state() / "recorded.json"
    command = [str(kubectl), f"--kubeconfig={place.kubeconfig()}", "get", "incident", name, "--watch", "-o", "json"]
    with file.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stdin=subprocess.DEVNULL)
        try:
            yield Recording(file)
        finally:
            process.terminate()
            process.wait()


def objects(text: str) -> Iterator[dict[str, Any]]:
    """JSON objects that follow each other; a last one that is cut off is left out."""
    decoder, rest = json.JSONDecoder(), text.lstrip()
    while rest:
        try:
            found, end = decoder.raw_decode(rest)
        except ValueError:
            return
        yield found
        rest = rest[end:].lstrip()


def moments(states: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The first option was denied and the next one holds; and the end. Raises ClusterError when it did not come to that."""
    telling = [state for state in states if codec.status_of(state).phase is Phase.Holding]
    resolved = [state for state in states if codec.status_of(state).phase is Phase.Resolved]
    if not telling or not resolved:
        raise ClusterError("the incident was not seen holding and resolved: no picture; run the demo again")
    return telling[0], resolved[-1]


def draw(states: list[dict[str, Any]]) -> str:
    """An SVG of both moments, one below the other. Paths of this machine are shortened to their usual place."""
    console = Console(width=WIDTH, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False)
    name = states[0]["metadata"]["name"]
    for number, state in enumerate(moments(states)):
        raw = json.loads(json.dumps(state).replace(str(cache_root()), "~/.cache/stanch"))
        if not number:
            console.print(Text(f"$ stanch watch {name} --follow", style="bold"), "")
        status = codec.status_of(raw)
        console.print(picture.picture(codec.facts_of(raw), status, seen_at(status.phase_since), WIDTH), Text())
    return FONTS.sub("", console.export_svg(title="stanch watch", theme=MONOKAI, unique_id="stanch-watch"))


def seen_at(since: datetime | None) -> datetime:
    if since is None:
        raise ClusterError("the incident's status does not say since when it is in its phase")
    return since + LATER


def write(states: list[dict[str, Any]], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(line.rstrip() for line in draw(states).splitlines()) + "\n")

"""What a process costs, as the kernel counts it. https://man7.org/linux/man-pages/man5/proc.5.html"""

from __future__ import annotations

import os
import re
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
# Seconds of a core: itself, and in the kernel.
Spent = tuple[float, float]


def resident_kilobytes(pid: int) -> float:
    """Its resident memory, in KiB."""
    return memory(pid, "VmRSS")


def peak_kilobytes(pid: int) -> float:
    """The most resident memory that it has had, in KiB."""
    return memory(pid, "VmHWM")


def memory(pid: int, what: str) -> float:
    found = re.search(rf"^{what}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found, f"process {pid} has no memory: it has ended"
    return float(found[1])


def forget_peak(pid: int) -> None:
    """From now on `peak_kilobytes` tells of what comes."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def cpu_seconds(pid: int) -> float:
    """What it has used of a core so far, itself and in the kernel."""
    return sum(_used(Path(f"/proc/{pid}/stat"))[1])


def threads(pid: int) -> dict[str, Spent]:
    """By name of the threads that run now, the first one as `main`: seconds of a core that they have used, themselves and in the
    kernel."""
    spent: dict[str, Spent] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        name, (own, kernel) = _used(task / "stat")
        name = "main" if task.name == str(pid) else name
        before = spent.get(name, (0.0, 0.0))
        spent[name] = before[0] + own, before[1] + kernel
    return spent


def _used(stat: Path) -> tuple[str, Spent]:
    head, _, fields = stat.read_text().rpartition(")")
    own, kernel = fields.split()[11:13]
    return head.partition("(")[2], (int(own) / TICKS, int(kernel) / TICKS)

"""What a process costs, as the kernel counts it. https://man7.org/linux/man-pages/man5/proc.5.html"""

from __future__ import annotations

import os
import re
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


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
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS

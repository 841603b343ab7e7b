"""What the kernel says of processes: their CPU time and their memory."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_TIMES: Final = slice(11, 15)
"""User, system, and both of children that ended, in the fields after the name."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory that processes hold, in bytes.

    Attributes:
        resident: All of it in RAM, pages of mapped files among it.
        anonymous: What is nobody's file (``RssAnon``): heap, stacks, buffers.
    """

    resident: int = 0
    anonymous: int = 0

    def peak(self, other: "Memory") -> "Memory":
        """Take the larger of each."""
        return Memory(
            max(self.resident, other.resident), max(self.anonymous, other.anonymous)
        )


def below(pid: int) -> Iterator[int]:
    """Name a process and all its descendants that are there."""
    yield pid
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - 20 times a second
    except FileNotFoundError:
        return
    for thread in threads:
        for child in _read(f"/proc/{pid}/task/{thread}/children").split():
            yield from below(int(child))


def cpu_seconds(pids: Iterable[int]) -> float:
    """Add the CPU time of processes and of all their descendants, also ended ones."""
    ticks = 0
    for root in pids:
        for pid in below(root):
            fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[_TIMES])
    return ticks / _TICKS


def memory(pids: Iterable[int]) -> Memory:
    """Add the memory that processes and all their descendants hold now.

    What one of them held at its height counts, too: two looks may miss it. (What the
    kernel says at a child's end would not do: it takes its parent's before the exec.)
    """
    resident = anonymous = highest = 0
    for root in pids:
        for pid in below(root):
            held = _memory_of(pid)
            resident += held["VmRSS:"]
            anonymous += held["RssAnon:"]
            highest = max(highest, held["VmHWM:"])
    return Memory(max(resident, highest), anonymous)


def anonymous_bytes(pid: int) -> int:
    """Tell how much memory of its own one process holds now, without descendants."""
    return _memory_of(pid)["RssAnon:"]


def _memory_of(pid: int) -> dict[str, int]:
    found = {"VmRSS:": 0, "VmHWM:": 0, "RssAnon:": 0}
    for line in _read(f"/proc/{pid}/status").splitlines():
        name, _, value = line.partition("\t")
        if name in found:
            found[name] = int(value.split()[0]) * 1024
    return found


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it has just ended

"""What a run has found: the samples, their medians, and the file that keeps them."""

import os
import platform
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Self

import msgspec

from bench.facility import StoreName
from bench.figures import Figure
from bench.meter import Usage
from bench.works import GIB

Way = Literal["push", "clone", "verify"]
FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One tool moving one work one way, once.

    Attributes:
        round: Counted from 1.
        usage: What it cost; None means that it failed.
        failure: What it said then.
    """

    store: StoreName
    work: str
    way: Way
    tool: str
    round: int
    usage: Usage | None
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What matters of the machine.

    Attributes:
        memory: Bytes.
        kernel: Its version's numbers.
    """

    cores: int
    memory: int
    kernel: str

    @classmethod
    def here(cls) -> Self:
        """Look at this machine."""
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
        kernel = re.match(r"[\d.]+", platform.release())
        return cls(
            cores=len(os.sched_getaffinity(0)),
            memory=pages * size,
            kernel=kernel[0].rstrip(".") if kernel else "unknown",
        )

    def __str__(self) -> str:
        return (
            f"{self.cores} cores, {self.memory / GIB:.0f} GiB of memory, "
            f"Linux {self.kernel}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkDone:
    """A work as it was in this run."""

    name: str
    title: str
    files: int
    bytes: int
    by_files: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A tool as it was in this run."""

    name: str
    version: str
    settings: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Figures that belong together.

    Attributes:
        failure: Why there are none.
    """

    title: str
    figures: tuple[Figure, ...]
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything that a run has found.

    Attributes:
        date: The day that it began, in UTC.
        rounds: How often each tool did each work.
        database: What hutch's API kept its rows in.
        whole: Nothing was left out or made smaller.
    """

    date: str
    machine: Machine
    rounds: int
    database: str
    whole: bool
    works: tuple[WorkDone, ...]
    tools: tuple[Peer, ...]
    samples: tuple[Sample, ...]
    groups: tuple[Group, ...] = ()
    format: int = field(default=FORMAT)


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and most of one measure over the rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """Take it of some values, at least one."""
        found = sorted(values)
        return cls(statistics.median(found), found[0], found[-1])


def usages(run: Run, store: str, work: str, way: Way) -> dict[str, list[Usage]]:
    """Give what each tool's rounds cost, the tools in the order of the run."""
    found: dict[str, list[Usage]] = {}
    for tool in run.tools:
        costs = [
            s.usage
            for s in run.samples
            if (s.store, s.work, s.way, s.tool) == (store, work, way, tool.name)
            and s.usage is not None
        ]
        if costs:
            found[tool.name] = costs
    return found


def save(run: Run, file: Path) -> None:
    """Keep a run as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")


def load(file: Path) -> Run:
    """Read a run.

    Raises:
        msgspec.ValidationError: The file is none.
    """
    return msgspec.json.decode(file.read_bytes(), type=Run)


def newest(directory: Path) -> Run | None:
    """Read the latest run of a directory; None: there is none."""
    files = sorted(directory.glob("[0-9]*.json"))
    return load(files[-1]) if files else None


def joined(runs: Sequence[Run]) -> Run:
    """Put parts of one comparison together: what they share is taken from the last.

    A sample or a group that a later part has as well replaces the earlier one.
    """
    last = runs[-1]
    samples = {
        (s.store, s.work, s.way, s.tool, s.round): s for r in runs for s in r.samples
    }
    works = {w.name: w for r in runs for w in r.works}
    tools = {t.name: t for r in runs for t in r.tools}
    groups = {g.title: g for r in runs for g in r.groups}
    return Run(
        date=last.date,
        machine=last.machine,
        rounds=max(r.rounds for r in runs),
        database=next((r.database for r in runs if r.database), ""),
        whole=False,
        works=tuple(works.values()),
        tools=tuple(tools.values()),
        samples=tuple(samples.values()),
        groups=tuple(groups.values()),
    )

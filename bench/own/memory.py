"""Memory of hutch as a dataset has more files."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench import works
from bench.facility import Facility
from bench.figures import Figure
from bench.meter import Step
from bench.meter import measure as run
from bench.tools.hutch import Hutch
from bench.tools.tool import Task
from bench.works import KIB, MIB, Work

_FILES: Final = (5_000, 20_000)
_FEW: Final = (50, 200)
_NOTE: Final = "largest RssAnon at one moment"
_TARGET: Final = "< 150 MiB"


def growth(hall: Facility, place: Path, *, small: bool) -> list[Figure]:
    """Push and clone two datasets, one with four times the files of the other.

    Args:
        hall: The servers.
        place: An empty directory.
        small: Only see that it works.
    """
    found: dict[tuple[str, str], list[int]] = {}
    counts = _FEW if small else _FILES
    for files in counts:
        for way, client, api in _both_ways(hall, place / str(files), files):
            found.setdefault((way, "client"), []).append(client)
            found.setdefault((way, "API and worker"), []).append(api)
    figures = []
    for (way, who), values in found.items():
        for files, value in zip(counts, values, strict=True):
            figures.append(
                Figure(
                    name=f"{way} {files:,} files: {who}",
                    value=value / MIB,
                    unit="MiB",
                    target=_TARGET if who == "client" else None,
                    note=_NOTE,
                )
            )
        more = (values[1] - values[0]) / (counts[1] - counts[0])
        figures.append(
            Figure(
                name=f"{way}: {who}, growth between these",
                value=more / KIB,
                unit="KiB a file",
            )
        )
    return figures


def _both_ways(hall: Facility, place: Path, files: int) -> list[tuple[str, int, int]]:
    (place / "home").mkdir(parents=True)
    task = Task(
        facility=hall,
        prefix=f"memory-{files}",
        source=place / "source",
        target=place / "target",
        scratch=place / "home",
    )
    works.make(Work(name="tiny", files=files, size=KIB), task.source)
    tool, found = Hutch(), []
    ways: tuple[tuple[str, Callable[[Task], Sequence[Step]]], ...] = (
        ("push", tool.push),
        ("clone", tool.clone),
    )
    for way, steps in ways:
        hall.settle()
        usage = run(steps(task), hall.watched, place / "output.log")
        found.append(
            (way, usage.memory.anonymous, usage.server_memory.anonymous),
        )
    hall.empty(hall.data_bucket)
    shutil.rmtree(place)
    return found

"""A large tree in which nothing has changed."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

from bench.facility import Facility
from bench.figures import Figure
from bench.meter import ToolError
from bench.meter import measure as run
from bench.results import Spread
from bench.tools.hutch import Hutch
from bench.tools.tool import Task
from hutch.workdir.directory import open_workdir
from hutch.workdir.journal import SETTLED_NS, Entry, open_journal
from hutch.workdir.walk import Found, walk

_FILES: Final = 100_000
_FEW: Final = 500
_IN_A_DIRECTORY: Final = 1_000
_TIMES: Final = 5
_NOTE: Final = "median of {}; the journal was written by the bench, not by a push"


def again(hall: Facility, place: Path, *, small: bool) -> list[Figure]:
    """Push such a tree again, and ask for its status.

    The first push would take minutes, and neither command looks at what it left in the
    store. So the journal is filled as if it had been.

    Args:
        hall: The servers.
        place: An empty directory.
        small: Only see that it works.
    """
    files, times = (_FEW, 1) if small else (_FILES, _TIMES)
    source, home, log = place / "source", place / "home", place / "output.log"
    home.mkdir(parents=True)
    _make(source, files)
    tool = Hutch()
    task = Task(
        facility=hall,
        prefix="unchanged",
        source=source,
        target=place / "target",
        scratch=home,
    )
    run(tool.push(task)[:2], hall.watched, log)  # login and init
    _fill(source)
    found = []
    for command, target in (("push", "≤ 2 s"), ("status", "≤ 1.5 s")):
        step = task.step(tool.program, command, "--json", source)
        walls = []
        for _ in range(times):
            log.unlink()
            hall.settle()
            walls.append(run([step], hall.watched, log).wall_s)
            _require_unchanged(log, files)
        figure = Figure(
            name=f"hutch {command}, {files:,} files unchanged",
            value=Spread.of(walls).median,
            unit="s",
            target=target,
            note=_NOTE.format(times),
        )
        found.append(figure)
    return found


def _make(source: Path, files: int) -> None:
    # Older than the journal by more than the clocks of file systems tick.
    old = time.time_ns() - 10 * SETTLED_NS
    for number in range(files):
        below = source / f"scan_{number // _IN_A_DIRECTORY:03}"
        below.mkdir(parents=True, exist_ok=True)
        file = below / f"frame_{number:06}.dat"
        file.write_bytes(b"%d" % number)
        os.utime(file, ns=(old, old))


def _fill(source: Path) -> None:
    with open_journal(open_workdir(source)) as journal:
        journal.record(_entries(source))


def _entries(source: Path) -> Iterator[Entry]:
    for number, found in enumerate(walk(source)):
        if isinstance(found, Found):
            yield Entry(
                path=found.path,
                stamp=found.stamp,
                sha256=f"{number:064x}",
                crc64nvme="AAAAAAAAAAA=",
                version=str(UUID(int=number)),
                recorded_ns=time.time_ns(),
            )


def _require_unchanged(log: Path, files: int) -> None:
    """Look at what the command said.

    Raises:
        ToolError: Something was sent, or not seen.
    """
    said = json.loads(log.read_text("utf-8").splitlines()[-1])
    if said["unchanged"] != files:
        raise ToolError(f"{said['unchanged']} of {files} files are unchanged")

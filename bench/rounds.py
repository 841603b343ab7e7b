"""The comparison: every tool does every work, in rounds, each in another order."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench import works
from bench.facility import PEERS_BUCKET, Facility, StoreName, facility
from bench.meter import Step, ToolError, Usage, measure
from bench.results import Sample, Way
from bench.tools.tool import Task, Tool
from bench.works import Work

Say = Callable[[str], None]

MANY_FILES: Final = 1_000
"""So many stay until the end of a round: see ``_clear``."""
REMEMBERED_S: Final = 60
"""So long does ext4 not use the inode of a removed file again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be compared.

    Attributes:
        works: The trees, by the store that they are sent to.
        ways: Whether they are also fetched from there.
        rounds: How often.
    """

    tools: Sequence[Tool]
    works: Mapping[StoreName, Sequence[Work]]
    clones: Mapping[StoreName, bool]
    rounds: int

    def bytes(self) -> int:
        """Say how much of the disk it takes at most, with some room to spare.

        All sources are there at once; beside them a dataset in the store, its clone,
        and what a store or a journal keeps for a while: of one tool, or of all.
        """
        every = {work.name: work for some in self.works.values() for work in some}
        sources = sum(work.bytes for work in every.values())
        beside = (
            3 * work.bytes * (len(self.tools) if _is_kept(work) else 1)
            for work in every.values()
        )
        return int(1.1 * (sources + max(beside, default=0)))


@dataclass(slots=True)
class Comparison:
    """A comparison that is under way.

    Attributes:
        place: Directory for all of it.
        say: Is told what happens.
        samples: What was found so far.
        database: What hutch's API keeps its rows in, once it was started.
    """

    plan: Plan
    place: Path
    say: Say
    samples: list[Sample] = field(default_factory=list)
    database: str = ""
    _removed_s: float = -REMEMBERED_S

    def run(self) -> None:
        """Do all of it; what a tool fails at is noted, and the others go on."""
        for name, some in self.plan.works.items():
            if not some:
                continue
            self.say(f"starting MinIO ({name}) and hutch")
            with facility(self.place, name) as hall:
                self.database = hall.database
                for number in range(1, self.plan.rounds + 1):
                    for index, work in enumerate(some):
                        self._round(hall, work, number, shift=number - 1 + index)

    def _round(self, hall: Facility, work: Work, number: int, *, shift: int) -> None:
        tools = [t for t in self.plan.tools if t.works is None or work.name in t.works]
        source = self._source(work)
        if _is_kept(work):
            time.sleep(max(0.0, self._removed_s + REMEMBERED_S - time.monotonic()))
        for tool in _rotated(tools, shift):
            prefix = f"{work.name}-{tool.name}-{number}"
            home = self.place / "homes" / prefix
            task = Task(
                facility=hall,
                prefix=prefix,
                source=source,
                target=home / "target",
                scratch=home / "scratch",
            )
            for sample in self._one(task, work, tool, number):
                self.samples.append(sample)
                self.say(_told(sample, work, self.plan.rounds))
            if not _is_kept(work):
                self._clear(hall)
        if _is_kept(work):
            self._clear(hall)

    def _clear(self, hall: Facility) -> None:
        """Remove clones, homes and all versions.

        Not between two tools if there are many files: for a minute after somebody
        has removed thousands, ext4 looks long for each inode that it gives out, and
        whoever comes second pays.
        """
        shutil.rmtree(self.place / "homes", ignore_errors=True)
        for bucket in (PEERS_BUCKET, hall.data_bucket):
            hall.empty(bucket)
        hall.settle()
        self._removed_s = time.monotonic()

    def _one(self, task: Task, work: Work, tool: Tool, number: int) -> Iterator[Sample]:
        """Have one tool push one work, and clone and verify it."""
        hall = task.facility
        ways: list[tuple[Way, Callable[[Task], Sequence[Step]], Callable[[], None]]] = [
            ("push", tool.push, lambda: works.read(task.source))
        ]
        if self.plan.clones[hall.name]:

            def warm_store() -> None:
                works.read(hall.files_of(tool.bucket(task)) / tool.stored(task))

            ways += [
                ("clone", tool.clone, warm_store),
                ("verify", tool.verify, lambda: None),
            ]
        task.scratch.mkdir(parents=True)
        try:
            for way, steps_of, warm in ways:
                steps = steps_of(task)
                if not steps:
                    continue
                usage, failure = self._measure(task, steps, warm)
                if usage is not None and way == "push":
                    failure = _unsent(task, tool, work)
                if usage is not None and way == "clone" and number == 1:
                    failure = _unfetched(task, tool)
                yield Sample(
                    store=hall.name,
                    work=work.name,
                    way=way,
                    tool=tool.name,
                    round=number,
                    usage=None if failure else usage,
                    failure=failure,
                )
                if failure:
                    break
        finally:
            tool.tidy(task)

    def _measure(
        self, task: Task, steps: Sequence[Step], warm: Callable[[], None]
    ) -> tuple[Usage | None, str]:
        hall = task.facility
        hall.settle()
        warm()
        try:
            return measure(steps, hall.watched, task.scratch / "output.log"), ""
        except ToolError as e:
            return None, str(e)

    def _source(self, work: Work) -> Path:
        directory = self.place / f"source-{work.name}"
        if not directory.exists():
            self.say(f"making {work.title}")
            works.make(work, directory)
        return directory


def _is_kept(work: Work) -> bool:
    return work.files >= MANY_FILES


def _rotated(tools: Sequence[Tool], shift: int) -> list[Tool]:
    if not tools:
        return []
    start = shift % len(tools)
    return [*tools[start:], *tools[:start]]


def _unsent(task: Task, tool: Tool, work: Work) -> str:
    """Say what is missing in the store; nothing if all is there."""
    pages = task.facility.s3.get_paginator("list_objects_v2")
    rows = [
        row
        for page in pages.paginate(
            Bucket=tool.bucket(task), Prefix=f"{tool.stored(task)}/"
        )
        for row in page.get("Contents", ())
    ]
    held = sum(row["Size"] for row in rows)
    if len(rows) < work.files or held < work.bytes:
        return f"{len(rows)} of {work.files} files are in the store"
    return ""


def _unfetched(task: Task, tool: Tool) -> str:
    """Say that the clone is not as the source; nothing if it is."""
    alike = works.same(task.source, tool.landed(task))
    return "" if alike else "the clone is not as the source"


def _told(sample: Sample, work: Work, rounds: int) -> str:
    what = f"{sample.round}/{rounds} {sample.store:10} {work.title:16} {sample.way:6}"
    if sample.usage is None:
        return f"{what} {sample.tool:7} FAILED: {sample.failure}"
    used = sample.usage
    return (
        f"{what} {sample.tool:7} {used.wall_s:7.2f} s, CPU {used.client_cpu_s:.2f} s "
        f"here, {used.store_cpu_s:.2f} s store, {used.server_cpu_s:.2f} s API; "
        f"{used.memory.resident / works.MIB:.0f} MiB"
    )

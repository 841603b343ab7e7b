"""Who listens to a transfer: a bar, a plain line now and then, or nobody."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from hutch.cli import text
from hutch.cli.screen import Screen
from hutch.contract.wire.datasets import OperationOut, OperationState
from hutch.progress import Event, Moved, Planned, Settled, Tell, ignore

PAUSE_S: Final = 10.0
"""Between two plain lines: a log of a night's push stays readable."""


@dataclass(slots=True)
class Tally:
    """Sums of what a transfer has told so far."""

    files: int = 0
    bytes: int = 0
    files_done: int = 0
    bytes_done: int = 0
    failed: int = 0

    def add(self, event: Event) -> None:
        """Count an event."""
        match event:
            case Planned(files=files, bytes=size):
                self.files += files
                self.bytes += size
            case Moved(bytes=size):
                self.bytes_done += size
            case Settled(error=error):
                self.files_done += 1
                self.failed += error is not None


@contextmanager
def listening(screen: Screen, title: str) -> Iterator[Tell]:
    """Give the listener that suits the screen, for the time of a transfer.

    Args:
        screen: Where it is shown, if at all.
        title: What is going on, in a word, such as ``push``.
    """
    if screen.json or screen.quiet:
        yield ignore
    elif screen.is_terminal:
        with _bar() as bar:
            yield Bar(bar, title)
    else:
        yield Lines(screen, title)


class Lines:
    """Tells in plain lines, for logs and pipes.

    A transfer that is over before the first pause leaves no line: its result is
    printed anyway.
    """

    def __init__(self, screen: Screen, title: str, *, pause_s: float = PAUSE_S) -> None:
        self._screen, self._title, self._pause_s = screen, title, pause_s
        self._tally = Tally()
        self._began = self._last = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Count the event, and print a line if the last one is long ago."""
        tally = self._tally
        tally.add(event)
        now = time.monotonic()
        if now - self._last < self._pause_s:
            return
        self._last = now
        rate = max(tally.bytes_done, 0) / max(now - self._began, 0.001)
        left = tally.bytes - tally.bytes_done
        ending = f", {span(left / rate)} left" if rate and left > 0 else ""
        self._screen.note(
            f"{self._title}: {tally.files_done:,} of {tally.files:,} files, "
            f"{text.size(max(tally.bytes_done, 0))} of {text.size(tally.bytes)}, "
            f"{text.size(int(rate))}/s{ending}"
        )


class Bar:
    """Tells by a bar on the terminal."""

    def __init__(self, bar: Progress, title: str) -> None:
        self._bar = bar
        self._tally = Tally()
        self._task: TaskID = bar.add_task(title, total=None, files="")

    def __call__(self, event: Event) -> None:
        """Count the event and move the bar."""
        tally = self._tally
        tally.add(event)
        failed = f", {tally.failed:,} failed" if tally.failed else ""
        self._bar.update(
            self._task,
            completed=tally.bytes_done,
            total=tally.bytes or None,
            files=f"{tally.files_done:,}/{tally.files:,} files{failed}",
        )


@contextmanager
def watching(screen: Screen, title: str) -> Iterator[Callable[[OperationOut], None]]:
    """Give a listener for work that the server does, such as a long close."""
    told = ""

    def tell(seen: OperationOut) -> None:
        nonlocal told
        why = str((seen.problem or {}).get("detail", ""))
        if why != told and seen.state is OperationState.RUNNING:
            told = why
            if why:
                screen.note(f"{title}: {why}; the server tries again")

    if screen.json or screen.quiet or not screen.is_terminal:
        yield tell
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[files]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, files="")

        def show(seen: OperationOut) -> None:
            tell(seen)
            files = f"{seen.done:,}/{seen.total:,}"
            bar.update(task, completed=seen.done, total=seen.total or None, files=files)

        yield show


def span(seconds: float) -> str:
    """Write a span of time, roughly: it is an estimate."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{rest} s"


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TextColumn("{task.fields[files]}"),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=5,
    )

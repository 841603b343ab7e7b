"""``hutch push --watch``: who listens to it, and how it ends."""

import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import FrameType
from typing import Any, Final, Protocol

from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task
from rich.text import Text

from hutch.cli import text
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit
from hutch.cli.progress import span
from hutch.cli.reports import show_problems
from hutch.cli.screen import Screen, StoppedError
from hutch.contract.problems import HutchError
from hutch.progress import Event, Moved, Planned, Settled
from hutch.watch.events import (
    Began,
    Failed,
    GoesOn,
    Sent,
    TellWatch,
    Waits,
    WatchEvent,
    WatchReport,
    Way,
)
from hutch.watch.settling import SETTLE_S
from hutch.watch.watching import Pace, Watch

PAUSE_S: Final = 60.0
"""Between two plain lines: a log of a week's acquisition stays readable."""
WINDOW_S: Final = 10.0
"""The rate is that of the last seconds."""
_DOCUMENTS: Final[dict[type[WatchEvent], str]] = {
    Began: "began",
    Sent: "sent",
    Failed: "failed",
    Waits: "waits",
    GoesOn: "goes-on",
}


class Watched(Protocol):
    """What was typed, as far as a watch is concerned."""

    @property
    def directory(self) -> Path | None:
        """The working directory; None means the one around here."""
        ...

    @property
    def force(self) -> bool:
        """Replace what others changed."""
        ...

    @property
    def jobs(self) -> int | None:
        """Transfers at a time."""
        ...

    @property
    def settle(self) -> float | None:
        """Seconds that a file must stay as it is."""
        ...

    @property
    def poll(self) -> bool:
        """Look again and again."""
        ...

    @property
    def until_idle(self) -> float | None:
        """Seconds without anything new after which it ends."""
        ...


def run_watch(options: Watched, desk: Desk) -> Exit:
    """Watch until it ends, and say what was done."""
    workdir = desk.workdir(options.directory)
    screen = desk.screen
    with desk.bound(workdir) as client:
        state = State()
        watch = Watch(
            workdir,
            client,
            pace=Pace(
                settle_s=options.settle or SETTLE_S, until_idle_s=options.until_idle
            ),
            poll=options.poll,
            force=options.force,
            jobs=options.jobs,
            tell=_listener(screen, state, workdir.root),
        )
        try:
            with _terminable(), _shown(screen, state):
                report = watch.run()
        except KeyboardInterrupt:
            report = watch.report()
            _document(screen, "ended", report)
            raise StoppedError(
                f"interrupted; {_left(report)}; run the same command again to go on",
                left=report.left,
                open=report.open,
            ) from None
        except HutchError:
            report = watch.report()
            _document(screen, "ended", report)
            screen.say(f"{_done(report)}; {_left(report)}")
            raise
    _document(screen, "ended", report)
    screen.say(_done(report))
    ending = show_problems(screen, report.problems)
    if ending is Exit.OK:
        screen.say("next: hutch close")
    return ending


@dataclass(slots=True)
class State:
    """What a watch has told so far."""

    files: int = 0
    bytes: int = 0
    waiting: int = 0
    in_work: int = 0
    away: str = ""
    moved: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, event: WatchEvent | Event) -> None:
        """Count an event."""
        match event:
            case Planned(files=files):
                self.in_work += files
            case Settled():
                self.in_work -= 1
            case Moved(bytes=size):
                self.moved.append((time.monotonic(), size))
                self._drop_old()
            case Sent(files=files, bytes=size, waiting=waiting):
                self.files += files
                self.bytes += size
                self.waiting = waiting
                self.in_work = 0
            case Waits(error=error, waiting=waiting):
                self.away, self.waiting, self.in_work = error.detail, waiting, 0
            case GoesOn():
                self.away = ""

    def line(self) -> str:
        """Say it in a line."""
        self._drop_old()
        rate = max(sum(size for _, size in tuple(self.moved)), 0) / WINDOW_S
        ending = "waiting for what is away" if self.away else f"{_rate(rate)}"
        return (
            f"push: {text.count(self.files, 'file')} sent, {text.size(self.bytes)}, "
            f"{self.waiting + self.in_work:,} waiting, {ending}"
        )

    def _drop_old(self) -> None:
        oldest = time.monotonic() - WINDOW_S
        while self.moved and self.moved[0][0] < oldest:
            self.moved.popleft()


def _rate(rate: float) -> str:
    return f"{rate / 1e6:.1f} MB/s"


def _listener(screen: Screen, state: State, root: Path) -> TellWatch:
    """Give the listener that suits the screen."""
    last = time.monotonic()

    def tell(event: WatchEvent | Event) -> None:
        nonlocal last
        state.add(event)
        if name := _DOCUMENTS.get(type(event)):  # type: ignore[arg-type]  # others have none
            _document(screen, name, event)
        match event:
            case Began(way=way, why=why):
                how = (
                    f" by looking again and again ({why})" if way is Way.ROUNDS else ""
                )
                screen.note(f"watching {root}{how}; Ctrl-C ends it")
            case Failed(path=path, error=error):
                screen.fail_file(path, error)
            case Waits(error=error, waiting=waiting):
                left = text.count(waiting, "finished file")
                screen.warn(f"waiting, {left} to send: {error.detail} [{error.code}]")
            case GoesOn(seconds=away_s):
                screen.note(f"push: goes on after {span(away_s)}")
            case Sent() if time.monotonic() - last >= PAUSE_S:
                last = time.monotonic()
                if not screen.is_terminal:
                    screen.note(state.line())

    return tell


class _StateColumn(ProgressColumn):
    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state

    def render(self, task: Task) -> Text:  # noqa: ARG002 - there is one task
        return Text(self._state.line())


@contextmanager
def _shown(screen: Screen, state: State) -> Iterator[None]:
    """Keep the state on the last line of a terminal."""
    if screen.json or screen.quiet or not screen.is_terminal:
        yield
        return
    with Progress(
        _StateColumn(state),
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=2,
    ) as bar:
        bar.add_task("push", total=None)
        yield


@contextmanager
def _terminable() -> Iterator[None]:
    """Take SIGTERM, by which services are ended, for Ctrl-C."""

    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is told of signals
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _document(screen: Screen, name: str, value: Any) -> None:
    """Print a line for programs, at once: it may be the last one for hours."""
    if screen.json:
        rows = {f.name: getattr(value, f.name) for f in fields(value)}
        screen.document({"event": name, **rows})
        sys.stdout.flush()


def _done(report: WatchReport) -> str:
    return f"sent {text.count(report.sent, 'file')}, {text.size(report.bytes)}"


def _left(report: WatchReport) -> str:
    left = f"{text.count(report.left, 'file')} left to send"
    if not report.scanned:
        left += ", and what was not looked at yet"
    if report.open:
        left += f"; {text.count(len(report.open), 'file')} still open for writing: "
        left += text.some(report.open)
    return left

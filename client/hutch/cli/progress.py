"""Who listens to a transfer: a bar, a plain line now and then, or nobody."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from hutch.cli import text
from hutch.cli.screen import Screen
from hutch.cli.tally import Tally
from hutch.contract.wire.datasets import OperationOut, OperationState
from hutch.progress import Event, Tell, ignore

PAUSE_S: Final = 10.0
"""Between two plain lines: a log of a night's push stays readable."""


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
        from hutch.cli.bars import transfer_bar  # noqa: PLC0415 - starts slower

        with transfer_bar(title) as tell:
            yield tell
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
    from hutch.cli.bars import operation_bar  # noqa: PLC0415 - starts slower

    with operation_bar(title) as show:

        def both(seen: OperationOut) -> None:
            tell(seen)
            show(seen)

        yield both


def span(seconds: float) -> str:
    """Write a span of time, roughly: it is an estimate."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{rest} s"

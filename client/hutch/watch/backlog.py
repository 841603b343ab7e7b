"""What is finished and not sent yet: one thread looks, another one sends.

Only paths are held, and not more than a bound: what does not fit is found again by a
scan of the whole directory.
"""

import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from hutch.workdir.walk import Fault

MOST: Final = 100_000
"""Paths that are held: some 20 MB, for hours without a server."""


@dataclass(frozen=True, slots=True)
class Again:
    """A file that could not be sent.

    Attributes:
        seconds: After which it may be sent.
        is_slow: Nothing is expected of it soon.
    """

    path: str
    seconds: float
    is_slow: bool = False


class Backlog:
    """Paths that wait to be sent, in the order in which they were finished.

    Args:
        most: Paths that are held.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._changed = threading.Condition()
        self._paths: dict[str, None] = {}
        self._again: deque[Again] = deque()
        self._faults: deque[Fault] = deque()
        self._lost = self._stopped = False
        self._error: BaseException | None = None
        self._news_s = time.monotonic()

    def __len__(self) -> int:
        with self._changed:
            return len(self._paths)

    @property
    def is_full(self) -> bool:
        """Whether a scan should wait until more is sent."""
        return len(self) >= self._most // 2

    @property
    def news_s(self) -> float:
        """When something new was seen last, on the clock ``time.monotonic``."""
        with self._changed:
            return self._news_s

    def note_news(self) -> None:
        """Note that something new was seen."""
        with self._changed:
            self._news_s = time.monotonic()

    def put(self, paths: Iterable[str]) -> None:
        """Note files that are finished."""
        with self._changed:
            self._paths.update(dict.fromkeys(paths))
            if len(self._paths) > self._most:
                self._paths.clear()
                self._lost = True
            self._changed.notify_all()

    def take(self, most: int, *, seconds: float) -> list[str]:
        """Take files out, waiting for the first one.

        Args:
            most: Number of files.
            seconds: How long to wait.

        Raises:
            BaseException: What ended the looking.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._paths or self._stopped or self._error or self._faults,
                timeout=seconds,
            )
            if self._error is not None:
                raise self._error
            taken = list(islice(self._paths, most))
            for path in taken:
                del self._paths[path]
            return taken

    def rest(self, seconds: float) -> None:
        """Wait, unless it is to end."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopped or self._error, timeout=seconds
            )

    def look_again(self, again: Again) -> None:
        """Ask that a file be looked at again after a while."""
        with self._changed:
            self._again.append(again)

    def asked_again(self) -> list[Again]:
        """Take out what is to be looked at again."""
        with self._changed:
            asked = list(self._again)
            self._again.clear()
            return asked

    def is_lost(self) -> bool:
        """Tell, once, whether paths did not fit and must be found again."""
        with self._changed:
            lost, self._lost = self._lost, False
            return lost

    def add_fault(self, fault: Fault) -> None:
        """Note what cannot travel."""
        with self._changed:
            self._faults.append(fault)
            self._changed.notify_all()

    def take_faults(self) -> list[Fault]:
        """Take out what cannot travel."""
        with self._changed:
            faults = list(self._faults)
            self._faults.clear()
            return faults

    def fail(self, error: BaseException) -> None:
        """Note what ended the looking; it is raised where the paths are taken."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def recover(self) -> None:
        """Go on after ``fail``."""
        with self._changed:
            self._error = None

    def stop(self) -> None:
        """End all waiting."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    @property
    def is_stopped(self) -> bool:
        """Whether it is to end."""
        with self._changed:
            return self._stopped

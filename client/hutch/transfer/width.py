"""How many transfers run at a time: more while that pays, fewer where it does not.

A store on a local network is kept busy by a few connections; one that waits for its
disk, or lies far away, wants many. Nobody can know beforehand, so it is tried.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

FIRST: Final = 6
MOST: Final = 24
"""Above this stores only queue; and each thread has a buffer of 4 MiB."""
WINDOW_S: Final = 1.0
"""A rate is measured over so long, and not over fewer than all have ended twice."""
PAYS: Final = 1.1
"""More connections are kept if they move so much more."""
REST: Final = 30
"""Windows between two trials, once one has not paid."""
REQUEST_BYTES: Final = 64 * 1024
"""What a request costs beside its bytes, in bytes that could move instead."""


class Width:
    """How many threads are to work; told what moves, it seeks the best number.

    Args:
        fixed: As many at a time; None means that the number is sought.
        now: A clock in seconds.

    Attributes:
        most: It never gets larger than this.
    """

    def __init__(
        self, fixed: int | None = None, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.limit = fixed or FIRST
        self.most = fixed or MOST
        self._is_fixed = fixed is not None
        self._now = now
        self._changed = threading.Condition()
        self._stopped = False
        self._search = _Search(self.limit)
        self._begun_s = now()
        self._work = self._ended = 0

    def await_turn(self, number: int) -> None:
        """Hold a thread while fewer are to work.

        Args:
            number: The thread's, counted from 0.
        """
        if number >= self.limit:
            with self._changed:
                self._changed.wait_for(lambda: number < self.limit or self._stopped)

    def moved(self, count: int) -> None:
        """Count bytes that went through."""
        self._work += count  # a count that another thread overwrites is no matter

    def ended(self, *, is_busy: bool = False) -> None:
        """Count a request that has ended.

        Args:
            is_busy: The store said that it has too much to do.
        """
        if self._is_fixed:
            return
        with self._changed:
            self._work += REQUEST_BYTES
            self._ended += 1
            span_s = self._now() - self._begun_s
            if is_busy:
                self._change(self._search.halve())
            elif span_s >= WINDOW_S and self._ended >= 2 * self.limit:
                self._change(self._search.next(self._work / span_s))

    def release(self) -> None:
        """Let every thread go, to find out that there is nothing left to do."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _change(self, limit: int) -> None:
        self.limit = limit
        self._begun_s, self._work, self._ended = self._now(), 0, 0
        self._changed.notify_all()


class _Search:
    """Seeks the least number at which no more moves: up by halves, and back."""

    def __init__(self, limit: int) -> None:
        self._limit = self._good = limit
        self._rate = 0.0
        self._rest = 0

    def next(self, rate: float) -> int:
        """Choose the number for the next window.

        Args:
            rate: What moved with the present one, in bytes a second.
        """
        if self._rest:  # what moves changes with the files: no judgement now
            self._rest -= 1
            self._rate = rate
            self._limit = self._good if self._rest else self._more()
        elif rate > self._rate * PAYS:
            self._rate, self._good = rate, self._limit
            self._limit = self._more()
            if self._limit == self._good:
                self._rest = REST
        else:
            self._limit, self._rest = self._good, REST
        return self._limit

    def halve(self) -> int:
        """Choose the number after the store has had enough."""
        self._limit = self._good = max(1, self._limit // 2)
        self._rest = REST
        return self._limit

    def _more(self) -> int:
        return min(MOST, self._good + max(1, self._good // 2))

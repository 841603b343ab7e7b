"""How many transfers run at a time: more while that pays, fewer where it does not.

A store on a local network is kept busy by a few connections; one that waits for its
disk, or lies far away, wants many. Nobody can know beforehand, so it is tried.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

FIRST: Final = 6
MOST: Final = 16
"""Above this stores only queue; and each connection has a buffer here."""
WINDOW_S: Final = 1.0
"""A rate is measured over so long, and not over fewer than all have ended twice."""
PAYS: Final = 1.1
"""More connections are kept if they move so much more."""
REST: Final = 30
"""Windows between two trials, once one has not paid."""
REQUEST_BYTES: Final = 64 * 1024
"""What a request costs beside its bytes, in bytes that could move instead."""


class Width:
    """Lets transfers run, as many at a time as are found to be good.

    Args:
        fixed: As many at a time; None means that the number is sought.
        now: A clock in seconds.
    """

    def __init__(
        self, fixed: int | None = None, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.limit = fixed or FIRST
        self._is_fixed = fixed is not None
        self._now = now
        self._free = threading.Condition()
        self._active = 0
        self._stopped = False
        self._search = _Search(self.limit)
        self._begun_s = now()
        self._work = self._ended = 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until one more may run, and be the one meanwhile."""
        with self._free:
            self._free.wait_for(lambda: self._active < self.limit or self._stopped)
            self._active += 1
        try:
            yield
        finally:
            with self._free:
                self._active -= 1
                self._free.notify()

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
        with self._free:
            self._work += REQUEST_BYTES
            self._ended += 1
            span_s = self._now() - self._begun_s
            if is_busy:
                self._change(self._search.halve())
            elif span_s >= WINDOW_S and self._ended >= 2 * self.limit:
                self._change(self._search.next(self._work / span_s))

    def stop(self) -> None:
        """Let everybody through, to find out that there is nothing left to do."""
        with self._free:
            self._stopped = True
            self._free.notify_all()

    def _change(self, limit: int) -> None:
        self.limit = limit
        self._begun_s, self._work, self._ended = self._now(), 0, 0
        self._free.notify_all()


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

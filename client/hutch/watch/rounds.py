"""Finished files by looking again and again, where no kernel tells."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hutch.watch.backlog import Backlog
from hutch.watch.lookout import STEP, TICK_S, Lookout
from hutch.watch.scan import judged, scan
from hutch.watch.settling import SETTLE_S, Settling
from hutch.workdir.walk import Fault, Found, Stamp

REST_FACTOR: Final = 4
"""A round is followed by a pause of so many times its length: looking at a large
directory takes at most a fifth of a core, and of its server's patience."""


class Rounds(Lookout):
    """Looks through the directory in rounds.

    It remembers a number for each file that was handed over, made of path and stamp:
    some 100 bytes, where the journal's entry takes ten times as much.

    Args:
        root: The working directory.
        backlog: Is given the files.
        settling: Keeps the files that are waited for.
        every_s: Seconds from one round to the next.
    """

    def __init__(
        self,
        root: Path,
        backlog: Backlog,
        settling: Settling,
        *,
        every_s: float = SETTLE_S / 2,
    ) -> None:
        super().__init__(root, backlog, settling)
        self._every_s = every_s
        self._done: set[int] = set()
        self._seen: set[int] = set()
        self._round: Iterator[tuple[str, os.stat_result] | Fault] | None = None
        self._number = 0
        self._is_whole = True
        self._began_s = self._next_s = 0.0
        self._woken = threading.Event()

    def wake(self) -> None:
        """End the wait of a turn."""
        self._woken.set()

    def close(self) -> None:
        """Remember nothing any more."""
        self._done.clear()
        self._seen.clear()

    def forget(self) -> None:
        """Have the next round tell of all files."""
        self._done.clear()
        self._seen.clear()

    def turn(self) -> None:
        """Go on with a round, or wait for the next one."""
        now = time.monotonic()
        if self._round is None and now < self._next_s:
            self._woken.wait(min(TICK_S, self._next_s - now))
            return
        if self._round is None:
            self._began_s, self._number = now, self._asked
            self._is_whole, self._seen = True, set()
            self._round = scan(self._root, "", lambda _directory: True)
        for _ in range(STEP):
            item = next(self._round, None)
            if item is None:
                self._end_round()
                return
            self._look(item)

    def hand_over(self, finished: list[Found]) -> None:
        """Give finished files to whoever sends them, each state of a file once."""
        keys = [_key(found.path, found.stamp) for found in finished]
        self._done.update(keys)
        self._seen.update(keys)
        super().hand_over(finished)

    def _look(self, item: tuple[str, os.stat_result] | Fault) -> None:
        if isinstance(item, Fault):
            self._take(item)
            return
        path, stat = item
        key = _key(path, Stamp.of(stat))
        if key in self._done:
            self._seen.add(key)
        elif self._has_room:
            self._take(judged(path, stat))
        else:
            self._is_whole = False

    def _end_round(self) -> None:
        self._round, self._done = None, self._seen
        now = time.monotonic()
        pause = REST_FACTOR * (now - self._began_s)
        self._next_s = max(self._began_s + self._every_s, now + pause)
        if self._is_whole:
            self._scanned = max(self._scanned, self._number)


def _key(path: str, stamp: Stamp) -> int:
    # 64 bits, keyed anew in each process: two of a million files share one by a
    # chance of one in ten millions.
    return hash((path, stamp.size, stamp.mtime_ns, stamp.ctime_ns, stamp.inode))

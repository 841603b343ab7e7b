"""Files of which it is not known yet that they are finished."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hutch.watch.holders import held_open
from hutch.workdir.walk import Fault, Found, Stamp, look

REST_S: Final = 2.1
"""A file that was closed is sent after so long. Many programs close a file under a
passing name and rename it then; and a journal trusts a file that is as young as 2 s
only after reading it again, which a close would have to do with all of them."""
SETTLE_S: Final = 5.0
"""Size and times must stay for so long where no close is seen. A network file system
tells of changes elsewhere only after 3 s."""
OLD_S: Final = 60.0
"""A file that nobody has touched for so long rests already; clocks of servers are
less wrong than that."""
LONGEST_HELD_S: Final = 60.0
"""A file that stays open is looked at again at least so often."""

CHECK_S: Final = 0.5
"""Who has files open is asked no more often than this,"""
CHECK_FACTOR: Final = 20
"""nor than this many times as long as it took: a large machine has many processes."""


@dataclass(frozen=True, slots=True)
class Rest:
    """A file that is waited for.

    Attributes:
        due: When it is looked at again, on the clock of the settling.
        wait_s: How long it has to stay as it is.
        stamp: As it was seen; None means that it was closed, and only has to rest.
        is_slow: Nothing is expected of it soon.
    """

    due: float
    wait_s: float
    stamp: Stamp | None
    is_slow: bool = False


class Settling:
    """Files that may not be finished; for one thread.

    Args:
        root: The working directory.
        settle_s: Seconds that a file must stay as it is if nobody saw it closed.
        rest_s: Seconds after which a file that was closed is sent.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        root: Path,
        *,
        settle_s: float = SETTLE_S,
        rest_s: float = REST_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root, self._settle_s, self._rest_s = root, settle_s, rest_s
        self._clock = clock
        self._files: dict[str, Rest] = {}
        self._held: set[str] = set()
        self._next_check = float("-inf")

    def __len__(self) -> int:
        return len(self._files)

    @property
    def expected(self) -> int:
        """Number of files of which something is expected soon."""
        return sum(not rest.is_slow for rest in self._files.values())

    @property
    def held(self) -> tuple[str, ...]:
        """Files that somebody had open for writing when they were looked at."""
        return tuple(sorted(self._held))

    def closed(self, path: str) -> None:
        """Note that a writer has closed a file, or that it was moved here."""
        wait_s = self._rest_s
        self._files[path] = Rest(self._clock() + wait_s, wait_s, None)
        self._held.discard(path)

    def seen(self, found: Found) -> bool:
        """Note a file of which nobody knows who writes it.

        Returns:
            Whether it was waited for already and has changed.
        """
        known = self._files.get(found.path)
        if known is not None and known.stamp in {None, found.stamp}:
            return False
        wait_s = self._settle_s
        age_s = time.time() - max(found.stamp.mtime_ns, found.stamp.ctime_ns) / 1e9
        pause = 0.0 if known is None and age_s > max(OLD_S, wait_s) else wait_s
        self._files[found.path] = Rest(self._clock() + pause, wait_s, found.stamp)
        return known is not None

    def again(self, path: str, seconds: float, *, is_slow: bool = False) -> None:
        """Look at a file again after a while, if nothing is heard of it before."""
        found = look(self._root, path)
        if path not in self._files and isinstance(found, Found):
            due = self._clock() + seconds
            self._files[path] = Rest(due, seconds, found.stamp, is_slow)

    def finished(self) -> tuple[list[Found], bool]:
        """Take out the files that are finished.

        Returns:
            The files, and whether one was seen to change.
        """
        now = self._clock()
        may_check = self._next_check <= now
        due = [
            path
            for path, rest in self._files.items()
            if rest.due <= now and (rest.stamp is None or may_check)
        ]
        ready, resting, has_changed = [], [], False
        for path in due:
            rest, found = self._files[path], look(self._root, path)
            if found is None or isinstance(found, Fault):
                self._drop(path)
            elif rest.stamp is None:
                ready.append(found)
            elif rest.stamp != found.stamp:
                has_changed = True
                wait_s = self._settle_s
                self._files[path] = Rest(now + wait_s, wait_s, found.stamp)
            else:
                resting.append(found)
        ready += self._released(resting, now)
        for found in ready:
            self._drop(found.path)
        return ready, has_changed

    def _released(self, resting: list[Found], now: float) -> list[Found]:
        """Choose the files that nobody has open; the others wait longer each time."""
        began_s = time.monotonic()
        held = set(held_open(self._root, resting))
        if resting:
            took_s = time.monotonic() - began_s
            self._next_check = now + max(CHECK_S, CHECK_FACTOR * took_s)
        for path in held:
            rest = self._files[path]
            wait_s = min(2 * max(rest.wait_s, self._settle_s), LONGEST_HELD_S)
            self._files[path] = Rest(now + wait_s, wait_s, rest.stamp, is_slow=True)
        self._held |= held
        return [found for found in resting if found.path not in held]

    def _drop(self, path: str) -> None:
        del self._files[path]
        self._held.discard(path)

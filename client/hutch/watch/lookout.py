"""The thread that looks for finished files, however it does."""

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from hutch.watch.backlog import Backlog
from hutch.watch.settling import Settling
from hutch.workdir.walk import Fault, Found

ROOM: Final = 10_000
"""Files that are waited for at a time; a scan goes on when there are fewer."""
STEP: Final = 500
"""Files that a scan looks at before something else has its turn."""
TICK_S: Final = 0.25
"""Between two looks at the files that are waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a lookout knows at a moment.

    Attributes:
        expected: Files of which something is expected soon.
        held: Files that somebody has open for writing.
        scans: Number of the last scan that came to its end; 0 means none.
    """

    expected: int = 0
    held: tuple[str, ...] = ()
    scans: int = 0


class Lookout(ABC):
    """Looks for finished files in a thread of its own, until the block ends.

    Attributes:
        view: What it knew a moment ago.

    Args:
        root: The working directory.
        backlog: Is given the files, and what ended the looking if anything did.
        settling: Keeps the files that are waited for.
    """

    def __init__(self, root: Path, backlog: Backlog, settling: Settling) -> None:
        self.view = View()
        self._root, self._backlog, self._settling = root, backlog, settling
        self._named: set[str] = set()
        self._lock = threading.Lock()
        self._asked = self._scanned = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="hutch-lookout", daemon=True
        )
        self.ask_scan()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ended.set()
        self.wake()
        self._thread.join()
        self.close()

    def ask_scan(self) -> int:
        """Ask that the whole directory be looked through.

        Returns:
            The number of the scan, to be found in a later view.
        """
        with self._lock:
            self._asked += 1
            return self._asked

    @abstractmethod
    def turn(self) -> None:
        """Look once, waiting a moment if nothing happens."""

    @abstractmethod
    def wake(self) -> None:
        """End the wait of a turn."""

    @abstractmethod
    def close(self) -> None:
        """Give back what the looking needed."""

    @abstractmethod
    def forget(self) -> None:
        """Have the next scan tell of all files."""

    def hand_over(self, finished: list[Found]) -> None:
        """Give finished files to whoever sends them."""
        self._backlog.put(found.path for found in finished)

    def run_once(self) -> None:
        """Take a turn, and hand over what is finished."""
        self.turn()
        for again in self._backlog.asked_again():
            self._settling.again(again.path, again.seconds, is_slow=again.is_slow)
        if self._backlog.is_lost():
            self.forget()
            self.ask_scan()
        finished, has_changed = self._settling.finished()
        if has_changed:
            self._backlog.note_news()
        if finished:
            self.hand_over(finished)
        self.view = View(
            expected=self._settling.expected,
            held=self._settling.held,
            scans=self._scanned,
        )

    @property
    def _has_room(self) -> bool:
        return len(self._settling) < ROOM and not self._backlog.is_full

    def _take(self, found: Found | Fault) -> None:
        """Take what a scan or a look has found."""
        if isinstance(found, Found):
            if self._settling.seen(found):
                self._backlog.note_news()
        elif found.path not in self._named:
            self._named.add(found.path)
            self._backlog.add_fault(found)

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                self.run_once()
        except BaseException as e:  # noqa: BLE001 - raised where paths are taken
            self._backlog.fail(e)

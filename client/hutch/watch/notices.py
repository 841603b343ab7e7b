"""Finished files by what the kernel tells: inotify."""

import errno
import os
import select
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from hutch.errors import ExtraMissingError
from hutch.watch.backlog import Backlog
from hutch.watch.lookout import STEP, TICK_S, Lookout
from hutch.watch.scan import is_ours, judged, scan
from hutch.watch.settling import Settling
from hutch.workdir.walk import Fault, Found, look

GATHER_S: Final = 0.05
"""After the first event others are waited for: a turn then takes many."""
_LIMITS: Final = frozenset({errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_NO_DIRECTORY: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


class TooManyWatchesError(Exception):
    """The kernel lets this user watch no more directories."""


def load() -> ModuleType:
    """Load the library that speaks with the kernel.

    Raises:
        ExtraMissingError: If it is not installed.
    """
    try:
        import inotify_simple  # noqa: PLC0415 - an extra: most installations lack it
    except ImportError:
        raise ExtraMissingError(
            "To be told of finished files hutch needs a library that is not "
            "installed. Run: pip install 'hutch[watch]', or look again and again "
            "with --poll.",
            extra="watch",
        ) from None
    module: ModuleType = inotify_simple
    return module


class Notices(Lookout):
    """Is told by the kernel which files are closed.

    A file that is moved here is finished too. What lies in a directory that comes to
    be is looked for once the directory is watched; so is everything after the kernel
    has lost events.

    Args:
        root: The working directory.
        backlog: Is given the files.
        settling: Keeps the files that are waited for.

    Raises:
        ExtraMissingError: If the library is not installed.
        TooManyWatchesError: If the kernel has no room.
    """

    def __init__(self, root: Path, backlog: Backlog, settling: Settling) -> None:
        super().__init__(root, backlog, settling)
        library = load()
        self._library = library
        self._flags = flags = library.flags
        self._mask = (
            flags.CLOSE_WRITE
            | flags.MOVED_TO
            | flags.MOVED_FROM
            | flags.CREATE
            | flags.ONLYDIR
            | flags.DONT_FOLLOW
            | flags.EXCL_UNLINK
        )
        self._directories: dict[int, str] = {}
        self._scans: deque[tuple[int, Iterator[Any]]] = deque()
        self._begun = 0
        self._kernel = self._open()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def wake(self) -> None:
        """End the wait of a turn."""
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Watch nothing any more."""
        self._kernel.close()
        os.close(self._wake)

    def forget(self) -> None:
        """Do nothing: a scan tells of all files anyway."""

    def turn(self) -> None:
        """Take what the kernel tells, then look through a part of what is new."""
        if self._begun < self._asked:
            self._begun = self._asked
            self._scans.append((self._begun, scan(self._root, "", self._enter)))
        is_scanning = bool(self._scans) and self._has_room
        waiting = select.poll()
        waiting.register(self._kernel, select.POLLIN)
        waiting.register(self._wake, select.POLLIN)
        if waiting.poll(0 if is_scanning else TICK_S * 1000) and not is_scanning:
            self._ended.wait(GATHER_S)
        for event in self._kernel.read(timeout=0):
            self._note(event.wd, event.mask, event.name)
        if is_scanning:
            self._scan_on()

    def _open(self) -> Any:
        try:
            return self._library.INotify()
        except OSError as e:
            if e.errno in _LIMITS:
                raise TooManyWatchesError from e
            raise

    def _note(self, watch: int, mask: int, name: str) -> None:
        flags = self._flags
        if mask & flags.Q_OVERFLOW:
            self._begin_anew()
            return
        if mask & (flags.IGNORED | flags.UNMOUNT):
            self._directories.pop(watch, None)
            return
        directory = self._directories.get(watch)
        if directory is None:  # what was told before it was given up
            return
        path = f"{directory}/{name}" if directory else name
        if not mask & flags.ISDIR:
            self._note_file(path, mask)
        elif mask & flags.MOVED_FROM:
            self._leave(path)
        elif mask & (flags.CREATE | flags.MOVED_TO) and is_ours(path):
            self._backlog.note_news()
            self._scans.append((0, scan(self._root, path, self._enter)))

    def _note_file(self, path: str, mask: int) -> None:
        found: Found | Fault | None
        if mask & (self._flags.CLOSE_WRITE | self._flags.MOVED_TO):
            self._backlog.note_news()
            found = look(self._root, path)
            if isinstance(found, Found):
                self._settling.closed(path)
            elif found is not None:
                self._take(found)
        elif mask & self._flags.CREATE:
            self._backlog.note_news()
            with suppress(OSError):
                stat = (self._root / path).lstat()
                found = judged(path, stat)
                # A second name for a file, or one for a file that had none, is not
                # followed by a close.
                if isinstance(found, Fault) or stat.st_nlink > 1 or stat.st_size:
                    self._take(found)

    def _enter(self, directory: str) -> bool:
        """Watch a directory before it is looked into."""
        try:
            watch = self._kernel.add_watch(self._root / directory, self._mask)
        except OSError as e:
            if e.errno in _LIMITS:
                raise TooManyWatchesError from e
            return e.errno not in _NO_DIRECTORY  # what else is wrong, reading tells
        self._directories[watch] = directory
        return True

    def _leave(self, directory: str) -> None:
        """Watch a directory that was moved away no longer under its old name."""
        below = f"{directory}/"
        gone = [
            watch
            for watch, path in self._directories.items()
            if path == directory or path.startswith(below)
        ]
        for watch in gone:
            del self._directories[watch]
            with suppress(OSError):
                self._kernel.rm_watch(watch)

    def _begin_anew(self) -> None:
        """Watch all directories afresh: it is not known what was lost."""
        self._kernel.close()
        self._directories.clear()
        self._scans.clear()
        self._kernel = self._open()
        self.ask_scan()

    def _scan_on(self) -> None:
        for _ in range(STEP):
            if not self._scans:
                return
            number, found = self._scans[0]
            try:
                item = next(found)
            except StopIteration:
                self._scans.popleft()
                self._scanned = max(self._scanned, number)
            else:
                self._take(item if isinstance(item, Fault) else judged(*item))

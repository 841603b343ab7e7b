"""Files on their way into a working directory, before they have a name in it.

All but small ones are written past the page cache: making room there costs more than
the disk does, above all on a virtual machine whose host has to find the memory. What
was just fetched is rarely read at once.
"""

import errno
import os
from contextlib import suppress
from typing import Final

from hutch.contract.parts import KIB
from hutch.workdir.disk import begin_writing, reserve

DIRECT_FROM: Final = 128 * KIB
"""Size of the smallest file that goes past the page cache; below it gains nothing."""
ALIGNED: Final = 4096
"""Position, length and memory of such writes are multiples of this: no disk has larger
blocks."""

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECT: Final[int] = getattr(os, "O_DIRECT", 0)
_AGAIN: Final = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | _DIRECT


class Draft:
    """A file without a name in the tree; several threads may write to it.

    It is closed by whoever knows that no thread writes to it any more: its descriptors
    may be those of other files a moment later.

    Args:
        directory: Descriptor of the directory that it lies in until then.
        name: Its name there.
        size: Bytes that it will have.

    Attributes:
        handle: Descriptor for writing through the page cache.
        is_placed: It has got a name in the tree.
    """

    def __init__(self, directory: int, name: str, size: int) -> None:
        self.name = name
        self.is_placed = False
        self._directory = directory
        self._is_direct, self._direct = False, -1
        self.handle = os.open(name, _NEW, 0o666, dir_fd=directory)
        try:
            if size >= DIRECT_FROM:
                reserve(self.handle, size)
                self._direct = _open_direct(name, directory)
            self._is_direct = self._direct >= 0
        except BaseException:
            self.close()
            raise

    def write(self, at: int, block: memoryview) -> None:
        """Write bytes.

        Args:
            at: Position in the file.
            block: Should begin at a page of memory; the last one of a file need not be
                of whole pages.

        Raises:
            OSError: If they cannot be written.
        """
        whole = len(block) - len(block) % ALIGNED
        if self._is_direct and whole:
            done = self._write_direct(at, block[:whole])
            at, block = at + done, block[done:]
        while block:
            done = os.pwrite(self.handle, block, at)
            at, block = at + done, block[done:]

    def flush(self) -> None:
        """Have the system begin to write what was written, without waiting for it."""
        begin_writing(self.handle)

    def date(self, mtime_ns: int) -> None:
        """Set the time of last change, in nanoseconds since 1970.

        Raises:
            OSError: If it cannot be set.
        """
        os.utime(self.handle, ns=(mtime_ns, mtime_ns))

    def sync(self) -> None:
        """Wait until all is on the disk.

        Raises:
            OSError: If it cannot be brought there.
        """
        os.fsync(self.handle)

    def close(self) -> None:
        """End it: what has no place by now is gone."""
        handles = (self.handle, self._direct)
        self._is_direct, self.handle, self._direct = False, -1, -1
        for handle in handles:
            if handle >= 0:
                os.close(handle)
        if not self.is_placed:
            with suppress(OSError):
                os.unlink(self.name, dir_fd=self._directory)

    def _write_direct(self, at: int, block: memoryview) -> int:
        """Write past the page cache as far as that goes."""
        done = 0
        while done < len(block):
            try:
                written = os.pwrite(self._direct, block[done:], at + done)
            except OSError as e:
                if e.errno != errno.EINVAL:
                    raise
                written = 0  # the file system opens such files, but takes no write
            done += written
            if not written or done % ALIGNED:
                self._is_direct = False
                break
        return done


def _open_direct(name: str, directory: int) -> int:
    """Open a file for writes past the page cache; -1 where there are none."""
    if not _DIRECT:
        return -1
    try:
        return os.open(name, _AGAIN, dir_fd=directory)
    except OSError:
        return -1

"""What the system can do for files on a disk, beyond what Python has calls for.

All of it is only better than the ordinary way: where a call is missing or refused, the
caller goes that way.
"""

import ctypes
import errno
import os
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final, cast

from hutch.contract.parts import MIB

LITTLE: Final = 256 * MIB
"""Bytes that the whole machine has still to write: more than that is not waited for
because of a few files."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
_SYNC_FILE_RANGE_WRITE: Final = 2
_KNOWN: Final = frozenset({0xEF53, 0x58465342})
"""ext4 and XFS: a sync of all is a commit of their journal, like that of one file."""
_TELLS_FAULTS: Final = (5, 8)
"""Since this version of Linux ``syncfs`` fails if anything could not be written."""
_STATFS_BYTES: Final = 256
_MEMORY: Final = Path("/proc/meminfo")
_TO_WRITE: Final = ("Dirty:", "Writeback:")


def reserve(handle: int, size: int) -> None:
    """Give a file its size, and its room where the file system can set that aside.

    Raises:
        OSError: If there is no room.
    """
    # Not posix_fallocate: where the file system cannot do it, the C library would
    # write to each block instead.
    if (call := _system_call("fallocate")) is not None:
        if call(handle, 0, ctypes.c_int64(0), ctypes.c_int64(size)) == 0:
            return
        if (number := ctypes.get_errno()) in _FULL:
            raise OSError(number, os.strerror(number))
    os.ftruncate(handle, size)


def begin_writing(handle: int) -> None:
    """Have the system begin to write what a file holds, without waiting for it."""
    if (call := _system_call("sync_file_range")) is not None:
        zero = ctypes.c_int64(0)
        call(handle, zero, zero, _SYNC_FILE_RANGE_WRITE)


class Disk:
    """The disk on which a directory lies.

    Args:
        handle: Of the directory, open since before anything was written there.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._lock = threading.Lock()
        self._is_faulty = False

    def sync_all(self) -> bool:
        """Bring all that its file system holds there, if that costs little.

        For many files that is much less than each by itself, for which the disk would
        empty its own memory every time. But it also waits for what other programs have
        written: they may write more than anybody would wait for.

        Returns:
            Whether all is there. If not, nothing is known: each file must be brought
            there by itself, which also tells which one cannot be.
        """
        call = _system_call("syncfs")
        if call is None or not _tells_faults() or _kind(self._handle) not in _KNOWN:
            return False
        # The system tells of a fault only once: the others must not miss it.
        with self._lock:
            if self._is_faulty or _unwritten() > LITTLE:
                return False
            self._is_faulty = call(self._handle) != 0
            return not self._is_faulty


def _kind(handle: int) -> int:
    """Tell the number of a file system's type; 0 if it is not known."""
    call, told = _system_call("fstatfs"), ctypes.create_string_buffer(_STATFS_BYTES)
    if call is None or call(handle, told) != 0:
        return 0
    return int(ctypes.c_long.from_buffer(told).value)  # its first field


@cache
def _tells_faults() -> bool:
    major, minor, *_ = (*os.uname().release.split("."), "0")
    try:
        return (int(major), int(minor.partition("-")[0])) >= _TELLS_FAULTS
    except ValueError:
        return False


def _unwritten() -> int:
    """Tell how many bytes of all programs are still to be written."""
    try:
        lines = _MEMORY.read_text("ascii").splitlines()
        return 1024 * sum(int(x.split()[1]) for x in lines if x.startswith(_TO_WRITE))
    except (OSError, ValueError, IndexError):
        return LITTLE + 1


@cache
def _system_call(name: str) -> Callable[..., int] | None:
    """Find a call that Python does not have; None if the system has none."""
    try:
        found = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (AttributeError, OSError):
        return None
    return cast("Callable[..., int]", found)

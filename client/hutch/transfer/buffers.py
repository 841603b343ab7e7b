"""Memory that bytes pass through: one buffer for each thread, used again and again."""

import ctypes
import mmap
import threading
from contextlib import suppress
from typing import Final

from hutch.contract.parts import MIB

SIZE: Final = 4 * MIB
"""Bytes of a thread's buffer: writes past the page cache gain nothing from more."""
_HUGE: Final = 2 * MIB
"""A huge page of the processor: the disk is told of two of them, not of a thousand
small ones, which takes a third of the CPU and two thirds of the time."""
_ADVICE: Final[int | None] = getattr(mmap, "MADV_HUGEPAGE", None)

_of_thread = threading.local()


def aligned() -> memoryview:
    """Give the calling thread's buffer of ``SIZE`` bytes, which begins at a page.

    Whoever calls again in the same thread gets the same bytes: only one transfer at a
    time may use them. They go with the thread.
    """
    buffer: memoryview | None = getattr(_of_thread, "buffer", None)
    if buffer is None:
        buffer = _of_thread.buffer = _make()
    return buffer


def _make() -> memoryview:
    # More is mapped than is used: what is never touched takes no memory.
    mapped = mmap.mmap(-1, SIZE + _HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    start = -ctypes.addressof(ctypes.c_char.from_buffer(mapped)) % _HUGE
    if _ADVICE is not None:
        with suppress(OSError):  # a kernel without them
            mapped.madvise(_ADVICE, start, SIZE)
    return memoryview(mapped)[start : start + SIZE]

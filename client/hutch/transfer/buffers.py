"""Memory that bytes pass through: one buffer for each thread, used again and again."""

import mmap
import threading
from typing import Final

from hutch.contract.parts import MIB

SIZE: Final = 4 * MIB
"""Bytes of a thread's buffer: writes past the page cache gain nothing from more."""

_of_thread = threading.local()


def aligned() -> memoryview:
    """Give the calling thread's buffer of ``SIZE`` bytes, which begins at a page.

    Whoever calls again in the same thread gets the same bytes: only one transfer at a
    time may use them. They go with the thread.
    """
    buffer: memoryview | None = getattr(_of_thread, "buffer", None)
    if buffer is None:
        buffer = _of_thread.buffer = memoryview(mmap.mmap(-1, SIZE))
    return buffer

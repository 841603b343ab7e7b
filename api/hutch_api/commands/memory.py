"""How the processes of a server deal with memory."""

import ctypes
import gc
from contextlib import suppress
from typing import Final

_MMAP_THRESHOLD: Final = -3
"""Number of this option in glibc's ``mallopt``."""
_LARGE: Final = 1024 * 1024
"""Bytes from which a piece of memory goes back to the system when it is freed."""
_NEW_OBJECTS: Final = 20_000
"""After so many the collector looks for cycles; a batch of files has more."""


def return_large_memory() -> None:
    """Have the C library keep no large piece of memory for a thread that freed it.

    By itself it takes the largest piece ever freed for a usual size: after one login,
    which takes 19 MiB, whatever a thread frees below that would stay with the thread.
    """
    with suppress(AttributeError):  # other C libraries return it anyway
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)


def spare_the_collector() -> None:
    """Keep the garbage collector from what is there for good.

    It would go through the whole program again and again while files are worked on.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)

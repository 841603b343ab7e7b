"""What a transfer tells while it runs; who listens is the caller's choice.

Events come from several threads, one at a time: a listener needs no lock.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from hutch.contract.problems import HutchError


@dataclass(frozen=True, slots=True)
class Planned:
    """More work is known; the sums of all these events are the whole.

    Attributes:
        files: Number of files.
        bytes: Sum of their sizes.
    """

    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Moved:
    """Bytes that arrived since the last event; negative when a part is retried."""

    path: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Settled:
    """A file is done: it is where it should be, or it will not get there.

    Attributes:
        path: Relative path of the file.
        error: Why it failed; None means that it is safe.
    """

    path: str
    error: HutchError | None = None


Event = Planned | Moved | Settled
Tell = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """Listen to nothing."""


def one_by_one(tell: Tell) -> Tell:
    """Make a listener that threads may call without waiting for their turn."""
    lock = threading.Lock()

    def locked_tell(event: Event) -> None:
        with lock:
            tell(event)

    return locked_tell

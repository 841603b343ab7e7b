"""What a transfer tells while it runs; who listens is the caller's choice.

Events come from several threads, one at a time: a listener needs no lock.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

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


T = TypeVar("T")
PLAN_AT: Final = 500
"""Files that are told of together: an event for each would cost more than it says."""


def planned(items: Iterable[T], size: Callable[[T], int], tell: Tell) -> Iterator[T]:
    """Tell of work as it becomes known, and hand it on.

    Args:
        items: One for each file.
        size: Tells its bytes.
        tell: Is told of some files at a time.
    """
    files = total = 0
    for item in items:
        files, total = files + 1, total + size(item)
        if files >= PLAN_AT:
            tell(Planned(files, total))
            files = total = 0
        yield item
    if files:
        tell(Planned(files, total))


def ignore(_event: Event) -> None:
    """Listen to nothing."""


def one_by_one(tell: Tell) -> Tell:
    """Make a listener that threads may call without waiting for their turn."""
    if tell is ignore:
        return ignore
    lock = threading.Lock()

    def locked_tell(event: Event) -> None:
        with lock:
            tell(event)

    return locked_tell

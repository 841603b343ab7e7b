"""What a watch tells while it runs, and in the end."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from hutch.contract.problems import HutchError
from hutch.models import Problem
from hutch.progress import Event


class Way(StrEnum):
    """How finished files are noticed."""

    NOTICES = "notices"
    ROUNDS = "rounds"


@dataclass(frozen=True, slots=True)
class Began:
    """The looking began.

    Attributes:
        why: Why it is done by rounds; empty if it is not.
    """

    way: Way
    why: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """Files were sent.

    Attributes:
        files: Number of files of this time.
        bytes: Sum of their sizes.
        waiting: Finished files that are still to be sent.
    """

    files: int
    bytes: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A file does not travel as it is; told once for each reason."""

    path: str
    error: HutchError


@dataclass(frozen=True, slots=True)
class Waits:
    """Nothing can be sent for now; told once, until something was sent again.

    Attributes:
        error: What is waited for.
        waiting: Finished files that are still to be sent.
    """

    error: HutchError
    waiting: int


@dataclass(frozen=True, slots=True)
class GoesOn:
    """Files are sent again.

    Attributes:
        seconds: How long that was not so.
    """

    seconds: float


WatchEvent = Began | Sent | Failed | Waits | GoesOn
TellWatch = Callable[[WatchEvent | Event], None]
"""Is told what happens, one event at a time; also the events of each push."""


def ignore(_event: WatchEvent | Event) -> None:
    """Listen to nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchReport:
    """What a watch did.

    Attributes:
        sent: Files that were sent; one that was written again counts again.
        bytes: Sum of their sizes.
        left: Files that are finished, or soon will be, and were not sent.
        open: Files that somebody still has open for writing.
        scanned: The directory was looked through to its end.
        problems: Files that did not get there.
    """

    sent: int
    bytes: int
    left: int
    open: tuple[str, ...]
    scanned: bool
    problems: tuple[Problem, ...]

"""How often a request is sent again, and how long a server is waited for."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

ATTEMPTS: Final = 5
"""For a server that never answered: its address may be wrong."""
PATIENT_ATTEMPTS: Final = 12
PATIENCE_S: Final = 30.0
"""A server that has answered before is waited for so long: it may be starting anew."""
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 6.0
LONGEST_ASKED_S: Final = 30.0
"""A server that asks for more patience than this gets an error instead."""

Waiting = Callable[[str], None]
"""Is told the server's address when a longer wait for it begins."""


def ignore(_url: str) -> None:
    """Say nothing about a wait."""


class Patience:
    """What the threads of one connection know of its server.

    Args:
        url: The server.
        waiting: Is told once when a longer wait begins.
    """

    def __init__(self, url: str, waiting: Waiting) -> None:
        self._url, self._waiting = url, waiting
        self._is_waiting = False
        self._hurried = threading.Event()
        self.has_answered = False

    def hurry(self, *, now: bool) -> None:
        """End all waits, and begin none, until told otherwise."""
        if now:
            self._hurried.set()
        else:
            self._hurried.clear()

    @property
    def is_hurried(self) -> bool:
        """Whether nobody wants to wait any more."""
        return self._hurried.is_set()

    def answered(self) -> None:
        """Note that the server lives."""
        self.has_answered, self._is_waiting = True, False

    def begin(self) -> "Attempts":
        """Begin to send one request."""
        return Attempts(self)

    def tell_waiting(self) -> None:
        """Say that a longer wait begins, once and not for each thread."""
        if not self._is_waiting:
            self._is_waiting = True
            self._waiting(self._url)

    def rest(self, seconds: float) -> None:
        """Wait, unless somebody is in a hurry."""
        self._hurried.wait(seconds)


@dataclass(slots=True)
class Attempts:
    """The attempts at one request.

    Attributes:
        number: Of the present attempt, from 1.
        waited_s: Seconds of all pauses so far.
    """

    patience: Patience
    number: int = 1
    waited_s: float = 0.0

    def are_over(self, *, silent: bool = False, asked_s: float | None = None) -> bool:
        """Tell whether this was the last one.

        Args:
            silent: The server let the time run out: it is there, and does not answer.
            asked_s: Seconds of patience that it asked for.
        """
        if self.patience.is_hurried or (asked_s or 0) > LONGEST_ASKED_S:
            return True
        if self.number < ATTEMPTS:
            return False
        patient = self.patience.has_answered and not silent
        spent = self.waited_s >= PATIENCE_S or self.number >= PATIENT_ATTEMPTS
        return spent or not patient

    def pause(self, asked_s: float | None = None) -> None:
        """Wait before the next attempt, as long as the server asked for."""
        seconds = min(FIRST_PAUSE_S * 2 ** (self.number - 1), LONGEST_PAUSE_S)
        seconds *= random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing
        if self.number >= ATTEMPTS:
            self.patience.tell_waiting()
        if asked_s is not None:
            seconds = asked_s
        self.patience.rest(seconds)
        self.waited_s += seconds
        self.number += 1

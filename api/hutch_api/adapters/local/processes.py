"""The processes of attempts, as the kernel shows them.

A process is known by its id and the moment it began: ids come again. All that belongs
to an attempt has its id in the environment, which is handed on to whatever it starts.
"""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from uuid import UUID

from hutch_api.ports.executor import ExecutorUnavailableError

ATTEMPT: Final = "HUTCH_ATTEMPT"
_ENDS_S: Final = 20
_POLL_S: Final = 0.02
_STATE, _BEGAN = 0, 19
"""Places in ``/proc/<pid>/stat``, counted behind the name of the program."""
_PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One process, which has ended if another one has its id.

    Attributes:
        began: Ticks after the machine did.
    """

    pid: int
    began: int

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Look at a process; None if there is none, or it only waits to be reaped."""
        fields = _look(pid)
        if fields is None or fields[_STATE] in {"Z", "X"}:
            return None
        return cls(pid, int(fields[_BEGAN]))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read what ``text`` wrote; None if it is nothing of that kind."""
        pid, _, began = text.partition(" ")
        if not (pid.isdecimal() and began.isdecimal()):
            return None
        return cls(int(pid), int(began))

    @property
    def text(self) -> str:
        """Write it down, for a later look."""
        return f"{self.pid} {self.began}"

    def is_alive(self) -> bool:
        """Tell whether it is still this one."""
        return Process.of(self.pid) == self


def end_all(attempt: UUID) -> None:
    """End every process of an attempt, and wait until none is left.

    Raises:
        ExecutorUnavailableError: The kernel does not let one go.
    """
    deadline = time.monotonic() + _ENDS_S
    while left := list(_of_attempt(attempt)):
        if time.monotonic() > deadline:
            raise ExecutorUnavailableError(
                f"processes of attempt {attempt} do not end: "
                f"{', '.join(map(str, left))}"
            )
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(_POLL_S)


def _of_attempt(attempt: UUID) -> Iterator[int]:
    mark = f"{ATTEMPT}={attempt}".encode()
    for place in _PROC.iterdir():
        if not place.name.isdecimal():
            continue
        try:
            environ = (place / "environ").read_bytes()
        except OSError:
            continue  # it has just ended, or is not of this user
        if mark in environ.split(b"\0") and Process.of(int(place.name)) is not None:
            yield int(place.name)


def _look(pid: int) -> list[str] | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()

"""The directory of an attempt: what its steps share, and how far they are.

::

    in/ out/ work/ run/   as in a container
    claim/                the codes of the step that begins; empty otherwise
    begun-STEP            the process that keeps the step
    exit-STEP             how it ended
    log                   what the program writes
    STEP.log              what one of hutch's own steps writes
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hutch.contract.wire.runs import StepKind
from hutch_api.adapters.directories import AttemptDirectory
from hutch_api.adapters.local.processes import Process

_DIRECTORIES: Final = ("in", "out", "work", "run", "claim")
_LONGEST: Final = 64 * 1024
CLAIMS: Final[Mapping[StepKind, str]] = {
    StepKind.IN: "claim",
    StepKind.MAIN: "program",
    StepKind.OUT: "claim",
}
"""Where the first and last step find the code of which step."""


class Place(AttemptDirectory):
    """The directory of an attempt."""

    __slots__ = ()

    def make(self) -> None:
        """Make it: whole or not at all."""
        with self._made() as making:
            for name in _DIRECTORIES:
                (making / name).mkdir(mode=0o700)

    def note_begun(self, step: StepKind, keeper: Process | None) -> None:
        """Note that a step begins; then by which process it is kept."""
        text = "" if keeper is None else keeper.text
        self._write(f"begun-{step}", text.encode(), os.O_TRUNC)

    def has_begun(self, step: StepKind) -> bool:
        """Tell whether a step has begun, as far as this was noted."""
        return (self.path / f"begun-{step}").exists()

    def keeper(self, step: StepKind) -> Process | None:
        """Give the process that keeps a step, if it was noted."""
        return Process.parse(self._read(f"begun-{step}").strip())

    def exit_code(self, step: StepKind) -> int | None:
        """Tell how a step ended; None if nobody has noted it."""
        text = self._read(f"exit-{step}").strip()
        return int(text) if text.isdecimal() else None

    def hand(self, step: StepKind, code: str) -> None:
        """Lay down the claim code of a step."""
        self._write(f"claim/{CLAIMS[step]}", code.encode(), os.O_EXCL)

    def take_back(self) -> None:
        """Remove claim codes: they were used, or are not good any more."""
        for name in CLAIMS.values():
            (self.path / "claim" / name).unlink(missing_ok=True)

    def log_of(self, step: StepKind) -> Path:
        """Say where a step writes."""
        return self.path / ("log" if step is StepKind.MAIN else f"{step}.log")

    def read_log(self, *, after: int, most: int) -> bytes:
        """Read what the program has written, from a byte on."""
        return self._piece(self.log_of(StepKind.MAIN).name, after=after, most=most)

    def end_of_log(self, step: StepKind) -> str:
        """Read the last of what a step has written."""
        try:
            with self.log_of(step).open("rb") as log:
                length = log.seek(0, os.SEEK_END)
                log.seek(max(0, length - _LONGEST))
                return log.read(_LONGEST).decode(errors="replace")
        except FileNotFoundError:
            return ""

    def _write(self, name: str, data: bytes, flags: int) -> None:
        how = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | flags
        with os.fdopen(os.open(self.path / name, how, 0o600), "wb") as file:
            file.write(data)

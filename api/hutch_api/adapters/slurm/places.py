"""The directories that runner and jobs share: one for each attempt.

Each file in them is written whole under another name first. A directory is listed
before its files are read: a client of a file server may believe for a minute that
a file is not there, unless it lists the directory anew.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from hutch.contract.wire.runs import StepKind
from hutch_api.adapters.containment import KILLED
from hutch_api.adapters.directories import AttemptDirectory
from hutch_api.adapters.words import last_words
from hutch_api.ports.executor import Phase, Sight


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a job has left so far.

    Attributes:
        step: The step that it is in.
        codes: How steps ended.
        detail: Why a step could not be executed; None if nothing was in the way.
        words: The last line of the step that failed, if it is one of hutch's own.
        used: Bytes that the program has written, as the job counts them.
    """

    has_begun: bool = False
    step: StepKind = StepKind.IN
    node: str = ""
    codes: Mapping[StepKind, int] = field(default_factory=dict)
    detail: str | None = None
    words: str = ""
    used: int = 0

    def verdict(self) -> Sight | None:
        """Tell how the job ended; None if it has not said so."""
        for step, code in self.codes.items():
            if code != 0 or step is StepKind.OUT:
                return Sight(
                    step=step,
                    phase=Phase.ENDED,
                    exit_code=code,
                    is_oom=code == KILLED,
                    detail=self.words,
                    node=self.node,
                )
        if self.detail is not None:
            return Sight(
                step=self.step, phase=Phase.GONE, detail=self.detail, node=self.node
            )
        return None


class Place(AttemptDirectory):
    """The directory of an attempt; a job that goes on finds it gone, and ends."""

    __slots__ = ()

    def make(self, files: Mapping[str, bytes]) -> None:
        """Make it: all files or none."""
        how = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with self._made() as making:
            for name, content in files.items():
                with os.fdopen(os.open(making / name, how, 0o600), "wb") as opened:
                    opened.write(content)

    def note(self, name: str) -> None:
        """Leave a mark."""
        (self.path / name).touch(mode=0o600)

    def find(self) -> Findings:
        """Read what the job has left."""
        try:
            names = set(os.listdir(self.path))  # noqa: PTH208 - names are all it takes
        except FileNotFoundError:
            return Findings()
        read = {name: self._read(name).strip() for name in names & _RESULTS.keys()}
        codes = {
            step: int(read[f"exit-{step}"])
            for step in StepKind
            if read.get(f"exit-{step}", "").isdecimal()
        }
        step, used = read.get("step", ""), read.get("used", "")
        failed = next((s for s, c in codes.items() if c != 0), StepKind.MAIN)
        return Findings(
            has_begun="begun" in names,
            step=StepKind(step) if step in set(StepKind) else StepKind.IN,
            node=read.get("node", ""),
            codes=codes,
            detail=read.get("detail"),
            used=int(used) if used.isdecimal() else 0,
            words=""
            if failed is StepKind.MAIN
            else last_words(self._read(f"{failed}.log").strip()),
        )

    def has(self, name: str) -> bool:
        """Tell whether a mark was left."""
        return (self.path / name).exists()

    def log(self, *, after: int, most: int) -> bytes:
        """Read what the program has written, from a byte on."""
        return self._piece("main.log", after=after, most=most)


_RESULTS: Final = dict.fromkeys(
    ("step", "node", "detail", "used", *(f"exit-{step}" for step in StepKind))
)

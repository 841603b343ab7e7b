"""The directories that runner and jobs share: one for each attempt.

Each file in them is written whole under another name first. A directory is listed
before its files are read: a client of a file server may believe for a minute that
a file is not there, unless it lists the directory anew.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

from hutch.contract.wire.runs import StepKind
from hutch_api.adapters.containment import KILLED
from hutch_api.adapters.words import last_words
from hutch_api.ports.executor import Phase, Sight

_MAKING, _REMOVING = ".making", ".removing"
_LONGEST: Final = 64 * 1024
"""Of the small files that jobs leave; the log of a program is another matter."""


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


@dataclass(frozen=True, slots=True)
class Place:
    """The directory of an attempt."""

    path: Path

    def is_there(self) -> bool:
        """Tell whether it was made, with all that a job begins with."""
        return self.path.is_dir()

    def make(self, files: Mapping[str, bytes]) -> None:
        """Make it: all files or none."""
        making = self._beside(_MAKING)
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700, parents=True)
        for name, content in files.items():
            file = os.open(making / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "wb") as opened:
                opened.write(content)
        making.rename(self.path)

    def note(self, name: str) -> None:
        """Leave a mark."""
        (self.path / name).touch(mode=0o600)

    def find(self) -> Findings:
        """Read what the job has left."""
        try:
            names = set(os.listdir(self.path))  # noqa: PTH208 - names are all it takes
        except FileNotFoundError:
            return Findings()
        read = {name: self._read(name) for name in names & _RESULTS.keys()}
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
            else last_words(self._read(f"{failed}.log")),
        )

    def has(self, name: str) -> bool:
        """Tell whether a mark was left."""
        return (self.path / name).exists()

    def log(self, *, after: int, most: int) -> bytes:
        """Read what the program has written, from a byte on."""
        try:
            with (self.path / "main.log").open("rb") as log:
                log.seek(after)
                return log.read(most)
        except FileNotFoundError:
            return b""

    def remove(self) -> None:
        """Remove it; a job that goes on finds it gone, and ends itself."""
        removing = self._beside(_REMOVING)
        if self.path.exists():
            shutil.rmtree(removing, ignore_errors=True)
            self.path.rename(removing)
        for left in (removing, self._beside(_MAKING)):
            # What cannot be removed now is listed, and so tried again.
            shutil.rmtree(left, ignore_errors=True)

    def _beside(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)

    def _read(self, name: str) -> str:
        try:
            with (self.path / name).open("rb") as file:
                return file.read(_LONGEST).decode(errors="replace").strip()
        except FileNotFoundError:
            return ""


_RESULTS: Final = dict.fromkeys(
    ("step", "node", "detail", "used", *(f"exit-{step}" for step in StepKind))
)


def listed(root: Path) -> Iterator[UUID]:
    """List the attempts that anything is left of below a directory."""
    try:
        names = os.listdir(root)  # noqa: PTH208 - names are all it takes
    except FileNotFoundError:
        return
    for name in names:
        try:
            yield UUID(name.removesuffix(_MAKING).removesuffix(_REMOVING))
        except ValueError:
            continue  # nothing of ours

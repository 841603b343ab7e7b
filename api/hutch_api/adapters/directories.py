"""Directories of attempts: there as a whole or not at all, and listed until gone."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

_MAKING, _REMOVING = ".making", ".removing"
_LONGEST: Final = 64 * 1024
"""Of the small files in them; the log of a program is another matter."""


@dataclass(frozen=True, slots=True)
class AttemptDirectory:
    """The directory of an attempt."""

    path: Path

    def is_there(self) -> bool:
        """Tell whether it was made, with all that an attempt begins with."""
        return self.path.is_dir()

    def remove(self) -> None:
        """Remove it; again is fine."""
        removing = self._beside(_REMOVING)
        if self.path.exists():
            shutil.rmtree(removing, ignore_errors=True)
            self.path.rename(removing)
        for left in (removing, self._beside(_MAKING)):
            # What cannot be removed now is listed, and so tried again.
            shutil.rmtree(left, ignore_errors=True)

    @contextmanager
    def _made(self) -> Iterator[Path]:
        """Give a directory to be filled, which then has this one's name."""
        making = self._beside(_MAKING)
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700, parents=True)
        yield making
        making.rename(self.path)

    def _beside(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)

    def _read(self, name: str) -> str:
        """Read a small file; one that is not there holds nothing."""
        return self._piece(name, after=0, most=_LONGEST).decode(errors="replace")

    def _piece(self, name: str, *, after: int, most: int) -> bytes:
        """Read of a file from a byte on; one that is not there holds nothing."""
        try:
            with (self.path / name).open("rb") as file:
                file.seek(after)
                return file.read(most)
        except FileNotFoundError:
            return b""


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

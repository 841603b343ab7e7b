"""The files that are moved: how many, how large, and how they are made."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

KIB: Final = 1024
MIB: Final = 1024**2
GIB: Final = 1024**3

Scale = Literal["full", "reduced", "smoke"]

_BLOCK: Final = MIB
_IN_A_DIRECTORY: Final = 1_000
_MARK: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A tree of files of one size.

    Attributes:
        name: As ``make bench WORKS=…`` has it.
        files: How many there are.
        size: Length of each in bytes.
        by_files: Show its throughput in files/s; else in MB/s.
    """

    name: str
    files: int
    size: int
    by_files: bool = False

    @property
    def bytes(self) -> int:
        """Length of all files together."""
        return self.files * self.size

    @property
    def title(self) -> str:
        """Write it as people do: ``4 × 1 GiB``."""
        unit, name = next(
            (u, n)
            for u, n in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB"))
            if self.size >= u
        )
        return f"{self.files:,} × {self.size // unit} {name}"


WORKS: Final[Mapping[Scale, tuple[Work, ...]]] = {
    "full": (
        Work(name="large", files=4, size=GIB),
        Work(name="small", files=5_000, size=200 * KIB, by_files=True),
        Work(name="medium", files=300, size=16 * MIB),
    ),
    "reduced": (
        Work(name="large", files=2, size=64 * MIB),
        Work(name="small", files=200, size=200 * KIB, by_files=True),
        Work(name="medium", files=10, size=16 * MIB),
    ),
    # The smallest that still has several parts in a file, and several files.
    "smoke": (
        Work(name="large", files=1, size=72 * MIB),
        Work(name="small", files=20, size=200 * KIB, by_files=True),
        Work(name="medium", files=3, size=16 * MIB),
    ),
}


def make(work: Work, directory: Path) -> None:
    """Write the files of a work.

    What they hold cannot be compressed, and no two blocks are the same: a tool that
    keeps equal content once gains nothing.
    """
    noise = os.urandom(_BLOCK)
    for number in range(work.files):
        below = directory / f"scan_{number // _IN_A_DIRECTORY:03}"
        below.mkdir(parents=True, exist_ok=True)
        with (below / f"frame_{number:06}.dat").open("wb") as file:
            for start in range(0, work.size, _BLOCK):
                block = os.urandom(_MARK) + noise[_MARK:]
                file.write(block[: work.size - start])


def files_below(directory: Path) -> dict[str, int]:
    """Give the length of each file of a tree by its path in it."""
    found = {}
    for base, directories, names in os.walk(directory):
        if ".hutch" in directories:
            directories.remove(".hutch")
        for name in names:
            path = Path(base, name)
            found[str(path.relative_to(directory))] = path.stat().st_size
    return found


def read(directory: Path) -> None:
    """Read all files of a tree, so that they lie in the page cache."""
    buffer = bytearray(_BLOCK)
    for base, _, names in os.walk(directory):
        for name in names:
            with Path(base, name).open("rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass


def same(one: Path, other: Path) -> bool:
    """Tell whether two trees hold the same files, byte by byte."""
    files = files_below(one)
    if files != files_below(other):
        return False
    return all(_same_bytes(one / name, other / name) for name in files)


def _same_bytes(one: Path, other: Path) -> bool:
    with one.open("rb", buffering=0) as a, other.open("rb", buffering=0) as b:
        while block := a.read(_BLOCK):
            if block != b.read(_BLOCK):
                return False
    return True

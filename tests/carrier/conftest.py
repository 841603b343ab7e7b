"""What the tests of the carrier share: files to send, and little patience."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hutch.contract.parts import Part
from hutch.transfer import download, upload
from hutch.transfer.carrier import Carrier, Piece
from hutch.workdir.walk import Found, Stamp


@dataclass(frozen=True)
class Source:
    """A file that is sent.

    Attributes:
        handle: Open for reading.
    """

    path: Path
    handle: int

    @property
    def piece(self) -> Piece:
        """All of it."""
        return Piece(self.handle, 0, self.path.stat().st_size)

    @property
    def found(self) -> Found:
        """It as a walk finds it."""
        return Found(self.path.name, Stamp.of(self.path.stat()))

    @property
    def part(self) -> Part:
        """All of it, as one part."""
        return Part(1, 0, self.path.stat().st_size)

    def hold(self, data: bytes) -> None:
        """Change what it holds."""
        self.path.write_bytes(data)


@pytest.fixture
def carrier() -> Iterator[Carrier]:
    made = Carrier()
    yield made
    made.close()


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    path = tmp_path / "f"
    path.write_bytes(b"what is sent")
    handle = os.open(path, os.O_RDONLY)
    yield Source(path, handle)
    os.close(handle)


@pytest.fixture
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (upload, download):
        monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.0)

"""Checksums of files and of their parts: CRC-64/NVME and SHA-256."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Final

BLOCK: Final = 512 * 1024
"""Bytes read at a time: they are hashed while the processor's own cache holds them."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Both checksums of a file.

    Attributes:
        sha256: 64 lower-case hexadecimal digits.
        crc64nvme: As S3 writes it: base64 of eight big-endian bytes.
    """

    sha256: str
    crc64nvme: str


class Hasher:
    """Both checksums over bytes that come piece by piece."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self._crc = 0

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes."""
        self._sha.update(data)
        self._crc = crc64nvme(data, self._crc)

    def sums(self) -> Sums:
        """Tell the checksums of all bytes so far."""
        return Sums(self._sha.hexdigest(), to_text(self._crc))


def crc64nvme(data: bytes | bytearray | memoryview, previous: int = 0) -> int:
    """Compute a CRC-64/NVME, or go on with ``previous``."""
    return int(_awscrt().crc64nvme(data, previous))


def combine(pieces: Iterable[tuple[int, int]]) -> int:
    """Compute the CRC of a whole from those of its pieces.

    Args:
        pieces: CRC and length in bytes of each, in order.
    """
    whole = 0
    for crc, length in pieces:
        whole = int(_awscrt().combine_crc64nvme(whole, crc, length))
    return whole


def to_text(crc: int) -> str:
    """Write a CRC as S3 does: the base64 of eight big-endian bytes."""
    return base64.b64encode(crc.to_bytes(8, "big")).decode()


def from_text(text: str) -> int:
    """Read what ``to_text`` wrote."""
    return int.from_bytes(base64.b64decode(text, validate=True), "big")


@cache
def _awscrt() -> ModuleType:
    from awscrt import checksums  # noqa: PLC0415 - most commands hash nothing

    return checksums  # type: ignore[no-any-return]  # it has no types

"""CRC64NVME in plain Python: the probe sends little, and needs no library for it."""

import base64
from typing import Final

_POLYNOMIAL: Final = 0x9A6C9329AC4BC9B5
_ALL: Final = 0xFFFF_FFFF_FFFF_FFFF


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE: Final = tuple(map(_entry, range(256)))

FIRST_PART: Final = bytes(5 * 1024 * 1024)
"""The smallest that a store takes for a part which is not the last."""
_FIRST_CRC: Final = 0xBEA7_F785_12D3_949C
"""Its checksum, known beforehand: a test compares it with a library's."""
LAST_PART: Final = b"the end"


def crc64nvme(data: bytes, *, previous: int = 0) -> int:
    """Compute the checksum of bytes that follow those of ``previous``."""
    crc = previous ^ _ALL
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ _ALL


def encoded(crc: int) -> str:
    """Write a checksum the way S3 does."""
    return base64.b64encode(crc.to_bytes(8, "big")).decode()


def checksum(data: bytes) -> str:
    """Compute the checksum of a few bytes, as S3 writes it."""
    return encoded(crc64nvme(data))


FIRST_CHECKSUM: Final = encoded(_FIRST_CRC)
WHOLE_CHECKSUM: Final = encoded(crc64nvme(LAST_PART, previous=_FIRST_CRC))

"""Checks that a value makes when it is built; a breach is a ``ValueError``.

Both sides build these values, so that bad input is found before it travels and
again when it arrives.
"""

import base64
import binascii
import re
from typing import Final

NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\ud800-\udfff]")
"""Control characters but tab and line feed, and halves of surrogate pairs."""
_CRC64_BYTES: Final = 8
MAX_TEXT: Final = 10_000
"""Longest description, in characters."""
MAX_LABEL: Final = 100
"""Longest keyword or token name, in characters."""
MAX_KEYWORDS: Final = 100


def require_name(field: str, text: str) -> None:
    """Names of users, groups and datasets: they stand in URLs and command lines."""
    if not NAME.fullmatch(text):
        raise ValueError(
            f"{field}: {text[:100]!r} is not a name; allowed are 1 to 100 letters, "
            "digits, '.', '_' and '-', with a letter or digit at both ends"
        )


def require_text(field: str, text: str, *, most: int = MAX_TEXT) -> None:
    """Free text: bounded, and without control characters but line breaks and tabs."""
    if len(text) > most:
        raise ValueError(f"{field}: {len(text)} characters, {most} are allowed")
    if _UNPRINTABLE.search(text):
        raise ValueError(f"{field}: holds a character that is not allowed")


def require_sha256(field: str, text: str) -> None:
    """A SHA-256 in lower-case hexadecimal."""
    if not _SHA256.fullmatch(text):
        raise ValueError(f"{field}: is not 64 lower-case hexadecimal digits")


def require_crc64nvme(field: str, text: str) -> None:
    """A CRC-64/NVME as S3 writes it: base64 of eight big-endian bytes."""
    try:
        size = len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        size = -1
    if size != _CRC64_BYTES:
        raise ValueError(f"{field}: is not the base64 of eight bytes")


def require_range(field: str, value: int, low: int, high: int) -> None:
    """A whole number within bounds, both included."""
    if not low <= value <= high:
        raise ValueError(f"{field}: {value} is not within {low} to {high}")

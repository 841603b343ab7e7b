"""How a file is cut into parts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
SMALL: Final = 16 * MIB
"""Largest file that travels in one PUT: MinIO holds a key's lock while it streams."""
PART_SIZE: Final = 64 * MIB
MAX_PARTS: Final = 9_000
"""Below S3's 10,000, so that no store's off-by-one can bite."""
MAX_SIZE: Final = 5 * 1024**4
"""S3's largest object, in bytes."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a file.

    Attributes:
        number: Counts from 1, as S3 does.
        offset: First byte in the file.
        size: Length in bytes; 0 only for the one part of an empty file.
    """

    number: int
    offset: int
    size: int


def part_size(size: int) -> int:
    """Choose the part length for a file of ``size`` bytes.

    Returns:
        ``PART_SIZE``, or the smallest multiple of 1 MiB that keeps the number of
        parts within ``MAX_PARTS``.

    Raises:
        ValueError: If ``size`` is negative or above ``MAX_SIZE``.
    """
    if not 0 <= size <= MAX_SIZE:
        raise ValueError(f"a file has 0 to {MAX_SIZE} bytes, not {size}")
    needed = -(-size // MAX_PARTS)
    return max(PART_SIZE, -(-needed // MIB) * MIB)


def plan(size: int, *, length: int | None = None) -> Iterator[Part]:
    """Cut a file of ``size`` bytes into parts, without gaps or overlap.

    Client and server both call this, so that neither has to send the list.

    Args:
        size: Length of the file in bytes; 0 gives one empty part.
        length: Part length in bytes; None means the one ``part_size`` chooses.

    Yields:
        The parts in order; all but the last are ``length`` bytes long.

    Raises:
        ValueError: If ``size`` is out of range or ``length`` is not positive.
    """
    wanted = part_size(size) if length is None else length
    if wanted <= 0:
        raise ValueError(f"a part has at least one byte, not {wanted}")
    for number, offset in enumerate(range(0, max(size, 1), wanted), start=1):
        yield Part(number, offset, min(wanted, size - offset))


def part(number: int, size: int, *, length: int) -> Part:
    """Find one part of the plan without making the others.

    Raises:
        ValueError: If the file has no part of that number.
    """
    offset = (number - 1) * length
    if number < 1 or (offset >= size and number != 1):
        raise ValueError(f"a file of {size} bytes has no part {number}")
    return Part(number, offset, min(length, size - offset))

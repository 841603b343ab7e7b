"""Planes: two-dimensional pieces of what a file holds, as large as a picture needs."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

WHOLE: Final = 64 * 1024 * 1024
"""Bytes up to which all of a plane is read; of larger ones rows are left out."""
MOST: Final = 4 * WHOLE
"""Bytes that are read of a plane at most."""
THIN: Final = 16
"""Pixels; a plane that is not wider shows little, if there is another one."""
KINDS: Final = "biuf"
"""Kinds of numbers that have a brightness."""


class UnreadableError(Exception):
    """A file, or something in it, cannot be shown; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """A plane that was read.

    Attributes:
        inside: Where in the file; empty where the file is all there is.
        shape: Of what the plane was taken from.
        index: How it was taken, as a slice is written.
    """

    inside: str = ""
    shape: tuple[int, ...]
    dtype: str
    index: str
    pixels: NDArray[Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Cut:
    """How a plane is taken from an array.

    Attributes:
        axis: The axis that it stands at right angles to; None if the array is flat.
        at: Where on that axis.
        step: Every how many rows of the plane are read.
    """

    axis: int | None
    at: int
    step: int

    @property
    def key(self) -> tuple[slice | int, ...]:
        """The same as an index."""
        rows, columns = slice(None, None, self.step), slice(None)
        if self.axis is None:
            return rows, columns
        key: list[slice | int] = [rows, columns]
        key.insert(self.axis, self.at)
        return tuple(key)

    @property
    def text(self) -> str:
        """The same in words that say where in the array."""
        rows = ":" if self.step == 1 else f"::{self.step}"
        return ", ".join(
            str(part) if isinstance(part, int) else (rows if part.step else ":")
            for part in self.key
        )


def cut(shape: tuple[int, ...], itemsize: int) -> Cut:
    """Choose the plane that shows an array: the one in the middle.

    Raises:
        UnreadableError: The array has none, or too large a one.
    """
    if len(shape) not in {2, 3} or min(shape) < 1:
        raise UnreadableError("it has not two or three dimensions")
    axis = None if len(shape) == 2 else _axis(shape, itemsize)  # noqa: PLR2004 - flat
    rows, columns = (n for i, n in enumerate(shape) if i != axis)
    step = max(1, -(-rows * columns * itemsize // WHOLE))
    if -(-rows // step) * columns * itemsize > MOST:
        raise UnreadableError("its rows are too long")
    return Cut(axis, 0 if axis is None else shape[axis] // 2, step)


def _axis(shape: tuple[int, ...], itemsize: int) -> int:
    """Along the first axis, as stacks of images lie; of a small one that is best."""
    size = itemsize * int(np.prod(shape, dtype=object))
    if min(shape[1:]) < THIN and size <= WHOLE:
        return int(np.argmin(shape))
    return 0

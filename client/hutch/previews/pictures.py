"""From numbers to a picture: grey, bright where they are large, small enough."""

import io
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hutch.contract.wire.previews import MAX_BYTES

_DARKEST, _BRIGHTEST = 0.01, 0.99
"""Shares of all numbers: a few odd pixels must not make all others black."""
_SAMPLE: Final = 1_000_000
"""Numbers that these are taken of at most."""


def picture(pixels: NDArray[Any], edge: int) -> bytes:
    """Draw a plane as a PNG in 8-bit grey.

    Args:
        pixels: The numbers.
        edge: Longest edge in pixels; what is smaller is not enlarged.
    """
    image = Image.fromarray(_stretched(_thinned(pixels, edge)))
    while True:
        image.thumbnail((edge, edge), Image.Resampling.BOX)
        file = io.BytesIO()
        image.save(file, "PNG", optimize=True)
        if file.tell() <= MAX_BYTES:
            return file.getvalue()
        edge = max(image.size) * 3 // 4


def extent(pixels: NDArray[Any]) -> tuple[float, float] | None:
    """Tell the smallest and the largest number; None if there is none."""
    finite = pixels[np.isfinite(pixels)]
    return (float(finite.min()), float(finite.max())) if finite.size else None


def _thinned(pixels: NDArray[Any], edge: int) -> NDArray[Any]:
    """Leave out what no picture of this size can show."""
    rows, columns = (max(1, n // (2 * edge)) for n in pixels.shape)
    return pixels[::rows, ::columns]


def _stretched(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    values = pixels.astype(np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.zeros(values.shape, np.uint8)
    sample = np.sort(finite[:: max(1, finite.size // _SAMPLE)])
    low, high = (sample[int(at * (sample.size - 1))] for at in (_DARKEST, _BRIGHTEST))
    if low == high:
        low, high = finite.min(), finite.max()
    if low == high:
        return np.where(np.isfinite(values), 128, 0).astype(np.uint8)
    kept = np.clip(np.nan_to_num(values, nan=low), low, high)
    # By halves: the largest numbers there are may lie on both sides of 0.
    scaled = (kept / 2 - low / 2) / (high / 2 - low / 2)
    return np.asarray(scaled * 255 + 0.5).astype(np.uint8)

"""An object whose projections are known exactly, and scans of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
COLUMNS: Final = 128
ANGLES: Final = np.arange(180).astype(np.float64)
"""Degrees."""
CENTRE: Final = 70.3
"""Column of the rotation axis, in pixels."""
LIGHT: Final = 0.02
DENSE: Final = 0.05
"""Attenuation of its materials, in 1/px."""
_ELLIPSES: Final = (
    # Attenuation in 1/px; place, half axes in px; turned by, in degrees.
    (DENSE, (4.0, -3.0), (40.0, 32.0), 20.0),
    (LIGHT - DENSE, (4.0, -3.0), (30.0, 22.0), 20.0),
    (-LIGHT, (-6.0, 5.0), (8.0, 6.0), 70.0),
    (DENSE - LIGHT, (16.0, -8.0), (7.0, 5.0), -30.0),
)


def sinogram(angles: Floats = ANGLES, centre: float = CENTRE) -> Floats:
    """Give its line integrals, without unit.

    Args:
        angles: Degrees.
        centre: Column of the rotation axis, in pixels.

    Returns:
        By angle and column.
    """
    theta = np.deg2rad(angles)[:, None]
    ray = np.arange(COLUMNS) - centre
    total = np.zeros((len(angles), COLUMNS))
    for value, (x, y), (a, b), turned in _ELLIPSES:
        from_middle = ray - x * np.cos(theta) - y * np.sin(theta)
        turn = theta - np.deg2rad(turned)
        half2 = (a * np.cos(turn)) ** 2 + (b * np.sin(turn)) ** 2
        chord = np.sqrt(np.clip(half2 - from_middle**2, 0, None)) * 2 * a * b / half2
        total += value * chord
    return total


def image(fine: int = 5) -> Floats:
    """Give its attenuation in 1/px by y, downwards, and x; means over the pixels.

    Args:
        fine: Points along each edge of a pixel.
    """
    points = (np.arange(COLUMNS * fine) + 0.5) / fine - 0.5 - COLUMNS // 2
    x, y = points[None, :], -points[:, None]
    total = np.zeros((len(points), len(points)))
    for value, (x0, y0), (a, b), turned in _ELLIPSES:
        cos, sin = np.cos(np.deg2rad(turned)), np.sin(np.deg2rad(turned))
        along, across = (x - x0) * cos + (y - y0) * sin, (y - y0) * cos - (x - x0) * sin
        total += value * ((along / a) ** 2 + (across / b) ** 2 <= 1)
    means = total.reshape(COLUMNS, fine, COLUMNS, fine).mean(axis=(1, 3))
    return np.asarray(means, np.float64)


def scan(integrals: Floats) -> dict[str, Floats]:
    """Give what a detector counts, by the names of Data Exchange.

    Args:
        integrals: By angle, row and column, without unit.
    """
    rows, columns = integrals.shape[1:]
    dark = 100.0 + np.arange(columns) % 3
    beam = 40_000.0 + 2_000 * np.sin(np.arange(rows * columns).reshape(rows, columns))
    flat, none = np.ones((3, 1, 1)), np.zeros((4, rows, 1))
    return {
        "exchange/data": beam * np.exp(-integrals) + dark,
        "exchange/data_white": flat * (beam + dark),
        "exchange/data_dark": none + dark,
        "exchange/theta": ANGLES,
    }


def sinograms(integrals: Floats, angles: Floats = ANGLES) -> dict[str, Floats]:
    """Give a file of sinograms.

    Args:
        integrals: By row, angle and column, without unit.
        angles: Degrees.
    """
    return {"entry/data/data": integrals, "entry/data/rotation_angle": angles}


def write(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays into an HDF5 file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values

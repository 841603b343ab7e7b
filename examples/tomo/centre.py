"""Find the rotation axis in sinograms of half a turn.

After half a turn each ray is measured again from behind: ``p(θ + 180°, u)`` is
``p(θ, 2c - u)`` for the axis at column ``c``. All functions here use that.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

REACH: Final = 10
"""Half columns around the first guess among which the second step searches."""
FINE: Final = 41
"""Axes that the third step tries, from a column before the best one to one behind."""
_RATIO: Final = 0.5
"""Radius of what is looked at, as a part of half the detector's width; Vo's choice."""
_DROP: Final = 4
"""Lowest frequencies along the angle that are left out: the seams disturb them."""


def find_centre(sinograms: NDArray[np.float64]) -> float:
    """Find the column of the rotation axis.

    Args:
        sinograms: By row, angle and column, without unit; the angles go evenly from 0
            to less than 180 degrees. The axis is in the middle half of the columns.

    Returns:
        In pixels from the middle of column 0.
    """
    guess, last = _guess(sinograms), 2 * (sinograms.shape[2] - 1)
    near = np.arange(max(2, guess - REACH), min(last - 2, guess + REACH) + 1)
    best = near[np.argmin([_outside_wedge(sinograms, twice) for twice in near])]
    finer = np.linspace(best - 1, best + 1, FINE)
    costs = [_outside_wedge(sinograms, twice) for twice in finer]
    return float(finer[np.argmin(costs)]) / 2


def _guess(sinograms: NDArray[np.float64]) -> int:
    """Guess twice the column of the axis from both ends of the half turn.

    The first projection has to lie midway between its neighbours, of which the one
    before is the last one mirrored; likewise the last one.
    """
    columns = sinograms.shape[2]
    first, second = sinograms[:, 0], sinograms[:, 1]
    last, last_but_one = sinograms[:, -1], sinograms[:, -2]

    def misfit(twice: int) -> float:
        shared = np.arange(max(0, twice - columns + 1), min(columns - 1, twice) + 1)
        mirrored = last[:, twice - shared]
        begin = first[:, shared] - (mirrored + second[:, shared]) / 2
        end = mirrored - (last_but_one[:, twice - shared] + first[:, shared]) / 2
        return float((begin**2 + end**2).mean())

    tried = np.arange(columns // 2, columns + columns // 2)
    return int(tried[np.argmin([misfit(int(twice)) for twice in tried])])


def _outside_wedge(sinograms: NDArray[np.float64], twice: float) -> float:
    """Measure what no object could have caused if the axis were at ``twice / 2``.

    The Fourier transform of the sinogram of a whole turn vanishes outside of a double
    wedge, at more periods along the angle than ``2π r`` times the frequency along the
    columns, with the radius ``r`` of the object. A wrong axis leaves something there.
    """
    angles, columns = sinograms.shape[1:]
    whole = round(twice)
    middle, half = whole / 2, min(whole, 2 * (columns - 1) - whole) / 2
    part = sinograms[:, :, int(np.ceil(middle - half)) : int(middle + half) + 1]
    periods = np.abs(np.fft.fftfreq(2 * angles, 1 / (2 * angles)))
    frequencies = np.fft.rfftfreq(part.shape[2])
    radius = _RATIO * columns / 2
    outside = periods[:, None] > 2 * np.pi * radius * frequencies + _DROP
    # The rest of the shift is made here, where unlike interpolation it blurs nothing.
    shift = np.exp(-2j * np.pi * frequencies * (twice - whole))
    found = 0.0
    for front in part:
        back = np.fft.rfft(front[:, ::-1], axis=1) * shift
        turn = np.concatenate([np.fft.rfft(front, axis=1), back])
        found += float(np.abs(np.fft.fft(turn, axis=0))[outside].sum())
    return found / int(part.shape[2])

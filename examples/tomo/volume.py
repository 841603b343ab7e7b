"""Reconstruct a volume from sinograms by filtered back-projection.

Before that the rotation axis is found, and what would become rings is removed.
"""

import sys
from typing import Any, Final

import files
import h5py
import numpy as np
from centre import find_centre
from job import Job, JobError, progress, run
from numpy.typing import NDArray
from scipy import ndimage
from skimage.transform import iradon

ANGLES: Final = "entry/data/rotation_angle"
SAMPLED: Final = 4
"""Rows that the axis is found from, spread evenly."""
HALF_TURN: Final = 180.0
FEWEST: Final = 4
"""Projections or columns below which nothing can be said of them."""


def remove_rings(sinogram: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Remove stripes along the angle, which become rings, by sorting.

    Each column is sorted by value, so that a stripe is the same deviation at all ranks;
    a median across the columns removes it, and the order is restored.

    Args:
        sinogram: By angle and column, without unit.
        window: Columns of the median; 0 leaves the sinogram as it is.

    Returns:
        The same without stripes.
    """
    if window == 0:
        return sinogram
    order = np.argsort(sinogram, axis=0, kind="stable")
    ranked = np.take_along_axis(sinogram, order, axis=0)
    smooth = ndimage.median_filter(ranked, size=(1, window), mode="nearest")
    clean = np.empty_like(sinogram)
    np.put_along_axis(clean, order, smooth, axis=0)
    return clean


def reconstruct(
    sinogram: NDArray[np.float64],
    *,
    angles: NDArray[np.float64],
    centre: float,
    window: str,
) -> NDArray[np.float64]:
    """Reconstruct a slice by filtered back-projection.

    Args:
        sinogram: By angle and column, without unit.
        angles: Degrees, by angle; evenly over whole half turns.
        centre: Column of the rotation axis, in pixels.
        window: What the ramp filter is multiplied with.

    Returns:
        Attenuation in 1/px by y and x, as many pixels each as there are columns; the
        axis is at the pixel with half that number, what lies outside of the circle
        around it is 0.
    """
    columns = sinogram.shape[1]
    # Wide enough for an axis at any column. The edges go on as they end: a step down
    # to 0 at the end of a sample wider than the detector would become a bright rim.
    margin = columns // 2 + 2
    wide = np.pad(sinogram, ((0, 0), (margin, margin)), mode="edge")
    shift = wide.shape[1] // 2 - (margin + centre)
    wide = ndimage.shift(wide, (0, shift), order=3, mode="nearest")
    slice_ = np.asarray(
        iradon(
            wide.T,
            theta=angles,
            output_size=columns,
            filter_name=window,
            circle=False,
        ),
        np.float64,
    )
    place = np.arange(columns) - columns // 2
    inside = place[:, None] ** 2 + place**2 <= (columns // 2) ** 2
    return np.where(inside, slice_, 0.0)


def half_turns(angles: NDArray[np.float64]) -> tuple[int, int]:
    """Count the projections of half a turn, and those of all whole half turns.

    Filtered back-projection weighs all rays alike, so that each has to be measured
    equally often.

    Args:
        angles: Degrees, by projection.

    Raises:
        JobError: They are uneven, or fewer than half a turn.
    """
    steps = np.diff(angles)
    step = float(steps.mean()) if len(angles) >= FEWEST else 0.0
    if step == 0 or np.abs(steps - step).max() > abs(step) / 2:
        raise JobError(f"the {len(angles)} angles of the projections are not even")
    half = round(HALF_TURN / abs(step))
    if not FEWEST <= half <= len(angles):
        raise JobError(
            f"the projections cover {abs(step) * len(angles):.1f} degrees; filtered "
            "back-projection needs 180"
        )
    return half, len(angles) // half * half


def axis_of(
    data: h5py.Dataset, angles: NDArray[np.float64], wanted: float | None, ring: int
) -> float:
    """Take the rotation axis that is wanted, or find it.

    Args:
        data: Sinograms by row, angle and column, without unit.
        angles: Degrees, by angle.
        wanted: Column in pixels; None means that it is to be found.
        ring: Columns of the median that removes rings.

    Returns:
        The column, in pixels.

    Raises:
        JobError: It lies beside the detector, or a value is not finite.
    """
    rows, _, columns = data.shape
    if wanted is not None:
        if not 0 <= wanted <= columns - 1:
            raise JobError(f"centre: {wanted} is not a column of 0 to {columns - 1}")
        return float(wanted)
    if columns < FEWEST:
        raise JobError(f"{columns} columns are too few to find the axis in; say centre")
    progress(0.0, "finding the rotation axis")
    half, _ = half_turns(angles)
    sampled = np.unique(
        np.linspace(0, rows - 1, min(rows, SAMPLED)).round().astype(int)
    )
    found = [files.finite(data.file, files.DATA, data[row, :half]) for row in sampled]
    clean = np.stack([remove_rings(sinogram, ring) for sinogram in found])
    return round(find_centre(clean), 3)


def volume(job: Job) -> dict[str, Any]:
    """Write ``volume.h5``; give its attributes."""
    source = job.input("sinogram")
    ring, window = int(job.parameter("ring_window")), str(job.parameter("filter"))
    if ring and ring % 2 == 0:
        raise JobError(f"ring_window: {ring} has no middle; take an odd number")
    with files.opened(source, files.DATA, ANGLES) as file:
        data = files.array(file, files.DATA, 3)
        rows, count, columns = data.shape
        angles = files.angles(file, ANGLES, count)
        _, used = half_turns(angles)
        # Not given means null: in TOML no schema can say that it is the default.
        centre = axis_of(data, angles, job.parameters.get("centre"), ring)
        place = np.arange(columns) - columns // 2
        with files.created(
            job.out / "volume.h5",
            shape=(rows, columns, columns),
            dtype="f4",
            axes={
                "z": (np.arange(rows), "px"),
                "y": (place, "px"),
                "x": (place, "px"),
            },
            unit="1/px",
            title="attenuation",
        ) as result:
            for row in range(rows):
                progress(row / rows, f"reconstructing slice {row + 1} of {rows}")
                sinogram = files.finite(file, files.DATA, data[row, :used])
                result[row] = reconstruct(
                    remove_rings(sinogram, ring),
                    angles=angles[:used],
                    centre=centre,
                    window=window,
                )
            settings = {
                "centre": (centre, "px"),
                "ring_window": (ring, "px"),
                "filter": (window, ""),
            }
            files.describe(result, "volume.py", settings)
    print(f"rotation axis at column {centre:.3f}, {used} projections used")
    return {
        **source.carried(pixel_size="voxel_size"),
        "shape": [rows, columns, columns],
        "algorithm": "fbp",
        "rotation_center": centre,
    }


if __name__ == "__main__":
    sys.exit(run(volume))

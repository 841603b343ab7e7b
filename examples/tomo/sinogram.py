"""Correct a tomography scan by its flat and dark fields.

The input is a Data Exchange file, the result its sinograms: the line integrals of the
attenuation.
"""

import sys
from collections.abc import Iterator
from typing import Any, Final

import files
import h5py
import numpy as np
from job import Input, Job, JobError, progress, run
from numpy.typing import NDArray

PROJECTIONS: Final = "exchange/data"
FLATS: Final = "exchange/data_white"
DARKS: Final = "exchange/data_dark"
ANGLES: Final = "exchange/theta"
BLOCK: Final = 32 * 1024 * 1024
"""Pixels that are worked on at a time: a scan may be larger than memory."""


def line_integrals(
    counts: NDArray[np.float64],
    *,
    flat: NDArray[np.float64],
    dark: NDArray[np.float64],
    floor: float,
) -> NDArray[np.float64]:
    """Turn counts into line integrals of the attenuation, ``-ln((I - D) / (F - D))``.

    Args:
        counts: By angle, row and column.
        flat: Counts with the beam on and no sample, by row and column.
        dark: Counts with the beam off, by row and column.
        floor: Transmission, a part of 1, that a pixel has at least.

    Returns:
        A number without unit by angle, row and column.
    """
    beam = flat - dark
    lit = beam > 0
    transmission = np.full_like(counts, floor)
    np.divide(counts - dark, beam, out=transmission, where=lit)
    return -np.log(np.maximum(transmission, floor))


def corrected(
    scan: h5py.File, floor: float
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Correct a scan, some rows at a time.

    Args:
        scan: A Data Exchange file.
        floor: As ``line_integrals`` wants it.

    Yields:
        Rows, and their sinograms by row, angle and column, without unit.

    Raises:
        JobError: The flat fields do not show a beam, or a value is not finite.
    """
    data = files.array(scan, PROJECTIONS, 3)
    count, rows, columns = data.shape
    step = max(1, BLOCK // (count * columns))
    for begin in range(0, rows, step):
        part = slice(begin, min(begin + step, rows))
        counts, flats, darks = (
            files.finite(scan, name, scan[name][:, part])
            for name in (PROJECTIONS, FLATS, DARKS)
        )
        flat, dark = flats.mean(axis=0), darks.mean(axis=0)
        if not (flat > dark).any():
            raise JobError(
                f"{FLATS} is nowhere brighter than {DARKS}: no beam in rows "
                f"{part.start} to {part.stop - 1}"
            )
        sinograms = line_integrals(counts, flat=flat, dark=dark, floor=floor)
        yield part, sinograms.swapaxes(0, 1)


def require_frames(scan: h5py.File) -> tuple[int, int, int]:
    """Give the shape of the projections: angles, rows, columns.

    Raises:
        JobError: Flat or dark fields are of another size.
    """
    data = files.array(scan, PROJECTIONS, 3)
    for name in (FLATS, DARKS):
        fields = files.array(scan, name, 3)
        if fields.shape[1:] != data.shape[1:]:
            raise JobError(
                f"{name} has frames of {fields.shape[1:]} pixels, {PROJECTIONS} of "
                f"{data.shape[1:]}"
            )
    count, rows, columns = data.shape
    return count, rows, columns


def attributes_of(
    scan: Input, angles: NDArray[np.float64], rows: int, columns: int
) -> dict[str, Any]:
    """Give the attributes of the sinograms, from the scan's and from its angles (deg).

    Raises:
        JobError: The range of rotation can neither be read nor computed.
    """
    kept = scan.carried(pixel_size="pixel_size", rotation_range="rotation_range")
    if "rotation_range" not in kept:
        if len(angles) == 1:
            raise JobError("one projection is no rotation")
        step = np.ptp(angles) / (len(angles) - 1)
        kept["rotation_range"] = round(float(step * len(angles)), 3)
    return {
        **kept,
        "projections": len(angles),
        "rows": rows,
        "columns": columns,
        "correction": "flat-field, dark-field",
    }


def sinogram(job: Job) -> dict[str, Any]:
    """Write ``sinogram.h5``; give its attributes."""
    source = job.input("scan")
    floor = float(job.parameter("minimum_transmission"))
    with files.opened(source, PROJECTIONS, FLATS, DARKS, ANGLES) as scan:
        count, rows, columns = require_frames(scan)
        theta = files.angles(scan, ANGLES, count)
        axes = {
            "row": (np.arange(rows), "px"),
            "rotation_angle": (theta, "deg"),
            "column": (np.arange(columns), "px"),
        }
        with files.created(
            job.out / "sinogram.h5",
            shape=(rows, count, columns),
            dtype="f4",
            axes=axes,
            unit="1",
            title="line integral of the attenuation",
        ) as result:
            low = 0
            for part, values in corrected(scan, floor):
                result[part] = values
                low += int((values >= -np.log(floor)).sum())
                progress(part.stop / rows, f"corrected {part.stop} of {rows} rows")
            files.describe(
                result, "sinogram.py", {"minimum_transmission": (floor, "1")}
            )
    print(f"{low} of {rows * count * columns} pixels at the minimum transmission")
    return attributes_of(source, theta, rows, columns)


if __name__ == "__main__":
    sys.exit(run(sinogram))

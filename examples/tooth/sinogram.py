"""Compute the flat-field-corrected sinogram of a tomography scan.

usage: python sinogram.py SCAN.h5 SINOGRAM.h5

Reads and writes Data Exchange. The transmission is ``(I - D) / (F - D)`` with the
means of the flat fields F and of the dark fields D, the sinogram its negative
logarithm: the line integrals of the attenuation.
"""

import sys
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

FLOOR = 1e-6
"""Transmission below which a pixel has seen nothing; its logarithm would be noise."""


def line_integrals(
    data: NDArray[np.float32], *, white: NDArray[np.float32], dark: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Correct projections by flat and dark fields, and take the negative logarithm.

    Args:
        data: Counts by angle, row and column.
        white: Counts with the beam on and no sample, by frame, row and column.
        dark: Counts with the beam off, likewise.
    """
    offset = dark.mean(axis=0)
    beam = np.maximum(white.mean(axis=0) - offset, FLOOR)
    transmission = np.maximum((data - offset) / beam, FLOOR)
    integrals: NDArray[np.float32] = -np.log(transmission).astype(np.float32)
    return integrals


def convert(scan: Path, sinogram: Path) -> tuple[int, ...]:
    """Read a scan, write its sinogram by row, angle and column; give its shape."""
    with h5py.File(scan) as file:
        exchange = file["exchange"]
        corrected = line_integrals(
            exchange["data"][...],
            white=exchange["data_white"][...],
            dark=exchange["data_dark"][...],
        )
        theta = exchange["theta"][...]
    with h5py.File(sinogram, "w") as file:
        file["implements"] = "exchange"
        exchange = file.create_group("exchange")
        exchange.attrs["NX_class"] = "NXdata"
        exchange.attrs["signal"] = "data"
        exchange.attrs["axes"] = ["row", "theta", "column"]
        data = exchange.create_dataset(
            "data", data=corrected.swapaxes(0, 1), compression="gzip"
        )
        data.attrs["long_name"] = "line integral of the attenuation"
        data.attrs["units"] = "1"
        exchange["theta"] = theta
        exchange["theta"].attrs["units"] = "degrees"
        process = file.create_group("process")
        process.attrs["NX_class"] = "NXprocess"
        process["program"] = "examples/tooth/sinogram.py"
        process["formula"] = "-log((data - data_dark) / (data_white - data_dark))"
    return tuple(corrected.swapaxes(0, 1).shape)


def main() -> int:
    """Run it."""
    if len(sys.argv) != len(("program", "scan", "sinogram")):
        print(__doc__, file=sys.stderr)
        return 2
    shape = convert(Path(sys.argv[1]), Path(sys.argv[2]))
    print(
        f"wrote {sys.argv[2]}: {shape[0]} rows, {shape[1]} angles, {shape[2]} columns"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The HDF5 files of the tomography programs, in the words of NeXus.

The same arrays and words always give the same bytes: no file holds a time or a path.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from job import Input, JobError
from numpy.typing import NDArray

DATA: Final = "entry/data/data"
"""Where the array of a result is."""
_DEGREES: Final = {"deg": 1.0, "degree": 1.0, "degrees": 1.0, "rad": 180 / np.pi}
"""Degrees in a unit of angle."""


@contextmanager
def opened(source: Input, *names: str) -> Iterator[h5py.File]:
    """Open the one file of an input that has certain HDF5 datasets.

    Raises:
        JobError: Not exactly one file has them all.
    """
    found = [path for path in sorted(source.path.rglob("*")) if _has(path, names)]
    if len(found) != 1:
        wanted = f"an HDF5 file with {', '.join(names)}"
        below = ", ".join(str(path.relative_to(source.path)) for path in found)
        raise JobError(
            f"input {source.name!r}: {below} each are {wanted}; one is needed"
            if found
            else f"input {source.name!r}: no file below {source.path} is {wanted}"
        )
    # Nobody writes to an input, and some file systems cannot lock.
    with h5py.File(found[0], "r", locking=False) as file:
        yield file


def _has(path: Path, names: tuple[str, ...]) -> bool:
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r", locking=False) as file:
        return all(isinstance(file.get(name), h5py.Dataset) for name in names)


def array(file: h5py.File, name: str, dimensions: int) -> h5py.Dataset:
    """Find an array of numbers in a file; it is read as it is sliced.

    Raises:
        JobError: It has other dimensions, is empty or holds no numbers.
    """
    found = file[name]
    if found.ndim != dimensions or found.size == 0 or found.dtype.kind not in "iuf":
        raise JobError(
            f"{_called(file)}: {name} is {found.dtype} of shape {found.shape}; "
            f"{dimensions} dimensions of numbers are needed"
        )
    return found


def finite(file: h5py.File, name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    """Take values for numbers to compute with.

    Args:
        file: Where they come from.
        name: What they are called there.
        values: Of any shape and unit, which stay.

    Raises:
        JobError: Some are infinite or not numbers.
    """
    bad = values.size - int(np.isfinite(values).sum())
    if bad:
        raise JobError(f"{_called(file)}: {name} has {bad} values that are not finite")
    return values.astype(np.float64)


def angles(file: h5py.File, name: str, projections: int) -> NDArray[np.float64]:
    """Read the angles of the projections.

    Args:
        file: Where they are.
        name: What they are called there.
        projections: How many there have to be.

    Returns:
        Degrees, by projection.

    Raises:
        JobError: There is another number of them, or they have an unknown unit.
    """
    found = array(file, name, 1)
    if len(found) != projections:
        raise JobError(
            f"{_called(file)}: {name} has {len(found)} angles for {projections} "
            "projections"
        )
    unit = found.attrs.get("units", "deg")
    if unit not in _DEGREES:
        raise JobError(f"{_called(file)}: {name} is in {unit!r}; deg or rad is needed")
    return finite(file, name, found[...]) * _DEGREES[unit]


def _called(file: h5py.File) -> str:
    return Path(file.filename).name


@contextmanager
def created(
    path: Path,
    *,
    shape: tuple[int, int, int],
    dtype: str,
    axes: Mapping[str, tuple[NDArray[Any], str]],
    unit: str,
    title: str,
) -> Iterator[h5py.Dataset]:
    """Create a result, an array that is then filled in.

    Args:
        path: The file.
        shape: Of the array; one chunk for each index of the first dimension.
        dtype: Of the array. Whole numbers, which are labels, are compressed.
        axes: For each dimension its name, its coordinates and their unit.
        unit: Of the array's values.
        title: What the values are.
    """
    packed = {"compression": "gzip", "shuffle": True} if dtype.startswith("u") else {}
    with h5py.File(path, "w") as file:
        file.attrs["default"] = "entry"
        entry = _group(file, "entry", "NXentry")
        entry.attrs["default"] = "data"
        group = _group(entry, "data", "NXdata")
        group.attrs["signal"] = "data"
        group.attrs["axes"] = list(axes)
        data = group.create_dataset(
            "data", shape, dtype, chunks=(1, *shape[1:]), track_times=False, **packed
        )
        data.attrs["long_name"] = title
        data.attrs["units"] = unit
        for name, (coordinates, of) in axes.items():
            axis = group.create_dataset(name, data=coordinates, track_times=False)
            axis.attrs["units"] = of
        yield data


def describe(
    data: h5py.Dataset, program: str, settings: Mapping[str, tuple[Any, str]]
) -> None:
    """Say in a result how it was made.

    Args:
        data: The array.
        program: What made it.
        settings: By name the value, and its unit or nothing.
    """
    process = _group(data.file["entry"], "process", "NXprocess")
    process.create_dataset("program", data=program, track_times=False)
    for name, (value, unit) in settings.items():
        setting = process.create_dataset(name, data=value, track_times=False)
        if unit:
            setting.attrs["units"] = unit


def _group(parent: h5py.Group, name: str, kind: str) -> h5py.Group:
    group = parent.create_group(name, track_order=False)
    group.attrs["NX_class"] = kind
    return group

"""HDF5 and NeXus: arrays of numbers, those that are meant to be seen first.

A file may say that its numbers lie in other files. Those would be files of this
machine: nothing of that kind is followed.
"""

import re
from collections.abc import Iterator
from math import prod
from typing import Any, Final

import h5py

from hutch.previews.planes import KINDS, MOST, Plane, UnreadableError, cut
from hutch.previews.remote import RemoteFile

_OBJECTS: Final = 5_000
"""Looked at in one file at most."""
_SMALLEST: Final = 2
"""Pixels of an edge; what is narrower is a line."""

_NAME: Final = re.compile(r"\w[\w.-]{0,99}")
"""What a NeXus file calls a part of itself; not a way to somewhere else."""


def read(file: RemoteFile, wanted: int) -> Iterator[Plane | UnreadableError]:
    """Read planes of the arrays in a file, the most telling first.

    Args:
        file: The file.
        wanted: Planes at most.
    """
    with h5py.File(file, "r") as opened:
        found = _arrays(opened)
        if not found:
            raise UnreadableError("it holds no images")
        signal = _signal(opened)
        found.sort(key=lambda one: (one.name != signal, -one.size, one.name))
        for array in found[:wanted]:
            try:
                yield _plane(array)
            except UnreadableError as error:
                yield UnreadableError(f"{array.name}: {error}")


def _plane(array: h5py.Dataset) -> Plane:
    if array.external is not None or array.is_virtual:
        raise UnreadableError("its numbers lie in another file")
    if array.chunks and prod(array.chunks) * array.dtype.itemsize > MOST:
        raise UnreadableError("its chunks are too large")
    how = cut(array.shape, array.dtype.itemsize)
    return Plane(
        inside=array.name,
        shape=array.shape,
        dtype=str(array.dtype),
        index=how.text,
        pixels=array[how.key],
    )


def _arrays(opened: h5py.File) -> list[h5py.Dataset]:
    found: list[h5py.Dataset] = []
    seen = 0

    def look(_name: str, one: Any) -> bool | None:
        nonlocal seen
        seen += 1
        if isinstance(one, h5py.Dataset) and _is_picture(one):
            found.append(one)
        return True if seen >= _OBJECTS else None

    opened.visititems(look)
    return found


def _is_picture(one: h5py.Dataset) -> bool:
    return (
        one.shape is not None
        and len(one.shape) in {2, 3}
        and one.dtype.kind in KINDS
        and min(one.shape) > 0
        and sorted(one.shape)[-2] >= _SMALLEST
    )


def _signal(opened: h5py.File) -> str | None:
    """Find what a NeXus file names as what is to be plotted."""
    here: Any = opened
    for _ in range(3):
        name = here.attrs.get("signal" if "signal" in here.attrs else "default")
        if isinstance(name, bytes):
            name = name.decode("utf-8", "replace")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            return None
        link = here.get(name, getlink=True) if name in here else None
        if not isinstance(link, h5py.HardLink):
            return None
        here = here[name]
        if isinstance(here, h5py.Dataset):
            return str(here.name)
    return None

"""Files that are one array or one image: NumPy's, TIFF, PNG, JPEG."""

from collections.abc import Iterator
from typing import IO, Any, Final, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from PIL import Image

from hutch.previews.planes import KINDS, WHOLE, Plane, UnreadableError, cut
from hutch.previews.remote import RemoteFile

_PIXELS: Final = 200_000_000
"""Of an image at most: as much as there is memory for."""
_COMPRESSED: Final = 512 * 1024 * 1024
"""Bytes of a compressed TIFF at most: its library wants all of them."""
_PAGES: Final = 10_000
_HEADERS: Final = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}

Image.MAX_IMAGE_PIXELS = _PIXELS // 2  # above twice as many it refuses


def read_npy(file: RemoteFile, _wanted: int) -> Iterator[Plane]:
    """Read the middle plane of a NumPy file."""
    header = _HEADERS.get(npy.read_magic(file))
    if header is None:
        raise UnreadableError("its version is not known")
    shape, is_fortran, dtype = header(file)
    if dtype.kind not in KINDS:
        raise UnreadableError(f"it holds no numbers but {str(dtype)[:100]}")
    size = dtype.itemsize * int(np.prod(shape, dtype=object))
    if file.tell() + size > file.size:
        raise UnreadableError("it ends too early")
    how = cut(shape, dtype.itemsize)
    if is_fortran or how.axis not in {None, 0}:
        if size > WHOLE:
            raise UnreadableError("its planes lie scattered in it")
        numbers = np.frombuffer(_exactly(file, size), dtype)
        whole: NDArray[Any] = np.ndarray(
            shape, dtype, numbers, order="F" if is_fortran else "C"
        )
        pixels = whole[how.key]
    else:
        pixels = _rows(file, shape[-2:], dtype, at=how.at, step=how.step)
    yield Plane(shape=shape, dtype=str(dtype), index=how.text, pixels=pixels)


def _rows(
    file: RemoteFile,
    plane: tuple[int, ...],
    dtype: np.dtype[Any],
    *,
    at: int,
    step: int,
) -> NDArray[Any]:
    """Read every so many rows of a plane; all of them at once if none is left out."""
    rows, columns = plane
    length = columns * dtype.itemsize
    begin = file.tell() + at * rows * length
    if step == 1:
        file.seek(begin)
        return np.frombuffer(_exactly(file, rows * length), dtype).reshape(plane)
    taken = []
    for row in range(0, rows, step):
        file.seek(begin + row * length)
        taken.append(np.frombuffer(_exactly(file, length), dtype))
    return np.stack(taken)


def _exactly(file: RemoteFile, length: int) -> bytes:
    room = bytearray(length)
    view, done = memoryview(room), 0
    while done < length:
        count = file.readinto(view[done:])
        if not count:
            raise UnreadableError("it ends too early")
        done += count
    return bytes(room)


def read_image(file: RemoteFile, _wanted: int) -> Iterator[Plane]:
    """Read an image, of several pages the middle one."""
    with Image.open(cast("IO[bytes]", file), formats=("TIFF", "PNG", "JPEG")) as image:
        index = ":, :"
        pages = min(int(getattr(image, "n_frames", 1)), _PAGES)
        if pages > 1:
            image.seek(pages // 2)
            index = f"{pages // 2}, {index}"
        if image.format == "TIFF":
            packed = image.info.get("compression") not in {None, "raw"}
            if packed and file.size > _COMPRESSED:
                raise UnreadableError("it is compressed and too large")
        width, height = image.size
        bands = image.getbands()
        shown = image if len(bands) == 1 and image.mode != "P" else image.convert("L")
        yield Plane(
            shape=(*((pages,) if pages > 1 else ()), height, width),
            dtype=image.mode,
            index=index,
            pixels=np.asarray(shown),
        )

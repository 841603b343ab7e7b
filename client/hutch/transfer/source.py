"""Local files on their way out: opened, read and watched for changes."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hutch.contract.parts import Part
from hutch.errors import FileChangingError, UnreadableFileError
from hutch.transfer.buffers import aligned
from hutch.transfer.checksums import BLOCK, Hasher, Sums, crc64nvme
from hutch.transfer.failures import StoppedError
from hutch.workdir.walk import Found, Stamp

_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Not blocking: a pipe that took the file's name would be waited at for ever."""


@contextmanager
def opened(root: Path, found: Found) -> Iterator[int]:
    """Open a file that was found, for as long as it stays what it was.

    Raises:
        FileChangingError: If it is, or becomes, another one than was found.
        UnreadableFileError: If it cannot be read.
    """
    try:
        handle = os.open(f"{root}/{found.path}", _FLAGS)
    except FileNotFoundError as e:
        raise changing(found.path) from e
    except OSError as e:
        raise UnreadableFileError(
            f"{found.path!r} cannot be read: {e.strerror}.", path=found.path
        ) from e
    try:
        require_same(found, handle)
        yield handle
        require_same(found, handle)
    finally:
        os.close(handle)


def require_same(found: Found, handle: int) -> None:
    """Refuse a file that is not what was found.

    Raises:
        FileChangingError: If size, times or inode differ.
    """
    if Stamp.of(os.fstat(handle)) != found.stamp:
        raise changing(found.path)


def changing(path: str) -> FileChangingError:
    """Make the error of a file that changes while it is pushed."""
    return FileChangingError(
        f"{path!r} changed while it was pushed. Push again when nothing writes to it "
        "any more.",
        path=path,
    )


def hash_whole(root: Path, found: Found, *, stopped: threading.Event) -> Sums:
    """Compute both checksums of a file.

    Raises:
        FileChangingError: If it changes meanwhile.
        UnreadableFileError: If it cannot be read.
    """
    hasher = Hasher()
    with opened(root, found) as handle:
        for block in read(found, handle, Part(1, 0, found.stamp.size), stopped):
            hasher.update(block)
    return hasher.sums()


def hash_part(
    found: Found, handle: int, part: Part, *, whole: Hasher, stopped: threading.Event
) -> int:
    """Compute the CRC of a part, and go on with the sums of the whole file."""
    crc = 0
    for block in read(found, handle, part, stopped):
        crc = crc64nvme(block, crc)
        whole.update(block)
    return crc


def read(
    found: Found, handle: int, part: Part, stopped: threading.Event
) -> Iterator[memoryview]:
    """Read the bytes of a part, block by block.

    Yields:
        The bytes, in the buffer of this thread: good until the next are asked for.

    Raises:
        FileChangingError: If there are fewer than there were.
        StoppedError: If stopped meanwhile.
        UnreadableFileError: If they cannot be read.
    """
    buffer = aligned()
    at, end = part.offset, part.offset + part.size
    while at < end:
        if stopped.is_set():
            raise StoppedError
        try:
            count = os.preadv(handle, [buffer[: min(BLOCK, end - at)]], at)
        except OSError as e:
            raise UnreadableFileError(
                f"{found.path!r} cannot be read: {e.strerror}.", path=found.path
            ) from e
        if not count:
            raise changing(found.path)
        at += count
        yield buffer[:count]

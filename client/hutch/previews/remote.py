"""Files of a dataset, read where they lie, a piece at a time."""

import io
from typing import Any, Final

from fsspec.caching import BlockCache

from hutch.contract.problems import HutchError
from hutch.contract.wire.transfer import FileOut
from hutch.errors import CorruptDataError
from hutch.fs.datasets import Dataset
from hutch.fs.reading import Reader, span

_BLOCK: Final = 1024 * 1024
_BLOCKS: Final = 32
"""Kept of a file at a time."""


class RemoteFile(io.RawIOBase):
    """One file of a closed dataset, to be read from any place in it.

    Attributes:
        failure: Why the store gave nothing. Whoever reads through libraries of others
            hears of that only that something failed.
    """

    def __init__(self, reader: Reader, dataset: Dataset, file: FileOut) -> None:
        super().__init__()
        self._reader, self._dataset, self._file = reader, dataset, file
        self._at = 0
        self._cache = BlockCache(_BLOCK, self._fetch, file.size, maxblocks=_BLOCKS)
        self.failure: HutchError | None = None

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self._file.size

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Tell from where is read next."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Choose from where is read next."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError("before the beginning of the file")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Read on; what is longer than a few blocks does not pass through the cache."""
        room = memoryview(buffer).cast("B")
        end = min(self._at + len(room), self.size)
        if end <= self._at:
            return 0
        kept = end - self._at <= _BLOCK
        data = (self._cache._fetch if kept else self._fetch)(self._at, end)  # noqa: SLF001 - what fsspec's own files call
        room[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _fetch(self, start: int, end: int) -> bytes:
        [got] = self._reader.read([span(self._dataset, self._file, start, end)])
        if isinstance(got, HutchError):
            if not isinstance(got, CorruptDataError):
                self.failure = got
            raise OSError(got.detail)
        return got

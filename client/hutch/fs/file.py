"""An open file: one version of it, whatever becomes of the dataset."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from fsspec.spec import AbstractBufferedFile

from hutch.contract.parts import MIB
from hutch.contract.wire.transfer import FileOut
from hutch.fs.entries import of_file

if TYPE_CHECKING:
    from hutch.fs.filesystem import HutchFileSystem

BLOCK: Final = 4 * MIB
"""Bytes that are read at a time and kept: what is near is likely to be read next."""


class HutchFile(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    """An open file.

    It stays with the version that it was opened in. Once the dataset has another one
    and the signed request has run out, reading raises ``FileChangedError``: bytes of
    two versions are never mixed.
    """

    DEFAULT_BLOCK_SIZE = BLOCK

    def __init__(
        self,
        fs: "HutchFileSystem",
        path: str,
        *,
        dataset: UUID,
        pinned: FileOut,
        block_size: int | None = None,
        cache_type: str = "blockcache",
        cache_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._dataset, self._pinned = dataset, pinned
        super().__init__(
            fs,
            path,
            block_size=block_size,
            cache_type=cache_type,
            cache_options=dict(cache_options or {}),
            size=pinned.size,
        )
        self.details = of_file(path, pinned)

    def read(self, length: int | None = -1) -> bytes:
        """Read on; what is longer than a block does not pass through the cache.

        So it is read by several requests at a time, and leaves the cache to the small
        reads of what describes the file.
        """
        left = max(0, self.size - self.loc)
        wanted = left if length is None or length < 0 else min(length, left)
        if self.closed or 0 < wanted <= self.blocksize:
            data: bytes = super().read(wanted)
            return data
        data = self._fetch_range(self.loc, self.loc + wanted)
        self.loc += len(data)
        return data

    def _fetch_range(self, start: int, end: int) -> bytes:
        data: bytes = self.fs.read_pinned(
            self.path, self._dataset, self._pinned, start, end
        )
        return data

    def __reduce__(self) -> tuple[Any, ...]:
        """Be opened again elsewhere, in the same version."""
        made = {
            "dataset": self._dataset,
            "pinned": self._pinned,
            "block_size": self.blocksize,
            "cache_type": self.cache.name if self.cache else "none",
        }
        return _reopen, (self.fs, self.path, made, self.loc)


def _reopen(
    fs: "HutchFileSystem", path: str, made: Mapping[str, Any], loc: int
) -> HutchFile:
    file = HutchFile(fs, path, **made)
    file.seek(loc)
    return file

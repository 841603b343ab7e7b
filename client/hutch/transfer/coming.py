"""A file that is being fetched, in one part or in several at a time."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hutch.contract.parts import Part, plan
from hutch.contract.paths import RelativePath
from hutch.contract.problems import HutchError
from hutch.contract.wire.transfer import FileOut, SignedRequest
from hutch.errors import CorruptDataError
from hutch.transfer.checksums import combine, to_text
from hutch.workdir.drafts import Draft
from hutch.workdir.tree import Placing, Tree
from hutch.workdir.walk import Stamp

_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Incoming:
    """A file to be fetched.

    Attributes:
        path: Its path, checked here.
        file: What the dataset says of it.
        expected: What may be replaced; None means that nothing may be there.
    """

    path: RelativePath
    file: FileOut
    expected: Stamp | None = None


class Coming:
    """A file on its way; the thread that ends its last part goes on with it.

    Args:
        item: Which file.
        request: Where its bytes are.

    Attributes:
        parts: How it is fetched.
        crcs: CRC and length of each part that is here, by number.
        error: Why the first part that failed did; the others fail for no other reason.
    """

    __slots__ = (
        "_draft",
        "_left",
        "_lock",
        "crcs",
        "error",
        "item",
        "parts",
        "request",
    )

    def __init__(self, item: Incoming, request: SignedRequest) -> None:
        self.item, self.request = item, request
        self.parts: Sequence[Part] = tuple(plan(item.file.size))
        self.crcs: dict[int, tuple[int, int]] = {}
        self.error: HutchError | None = None
        self._left = len(self.parts)
        self._draft: Draft | None = None
        self._lock = threading.Lock()

    def begin(self, tree: Tree) -> Draft:
        """Give the file to write to; the first part makes it.

        Raises:
            OSError: If it cannot be made.
        """
        with self._lock:
            if self._draft is None:
                self._draft = tree.draft(self.item.file.size)
            return self._draft

    def fail(self, error: HutchError) -> None:
        """Note why it will not be here; only the first reason counts."""
        with self._lock:
            self.error = self.error or error

    def ended(self) -> bool:
        """Note that a part is here or will not come; tells whether it was the last.

        With the last one the whole is compared with what the dataset says of it.
        """
        with self._lock:
            self._left -= 1
            if self._left:
                return False
            self.error = self.error or self._compared()
            return True

    def placing(self) -> Placing:
        """Say where the complete file goes."""
        draft, item = self._draft, self.item
        if draft is None:
            raise RuntimeError("nothing was fetched")
        # Older than the journal's entry, so that it need not be read again.
        mtime_ns = int(item.file.committed_at.timestamp() * _NS)
        return Placing(draft, item.path, item.expected, mtime_ns)

    def close(self) -> None:
        """End it, once no thread writes to it any more; without a name it is gone."""
        draft, self._draft = self._draft, None
        if draft is not None:
            draft.close()

    def _compared(self) -> CorruptDataError | None:
        file = self.item.file
        crc = to_text(combine(self.crcs[n] for n in sorted(self.crcs)))
        if crc == file.crc64nvme:
            return None
        return CorruptDataError(
            f"{file.path!r} arrived with the CRC {crc} instead of {file.crc64nvme}. "
            "Run this again; tell the facility if it stays so.",
            path=file.path,
        )

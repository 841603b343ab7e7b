"""Routes of files: what a dataset holds, and how bytes get there and back."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote
from uuid import UUID, uuid4

from hutch.connection import Connection
from hutch.contract.manifest import Entry, read_line
from hutch.contract.wire.transfer import (
    AbortIn,
    ConfirmationsIn,
    ConfirmationsOut,
    DeletionsIn,
    DeletionsOut,
    DownloadsIn,
    DownloadsOut,
    FileOut,
    FilePage,
    FinishIn,
    FinishOut,
    PartsIn,
    PartsOut,
    PushOut,
    UploadsIn,
    UploadsOut,
)

_FIRST_PAGE: Final = 100
"""The first page of a list is small, so that its files begin to move soon."""
_PAGE: Final = 1_000
"""The most that a page may have."""


class Files:
    """The files of datasets."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def page(
        self, dataset: UUID, *, after: str | None = None, limit: int | None = None
    ) -> FilePage:
        """Read a page of files, in the order of their paths' bytes."""
        return self._connection.call(
            "GET",
            f"/v1/datasets/{dataset}/files",
            FilePage,
            query={"after": after, "limit": limit},
        )

    def iterate(self, dataset: UUID) -> Iterator[FileOut]:
        """Walk all files of a dataset, page by page."""
        for page in self.pages(dataset):
            yield from page.items

    def pages(self, dataset: UUID) -> Iterator[FilePage]:
        """Walk all pages of a dataset's files; each tells its revision."""
        after: str | None = None
        limit = _FIRST_PAGE
        while True:
            page = self.page(dataset, after=after, limit=limit)
            yield page
            after, limit = page.next, _PAGE
            if after is None:
                return

    def sha256(self, dataset: UUID, path: str) -> tuple[int, str]:
        """Ask for the size in bytes and the SHA-256 of one file.

        Raises:
            ServerAnswerError: Among others if there is no such file: the answer to a
                HEAD has no body that could say so.
        """
        response = self._connection.send("HEAD", _file(dataset, path))
        headers = response.headers
        return int(headers.get("Content-Length", -1)), headers.get("X-Hutch-SHA256", "")

    def address(self, dataset: UUID, path: str) -> str:
        """Say under which address of the server a file can be asked for, for good.

        The answer to whoever may read it leads on to what ``url`` gives.
        """
        return f"{self._connection.url}{_file(dataset, path)}"

    def url(self, dataset: UUID, path: str) -> str:
        """Ask for an address at the store where the file can be read for a while."""
        return self._connection.locate(_file(dataset, path))

    def manifest(self, dataset: UUID) -> Iterator[Entry]:
        """Read the manifest of a closed dataset, entry by entry."""
        for line in self._connection.stream_lines(f"/v1/datasets/{dataset}/manifest"):
            yield read_line(line)

    def record(self, dataset: UUID, name: str) -> bytes:
        """Read a record of a closed dataset as it lies in the store.

        Args:
            dataset: Id of the dataset.
            name: ``seal.json``, ``about.json``, or the SHA-256 of a piece.

        Raises:
            NotFoundError: There is no such record.
        """
        return self._connection.send(
            "GET", f"/v1/datasets/{dataset}/records/{quote(name, safe='')}"
        ).content

    def downloads(self, dataset: UUID, wanted: DownloadsIn) -> DownloadsOut:
        """Ask for the addresses of files."""
        return self._connection.call(
            "POST",
            f"/v1/datasets/{dataset}/downloads",
            DownloadsOut,
            body=wanted,
            repeat=True,
        )

    def confirm(self, dataset: UUID, wanted: ConfirmationsIn) -> ConfirmationsOut:
        """Tell which checksums were found to be as recorded."""
        return self._connection.call(
            "POST",
            f"/v1/datasets/{dataset}/confirmations",
            ConfirmationsOut,
            body=wanted,
            repeat=True,
        )


class Pushes:
    """Pushes: a working directory sending what changed.

    Every step may be repeated, so that a lost answer does no harm.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def start(self, dataset: UUID) -> PushOut:
        """Start a push."""
        return self._connection.call(
            "POST",
            f"/v1/datasets/{dataset}/pushes",
            PushOut,
            headers={"Idempotency-Key": str(uuid4())},
            repeat=True,
        )

    def announce(self, push: UUID, wanted: UploadsIn) -> UploadsOut:
        """Announce files and learn how to send each."""
        return self._connection.call(
            "POST", f"/v1/pushes/{push}/uploads", UploadsOut, body=wanted, repeat=True
        )

    def parts(self, push: UUID, wanted: PartsIn) -> PartsOut:
        """Ask for the addresses of parts."""
        return self._connection.call(
            "POST", f"/v1/pushes/{push}/parts", PartsOut, body=wanted, repeat=True
        )

    def finish(self, push: UUID, wanted: FinishIn) -> FinishOut:
        """Say that files were sent; they are then in the dataset, or not."""
        return self._connection.call(
            "POST", f"/v1/pushes/{push}/finish", FinishOut, body=wanted, repeat=True
        )

    def abort(self, push: UUID, wanted: AbortIn) -> None:
        """End uploads without keeping their files."""
        self._connection.send(
            "POST", f"/v1/pushes/{push}/aborts", body=wanted, repeat=True
        )

    def remove(self, push: UUID, wanted: DeletionsIn) -> DeletionsOut:
        """Take files out of an open dataset."""
        return self._connection.call(
            "POST",
            f"/v1/pushes/{push}/deletions",
            DeletionsOut,
            body=wanted,
            repeat=True,
        )


def _file(dataset: UUID, path: str) -> str:
    return f"/v1/datasets/{dataset}/files/{quote(path)}"

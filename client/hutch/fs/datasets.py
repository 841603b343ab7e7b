"""The datasets that are read, by their names and by their ids."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from hutch.client import Client
from hutch.contract.problems import HutchError, NotFoundError, from_problem
from hutch.contract.wire.datasets import DatasetOut, State
from hutch.contract.wire.transfer import (
    MAX_BATCH,
    DownloadsIn,
    FileOut,
    FileRef,
    SignedRequest,
)
from hutch.errors import ServerAnswerError
from hutch.fs.listing import AHEAD, PAGE, Listing
from hutch.fs.places import Place

CLOSED_S: Final = 60.0
"""So long a closed dataset is found without asking: it does not change, but may be
given another name, or be deleted."""
LIFE: Final = 0.8
"""Share of its life for which a signed request is used: the store must still take it
when it arrives, by its own clock."""


class Dataset:
    """One dataset: its files, and the signed requests that read them."""

    def __init__(self, client: Client, dataset: UUID) -> None:
        self.id = dataset
        self.listing = Listing(client, dataset)
        self._client = client
        self._lock = threading.RLock()
        self._held: dict[tuple[str, str], tuple[SignedRequest, float]] = {}
        self._ahead = 0

    def sign(
        self, files: Sequence[FileOut]
    ) -> Mapping[str, SignedRequest | HutchError]:
        """Have files signed, all that are not yet in one call.

        Neighbours are signed along with a single file, more each time: whoever reads
        one file after the other then asks once for many.

        Returns:
            The request for each, by its path, or why it cannot be read.

        Raises:
            HutchError: If the dataset cannot be read at all.
        """
        with self._lock:
            now_s = time.monotonic()
            found: dict[str, SignedRequest | HutchError] = {}
            todo: dict[str, FileOut] = {}
            for file in files:
                held = self._held.get((file.path, file.version))
                if held is not None and held[1] > now_s:
                    found[file.path] = held[0]
                else:
                    todo[file.path] = file
            asked = list(todo.values())
            if len(asked) == 1:
                asked += self.listing.following(asked[0].path, self._ahead)
                self._ahead = min(AHEAD, 2 * self._ahead + 1)
            answers: dict[str, SignedRequest | HutchError] = {}
            for first in range(0, len(asked), MAX_BATCH):
                answers |= self._ask(asked[first : first + MAX_BATCH])
        return found | {path: answers[path] for path in todo}

    def renew(self, file: FileOut) -> SignedRequest:
        """Have a file signed anew, because the store has refused what is there.

        Raises:
            FileChangedError: If the dataset has another version by now.
            HutchError: Whatever else keeps it from being read.
        """
        with self._lock:
            answer = self._ask([file])[file.path]
        if isinstance(answer, HutchError):
            raise answer
        return answer

    def _ask(
        self, files: Sequence[FileOut]
    ) -> Mapping[str, SignedRequest | HutchError]:
        asked_s = time.monotonic()
        refs = tuple(FileRef(path=f.path, version=f.version) for f in files)
        answer = self._client.files.downloads(self.id, DownloadsIn(files=refs))
        self.listing.note(answer.revision)
        for key in [k for k, (_, until_s) in self._held.items() if until_s <= asked_s]:
            del self._held[key]
        found: dict[str, SignedRequest | HutchError] = {}
        for ref, one in zip(refs, answer.files, strict=True):
            if one.problem is not None:
                found[ref.path] = from_problem(one.problem)
                self._held.pop((ref.path, ref.version), None)
            elif one.request is None:
                raise ServerAnswerError(
                    f"The server did not say where {ref.path!r} lies."
                )
            else:
                found[ref.path] = one.request
                until_s = asked_s + one.request.expires_in * LIFE
                self._held[ref.path, ref.version] = one.request, until_s
        return found


class Catalogue:
    """Finds datasets by their names.

    Args:
        client: Of somebody who may read them.
        open_s: Seconds for which what is known of an open dataset is believed; after
            that it is asked for its revision.
    """

    def __init__(self, client: Client, *, open_s: float) -> None:
        self._client, self._open_s = client, open_s
        self._lock = threading.RLock()
        self._found: dict[str, tuple[DatasetOut, float]] = {}
        self._datasets: dict[UUID, Dataset] = {}

    def find(self, place: Place) -> tuple[DatasetOut, Dataset]:
        """Find the dataset of a place.

        Raises:
            NotFoundError: If there is none, or not for this caller.
        """
        with self._lock:
            row, until_s = self._found.get(place.dataset, (None, 0.0))
            asked_s = time.monotonic()
            if row is None or until_s <= asked_s:
                row = self._client.find(place.dataset)
                life_s = CLOSED_S if row.state is State.CLOSED else self._open_s
                self._found[place.dataset] = row, asked_s + life_s
                self.dataset(row.id).listing.note(row.revision)
            return row, self.dataset(row.id)

    def dataset(self, dataset: UUID) -> Dataset:
        """Give a dataset that was found before."""
        with self._lock:
            if dataset not in self._datasets:
                self._datasets[dataset] = Dataset(self._client, dataset)
            return self._datasets[dataset]

    def owners(self) -> list[str]:
        """Name those who own a dataset that the caller may see."""
        return sorted({row.owner for row in self._rows(None)})

    def of(self, owner: str) -> list[DatasetOut]:
        """List an owner's datasets that the caller may see, by name.

        Raises:
            NotFoundError: If there is none.
        """
        rows = self._rows(owner)
        if not rows:
            raise NotFoundError(f"{owner!r} owns no dataset that you may see.")
        return sorted(rows, key=lambda row: row.name)

    def require(self, owner: str) -> None:
        """Make sure that an owner has a dataset that the caller may see.

        Raises:
            NotFoundError: If there is none.
        """
        if not self._client.datasets.list(owner=owner, limit=1).items:
            raise NotFoundError(f"{owner!r} owns no dataset that you may see.")

    def forget(self) -> None:
        """Ask for everything anew."""
        with self._lock:
            self._found.clear()
            for dataset in self._datasets.values():
                dataset.listing.forget()

    def _rows(self, owner: str | None) -> list[DatasetOut]:
        rows, after = list[DatasetOut](), None
        while True:
            page = self._client.datasets.list(owner=owner, after=after, limit=PAGE)
            rows += page.items
            after = page.next
            if after is None:
                return rows

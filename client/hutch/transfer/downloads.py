"""Drive one batch of files from the dataset: sign, fetch, check, place."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from hutch.client import Client
from hutch.contract.parts import Part, plan
from hutch.contract.paths import RelativePath
from hutch.contract.problems import HutchError, from_problem
from hutch.contract.wire.transfer import (
    DownloadsIn,
    FileOut,
    FileRef,
    SignedRequest,
)
from hutch.errors import CorruptDataError, ServerAnswerError
from hutch.transfer.carrier import Carrier
from hutch.transfer.checksums import Hasher, combine, crc64nvme, to_text
from hutch.transfer.crew import Crew
from hutch.transfer.download import fetch
from hutch.transfer.upload import Progress
from hutch.workdir.journal import Entry, Journal
from hutch.workdir.tree import Tree, unwritable
from hutch.workdir.walk import Stamp

RECORD_AT: Final = 250
"""Files that are noted together, unless the batch ends before."""
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


@dataclass(slots=True)
class Arrival:
    """What became of a file.

    Attributes:
        entry: As it now is on both sides; None if it is not here.
        error: Why it is not.
    """

    item: Incoming
    entry: Entry | None = None
    error: HutchError | None = None


@dataclass(slots=True)
class Fetcher:
    """What all batches of a pull or a verification share.

    Attributes:
        revisions: Every revision of the dataset that was seen.
    """

    client: Client
    dataset: UUID
    moved: Progress
    pool: Crew
    carrier: Carrier = field(default_factory=Carrier)
    revisions: set[int] = field(default_factory=set)

    def stop(self) -> None:
        """Make every thread end soon."""
        self.carrier.stop()
        self.client.hurry()

    def close(self) -> None:
        """Wait for the threads and close the sockets."""
        self.pool.shutdown()
        self.carrier.close()
        self.client.hurry(now=False)

    def sign(
        self, files: Sequence[FileOut]
    ) -> list[tuple[FileOut, SignedRequest | HutchError]]:
        """Ask for the addresses of files."""
        refs = tuple(FileRef(path=f.path, version=f.version) for f in files)
        answer = self.client.files.downloads(self.dataset, DownloadsIn(files=refs))
        self.revisions.add(answer.revision)
        signed: list[tuple[FileOut, SignedRequest | HutchError]] = []
        for file, one in zip(files, answer.files, strict=True):
            if one.problem is not None:
                signed.append((file, from_problem(one.problem)))
            elif one.request is None:
                raise ServerAnswerError(
                    f"The server did not say where {file.path!r} lies."
                )
            else:
                signed.append((file, one.request))
        return signed

    def renewer(self, file: FileOut) -> Callable[[], SignedRequest]:
        """Make the function that asks for one address anew."""

        def renew() -> SignedRequest:
            ((_, fresh),) = self.sign([file])
            if isinstance(fresh, HutchError):
                raise fresh
            return fresh

        return renew

    def fetch(
        self,
        file: FileOut,
        part: Part,
        request: SignedRequest,
        take: Callable[[int, memoryview], None],
    ) -> None:
        """Fetch a part of a file, telling the progress."""
        fetch(
            self.carrier,
            file.path,
            take,
            first=part.offset,
            size=part.size,
            request=request,
            renew=self.renewer(file),
            moved=lambda count: self.moved(file.path, count),
        )


def start(
    client: Client, dataset: UUID, *, moved: Progress, jobs: int | None
) -> Fetcher:
    """Start the threads of a pull or a verification."""
    carrier = Carrier(jobs)
    crew = Crew(carrier.width, name="hutch-fetch")
    return Fetcher(client, dataset, moved, crew, carrier)


@dataclass(slots=True)
class _Large:
    """A file that is fetched in parts; the thread of the last part completes it.

    Attributes:
        left: Parts that are not here yet.
        error: Why the first part that failed did; the others fail for no other reason.
    """

    item: Incoming
    temporary: str
    left: int
    error: HutchError | None = None
    crcs: dict[int, tuple[int, int]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Placement:
    """Fetches batches into a working directory."""

    def __init__(self, fetcher: Fetcher, tree: Tree, journal: Journal) -> None:
        self._fetcher = fetcher
        self._tree = tree
        self._journal = journal

    def drive(self, batch: Sequence[Incoming]) -> list[Arrival]:
        """Fetch a batch of files.

        Returns:
            One arrival for each file, in no particular order.

        Raises:
            HutchError: Whatever stops the fetch as a whole.
        """
        arrivals: dict[str, Arrival] = {}
        items = {item.file.path: item for item in batch}
        futures: dict[Future[Entry | None], Incoming] = {}
        for file, request in self._fetcher.sign([i.file for i in batch]):
            item = items[file.path]
            if isinstance(request, HutchError):
                arrivals[file.path] = Arrival(item, error=request)
            else:
                futures |= dict.fromkeys(self._submit(item, request), item)
        fresh: list[Entry] = []
        try:
            for future in as_completed(futures):
                arrival = arrivals.setdefault(
                    futures[future].file.path, Arrival(futures[future])
                )
                entry = _settle(future, arrival)
                if entry is not None:
                    fresh.append(entry)
                if len(fresh) >= RECORD_AT:
                    self._journal.record(fresh)
                    fresh = []
        finally:
            self._journal.record(fresh)
        return list(arrivals.values())

    def _submit(
        self, item: Incoming, request: SignedRequest
    ) -> Iterable[Future[Entry | None]]:
        pool = self._fetcher.pool
        parts = list(plan(item.file.size))
        try:
            large = _Large(item, self._tree.make(item.file.size), len(parts))
        except OSError as e:
            failed: Future[Entry | None] = Future()
            failed.set_exception(unwritable(item.path, e))
            return [failed]
        return [pool.submit(self._part, large, part, request) for part in parts]

    def _part(self, large: _Large, part: Part, request: SignedRequest) -> Entry | None:
        crc = 0
        try:
            with self._tree.writing(large.temporary) as handle:

                def take(at: int, block: memoryview) -> None:
                    nonlocal crc
                    crc = crc64nvme(block, crc)
                    _write(handle, block, at)

                self._fetcher.fetch(large.item.file, part, request, take)
            with large.lock:
                large.crcs[part.number] = (crc, part.size)
                large.left -= 1
                if large.left:
                    return None
            return self._complete(large)
        except OSError as e:
            raise self._given_up(large, unwritable(large.item.path, e)) from None
        except HutchError as e:
            raise self._given_up(large, e) from None
        except BaseException:
            self._tree.discard(large.temporary)
            raise

    def _given_up(self, large: _Large, error: HutchError) -> HutchError:
        with large.lock:
            large.error = large.error or error
        # The parts that have not begun find no file to write to, and end at once.
        self._tree.discard(large.temporary)
        return large.error

    def _complete(self, large: _Large) -> Entry:
        item, file = large.item, large.item.file
        crc = to_text(combine(large.crcs[n] for n in sorted(large.crcs)))
        if crc != file.crc64nvme:
            raise CorruptDataError(
                f"{file.path!r} arrived with the CRC {crc} instead of "
                f"{file.crc64nvme}. Run this again; tell the facility if it stays so.",
                path=file.path,
            )
        stamp = self._tree.place(
            large.temporary,
            item.path,
            expected=item.expected,
            # Older than the journal's entry, so that it need not be read again.
            mtime_ns=int(file.committed_at.timestamp() * _NS),
        )
        return entry_of(file, stamp, now_ns=time.time_ns())


def hash_file(fetcher: Fetcher, file: FileOut, request: SignedRequest) -> None:
    """Fetch a file without keeping it, and compare both checksums.

    Raises:
        CorruptDataError: If they are not those that the dataset records.
    """
    hasher = Hasher()
    whole = Part(1, 0, file.size)
    fetcher.fetch(file, whole, request, lambda _at, block: hasher.update(block))
    sums = hasher.sums()
    if (sums.sha256, sums.crc64nvme) != (file.sha256, file.crc64nvme):
        raise CorruptDataError(
            f"{file.path!r} has the SHA-256 {sums.sha256} in the store, but "
            f"{file.sha256} in the dataset. Tell the owner and the facility.",
            path=file.path,
        )


def entry_of(file: FileOut, stamp: Stamp, *, now_ns: int) -> Entry:
    """Make the journal's entry of a file that is here as in the dataset."""
    return Entry(
        path=file.path,
        stamp=stamp,
        sha256=file.sha256,
        crc64nvme=file.crc64nvme,
        version=file.version,
        recorded_ns=now_ns,
    )


def _settle(future: Future[Entry | None], arrival: Arrival) -> Entry | None:
    try:
        entry = future.result()
    except HutchError as e:
        arrival.error = arrival.error or e
        return None
    arrival.entry = entry or arrival.entry
    return entry


def _write(handle: int, block: memoryview, at: int) -> None:
    while len(block):
        count = os.pwrite(handle, block, at)
        block, at = block[count:], at + count

"""Drive one batch of files from the dataset: sign, fetch, check, place."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Final
from uuid import UUID

from hutch.client import Client
from hutch.contract.parts import MIB, Part
from hutch.contract.problems import HutchError, from_problem
from hutch.contract.wire.transfer import (
    DownloadsIn,
    FileOut,
    FileRef,
    SignedRequest,
)
from hutch.errors import CorruptDataError, ServerAnswerError
from hutch.transfer.carrier import Carrier, StoppedError
from hutch.transfer.checksums import Hasher, crc64nvme
from hutch.transfer.coming import Coming, Incoming
from hutch.transfer.crew import Crew
from hutch.transfer.download import fetch
from hutch.transfer.failures import RouteError
from hutch.transfer.pipeline import GROUP, batches
from hutch.transfer.upload import Progress
from hutch.workdir.journal import Entry, Journal
from hutch.workdir.tree import Tree, unwritable
from hutch.workdir.walk import Stamp

__all__ = [
    "Arrival",
    "Fetcher",
    "Incoming",
    "Placement",
    "entry_of",
    "hash_file",
    "start",
]

GROUP_BYTES: Final = 64 * MIB
"""Bytes that a thread fetches as one piece of work: a part of a large file, or a few
that are not small."""
OPEN_FILES: Final = 192
"""Files of all pieces under way, far from the 1,024 descriptors of a process."""
WAITING: Final = 8
"""Pieces that may wait for the disk before no more are begun."""
LOOK_S: Final = 0.5
"""How often a thread that waits for the disk looks whether it is to stop."""


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
class _Ended:
    """A piece of work that is over.

    Attributes:
        files: Those of which it had the last part, complete or not.
        error: What ended it too early.
    """

    files: list[Coming] = field(default_factory=list)
    error: BaseException | None = None


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
    carrier: Carrier
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


class Placement:
    """Fetches batches into a working directory."""

    def __init__(self, fetcher: Fetcher, tree: Tree, journal: Journal) -> None:
        self._fetcher = fetcher
        self._tree = tree
        self._journal = journal
        # Of all batches together: each piece holds files open.
        self._slots = threading.Semaphore(fetcher.carrier.width.most + WAITING)

    def drive(self, batch: Sequence[Incoming]) -> list[Arrival]:
        """Fetch a batch of files.

        Returns:
            One arrival for each file, in no particular order.

        Raises:
            HutchError: Whatever stops the fetch as a whole.
        """
        arrivals: list[Arrival] = []
        coming: list[Coming] = []
        items = {item.file.path: item for item in batch}
        for signed, request in self._fetcher.sign([i.file for i in batch]):
            if isinstance(request, HutchError):
                arrivals.append(Arrival(items[signed.path], error=request))
            else:
                coming.append(Coming(items[signed.path], request))
        try:
            self._fetch_all(coming, arrivals)
        finally:
            for file in coming:  # nobody writes to them any more
                file.close()
        return arrivals

    def _fetch_all(self, coming: Sequence[Coming], arrivals: list[Arrival]) -> None:
        """Have files fetched, and give them their names as they become complete.

        This thread waits for the disk, so that those that fetch need not; what has
        become complete meanwhile goes together.
        """
        most = self._fetcher.carrier.width.most
        ended: SimpleQueue[_Ended] = SimpleQueue()
        left, failed = 0, None
        for parts in batches(
            ((file, part) for file in coming for part in file.parts),
            lambda one: one[1].size,
            most_files=min(GROUP, max(1, OPEN_FILES // most)),
            most_bytes=GROUP_BYTES,
        ):
            self._fetcher.pool.submit(self._work, parts, ended)
            left += 1
        while left:
            groups = _taken(ended)
            left -= len(groups)
            try:
                self._settle([f for group in groups for f in group.files], arrivals)
            except BaseException as e:  # noqa: BLE001 - raised once all have ended
                failed = failed or e
            for group in groups:
                self._slots.release()
                failed = failed or group.error
            if failed is not None:
                self._fetcher.stop()
        if failed is not None:
            raise failed

    def _work(
        self,
        parts: Sequence[tuple[Coming, Part]],
        ended: SimpleQueue[_Ended],
    ) -> None:
        """Fetch a few parts, and hand on the files that have ended with them."""
        done = _Ended()
        try:
            while not self._slots.acquire(timeout=LOOK_S):
                self._require_going_on()
            for file, part in parts:
                self._require_going_on()
                self._fetch(file, part)
                if file.ended():
                    done.files.append(file)
        except BaseException as e:  # noqa: BLE001 - whoever waits raises it
            done.error = e
        ended.put(done)

    def _require_going_on(self) -> None:
        if self._fetcher.carrier.stopped.is_set():
            raise StoppedError

    def _fetch(self, file: Coming, part: Part) -> None:
        """Fetch a part; what concerns the file alone is noted with it."""
        crc = 0

        def take(at: int, block: memoryview) -> None:
            nonlocal crc
            if file.error is not None:
                raise file.error  # of another part: this one is for nothing
            crc = crc64nvme(block, crc)
            draft.write(at, block)

        try:
            if file.error is None:
                draft = file.begin(self._tree)
                self._fetcher.fetch(file.item.file, part, file.request, take)
                file.crcs[part.number] = (crc, part.size)
        except RouteError:
            raise  # no other file would escape it
        except HutchError as e:
            file.fail(e)
        except OSError as e:
            file.fail(unwritable(file.item.path, e))

    def _settle(self, files: Sequence[Coming], arrivals: list[Arrival]) -> None:
        """Give complete files their names, then note them as synchronised."""
        whole = [file for file in files if file.error is None]
        stamps = self._tree.place([file.placing() for file in whole])
        fresh = []
        for file, stamp in zip(whole, stamps, strict=True):
            if isinstance(stamp, HutchError):
                file.fail(stamp)
            else:
                entry = entry_of(file.item.file, stamp, now_ns=time.time_ns())
                fresh.append(entry)
                arrivals.append(Arrival(file.item, entry))
        self._journal.record(fresh)
        for file in files:
            if file.error is not None:
                arrivals.append(Arrival(file.item, error=file.error))
            file.close()


def _taken(ended: SimpleQueue[_Ended]) -> list[_Ended]:
    """Wait for a piece of work, and take others that have ended by then."""
    groups = [ended.get()]
    with suppress(Empty):
        while len(groups) < WAITING:
            groups.append(ended.get_nowait())
    return groups


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

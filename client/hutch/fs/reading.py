"""Read spans of files over a few connections to the store."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from hutch.contract.parts import MIB
from hutch.contract.problems import HutchError, StoreUnavailableError
from hutch.contract.wire.transfer import FileOut, SignedRequest
from hutch.errors import CorruptDataError
from hutch.fs.datasets import Dataset
from hutch.transfer.carrier import Carrier, LostError
from hutch.transfer.checksums import crc64nvme, to_text
from hutch.transfer.download import fetch

THREADS: Final = 8
"""Requests at a time: a store on a local network is kept busy by fewer."""
PIECE: Final = 16 * MIB
"""Most bytes of one request; a longer span is read by several at a time."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of one version of a file.

    Attributes:
        first: First byte.
        end: First byte that is not wanted.
    """

    dataset: Dataset
    file: FileOut
    first: int
    end: int

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the file."""
        return self.first == 0 and self.end == self.file.size


def span(dataset: Dataset, file: FileOut, start: int | None, end: int | None) -> Span:
    """Choose bytes as a slice does.

    Args:
        dataset: Where the file is.
        file: The file.
        start: First byte, from the end if negative; None means 0.
        end: First byte that is not wanted, likewise; None means the file's end.
    """
    first, last, _ = slice(start, end).indices(file.size)
    return Span(dataset, file, first, max(first, last))


class Reader:
    """Reads spans, several at a time; usable from several threads."""

    def __init__(self) -> None:
        self._carrier = Carrier(THREADS)
        # Its threads are started as they are needed.
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="hutch-read")

    def close(self) -> None:
        """End what is being read, and close the connections."""
        self._carrier.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._carrier.close()

    def read(self, spans: Sequence[Span]) -> list[bytes | HutchError]:
        """Read spans; all files that are not yet signed are signed first, together.

        Returns:
            The bytes of each, or why it could not be read.
        """
        signed = _sign(spans)
        jobs = [
            _Job(number, one, first, request)
            for number, one in enumerate(spans)
            if not isinstance(request := signed.get(_key(one)), HutchError | None)
            for first in range(one.first, one.end, PIECE)
        ]
        # A single request is this thread's own work: handing it over would take longer.
        run = self._pool.map if len(jobs) > 1 else map
        got: list[list[bytes | HutchError]] = [[] for _ in spans]
        for job, data in zip(jobs, run(self._fetch, jobs), strict=True):
            got[job.number].append(data)
        return [
            _joined(one, parts, signed.get(_key(one)))
            for one, parts in zip(spans, got, strict=True)
        ]

    def _fetch(self, job: "_Job") -> bytes | HutchError:
        file, blocks = job.span.file, list[bytes]()
        try:
            fetch(
                self._carrier,
                file.path,
                # The buffer is used again: what is kept must be copied.
                lambda _at, block: blocks.append(bytes(block)),
                first=job.first,
                size=min(PIECE, job.span.end - job.first),
                request=job.request,
                renew=lambda: job.span.dataset.renew(file),
                moved=lambda _count: None,
            )
        except LostError as e:
            error = StoreUnavailableError(
                "The object store does not answer any more. Check the network, then "
                "try again."
            )
            error.__cause__ = e
            return error
        except HutchError as e:
            return e
        return b"".join(blocks)


@dataclass(frozen=True, slots=True)
class _Job:
    """One request.

    Attributes:
        number: Of its span among those that are read together.
    """

    number: int
    span: Span
    first: int
    request: SignedRequest


_Key = tuple[UUID, str]


def _key(one: Span) -> _Key:
    return one.dataset.id, one.file.path


def _sign(spans: Sequence[Span]) -> Mapping[_Key, SignedRequest | HutchError]:
    """Have all files signed of which there is anything to read."""
    files: dict[Dataset, list[FileOut]] = {}
    for one in spans:
        if one.first < one.end:
            files.setdefault(one.dataset, []).append(one.file)
    signed: dict[_Key, SignedRequest | HutchError] = {}
    for dataset, wanted in files.items():
        try:
            answers = dataset.sign(wanted)
        except HutchError as e:
            answers = {file.path: e for file in wanted}
        signed |= {(dataset.id, path): answer for path, answer in answers.items()}
    return signed


def _joined(
    one: Span,
    parts: Sequence[bytes | HutchError],
    request: SignedRequest | HutchError | None,
) -> bytes | HutchError:
    """Put a span together; all of a file is compared with the dataset's checksum."""
    if isinstance(request, HutchError):
        return request
    for part in parts:
        if isinstance(part, HutchError):
            return part
    data = b"".join(part for part in parts if isinstance(part, bytes))
    if one.is_whole and to_text(crc64nvme(data)) != one.file.crc64nvme:
        return CorruptDataError(
            f"{one.file.path!r} is not what the dataset records: its checksum differs. "
            "Tell the owner and the facility.",
            path=one.file.path,
        )
    return data

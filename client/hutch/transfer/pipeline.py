"""Work on several batches at once, in order, and stop all of it at once."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from queue import SimpleQueue
from typing import Final, TypeVar

from hutch.contract.problems import StoreUnavailableError
from hutch.transfer.carrier import LostError

T = TypeVar("T")
B = TypeVar("B")

AHEAD: Final = 3
"""Batches at once: one that is sent, and two that are prepared meanwhile."""
MAX_FILES: Final = 1_000
MAX_BYTES: Final = 4 * 1024**3
"""A batch ends here at the latest, so that its files are finished now and then."""
GROUP: Final = 8
"""Files, or parts of them, that a thread takes as one piece of work: handing over each
of them would cost as much as it does."""
FIRST_FILES: Final = 50
"""The first batch is small, so that bytes move soon."""
_GROWTH: Final = 4
_CHUNK: Final = 100
"""Items that change threads together: singly they would cost more than the walk."""
_CHUNKS_AHEAD: Final = 500
"""So far the walk may be ahead: some 50,000 files, of which the sums are known."""


def batches(
    items: Iterable[T],
    size: Callable[[T], int],
    *,
    first_files: int = MAX_FILES,
    most_files: int = MAX_FILES,
    most_bytes: int = MAX_BYTES,
) -> Iterator[list[T]]:
    """Cut work into batches, keeping its order.

    Args:
        items: Files, in the order of their paths.
        size: Tells the bytes of one.
        first_files: Most files of the first batch, with as large a share of the
            bytes; each next one may be four times as large.
        most_files: Most files of a batch.
        most_bytes: Most bytes of a batch, unless a single file has more.
    """
    batch: list[T] = []
    total, files = 0, min(first_files, most_files)
    for item in items:
        length = size(item)
        full = len(batch) >= files or total + length > most_bytes * files // most_files
        if batch and full:
            yield batch
            batch, total = [], 0
            files = min(files * _GROWTH, most_files)
        batch.append(item)
        total += length
    if batch:
        yield batch


@contextmanager
def ahead(items: Iterable[T]) -> Iterator[Iterator[T]]:
    """Have items taken in a thread of its own, some way ahead of who needs them.

    Leaving the context ends the thread; what taking an item raises comes out where
    the item would have.
    """
    waiting: SimpleQueue[list[T] | BaseException] = SimpleQueue()
    room = threading.Semaphore(_CHUNKS_AHEAD)
    left = threading.Event()

    def feed() -> None:
        source = iter(items)
        try:
            while chunk := list(islice(source, _CHUNK)):
                waiting.put(chunk)
                room.acquire()
                if left.is_set():
                    return
            waiting.put([])
        except BaseException as e:  # noqa: BLE001 - it goes to who waits
            waiting.put(e)

    def taken() -> Iterator[T]:
        while chunk := waiting.get():
            if isinstance(chunk, BaseException):
                raise chunk
            yield from chunk
            room.release()

    feeder = threading.Thread(target=feed, name="hutch-walk")
    feeder.start()
    try:
        yield taken()
    finally:
        left.set()
        room.release()
        feeder.join()


def run(
    work: Iterable[B],
    drive: Callable[[B], T],
    *,
    take: Callable[[T], None],
    stop: Callable[[], None],
) -> None:
    """Drive batches, a few at a time.

    Args:
        work: The batches, taken one by one as there is room.
        drive: Does one batch, in a thread of its own.
        take: Is given each result, in the calling thread.
        stop: Is called before an error leaves this function; it must make ``drive``
            end soon.

    Raises:
        StoreUnavailableError: If the store answers nobody any more.
        BaseException: The first error of ``drive``, or Ctrl-C.
    """
    running: set[Future[T]] = set()
    rest = iter(work)
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="hutch-batch") as pool:
        try:
            while True:
                while len(running) < AHEAD and (batch := next(rest, None)) is not None:
                    running.add(pool.submit(drive, batch))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    take(future.result())
        except BaseException as e:
            stop()
            for future in running:
                future.cancel()
            if isinstance(e, LostError):
                raise StoreUnavailableError(
                    "The object store does not answer any more. Check the network, "
                    "then run this again."
                ) from e
            raise

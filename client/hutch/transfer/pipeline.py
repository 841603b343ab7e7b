"""Work on several batches at once, in order, and stop all of it at once."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final, TypeVar

from hutch.contract.problems import StoreUnavailableError
from hutch.transfer.carrier import LostError

T = TypeVar("T")
B = TypeVar("B")

AHEAD: Final = 3
"""Batches at once: one that is sent, and two that are prepared meanwhile."""
MAX_FILES: Final = 1_000
MAX_BYTES: Final = 16 * 1024**3
"""A batch ends here at the latest, so that its files are finished now and then."""


def batches(
    items: Iterable[T],
    size: Callable[[T], int],
    *,
    most_files: int = MAX_FILES,
    most_bytes: int = MAX_BYTES,
) -> Iterator[list[T]]:
    """Cut work into batches, keeping its order.

    Args:
        items: Files, in the order of their paths.
        size: Tells the bytes of one.
        most_files: Most files of a batch.
        most_bytes: Most bytes of a batch, unless a single file has more.
    """
    batch: list[T] = []
    total = 0
    for item in items:
        length = size(item)
        if batch and (len(batch) >= most_files or total + length > most_bytes):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += length
    if batch:
        yield batch


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

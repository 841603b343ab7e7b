"""A few store calls at once."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

STORE_CALLS: Final = 8
"""Store calls of one request that run at once; more only queue in the store."""
_WAITING: Final = 2
_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


def in_parallel(
    call: Callable[[_Item], _Answer], items: Sequence[_Item]
) -> list[_Answer]:
    """Make one store call per item, a few at a time, answers in order.

    Raises:
        Exception: The first that a call raised, after all have ended.
    """
    if len(items) <= 1:
        return [call(item) for item in items]
    with ThreadPoolExecutor(min(STORE_CALLS, len(items))) as pool:
        return list(pool.map(call, items))


@contextmanager
def behind(call: Callable[[_Item], None]) -> Iterator[Callable[[_Item], None]]:
    """Make store calls one after the other while the caller goes on.

    Few wait, so that they take little memory. All have been made when the block ends;
    one that failed ends it with its error.
    """
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(1) as pool:

        def give(item: _Item) -> None:
            if len(waiting) == _WAITING:
                waiting.popleft().result()
            waiting.append(pool.submit(call, item))

        yield give
        for made in waiting:
            made.result()

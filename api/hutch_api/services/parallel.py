"""A few store calls at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

STORE_CALLS: Final = 8
"""Store calls of one request that run at once; more only queue in the store."""
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

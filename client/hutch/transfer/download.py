"""Fetch bytes of one file, until they are here or will not come."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hutch.contract.wire.transfer import SignedRequest
from hutch.errors import CorruptDataError, TransferError
from hutch.transfer.carrier import Answer, Carrier, CutError, Moved, describe
from hutch.transfer.upload import ATTEMPTS, FIRST_PAUSE_S, LONGEST_PAUSE_S, REFUSED

Take = Callable[[int, memoryview], None]
"""Is given the position in the file and the bytes there, in order."""
_ABSENT: Final = frozenset({"NoSuchKey", "NoSuchVersion"})
_BEYOND: Final = 416


def fetch(
    carrier: Carrier,
    path: str,
    take: Take,
    *,
    first: int,
    size: int,
    request: SignedRequest,
    renew: Callable[[], SignedRequest],
    moved: Moved,
) -> None:
    """Fetch bytes of a file, going on where a connection broke.

    Args:
        carrier: The connections.
        path: For messages.
        take: Is given each byte exactly once, in order, by whole buffers but the last.
        first: First byte.
        size: Number of bytes; 0 fetches nothing.
        request: The signed request.
        renew: Asks for a fresh one, where the old one has expired or was revoked.
        moved: Is told what comes; what never got to ``take`` is taken back.

    Raises:
        LostError: If the store answers nobody any more.
        TransferError: If the store does not send them.
        CorruptDataError: If the store does not have them any more.
        OSError: If ``take`` raises it, as when the disk is full.
    """
    here = told = first
    address, end = _Address(path, request, renew), first + size
    tries = _Tries(carrier, path)

    def arrived(block: memoryview) -> None:
        nonlocal here
        take(here, block)
        here += len(block)

    def tell(count: int) -> None:
        nonlocal told
        told += count
        moved(count)

    while here < end:
        before = here
        try:
            answer = carrier.get(
                address.request, arrived, first=here, size=end - here, moved=tell
            )
        except CutError as e:
            why = e.detail
        else:
            why = "" if here == end else address.answered(answer)
        finally:
            if told > here:
                tell(here - told)
        if here == end:
            return
        tries.failed(why, has_moved=here > before)


@dataclass(slots=True)
class _Tries:
    """How often the store was asked in vain."""

    carrier: Carrier
    path: str
    count: int = 0
    pause: float = 0.0

    def failed(self, why: str, *, has_moved: bool) -> None:
        """Wait before the next try, unless it was the last."""
        # Bytes that arrived show that the store is alive: the count starts again.
        self.count = 1 if has_moved else self.count + 1
        first = self.count == 1
        self.pause = FIRST_PAUSE_S if first else min(self.pause * 2, LONGEST_PAUSE_S)
        if self.count == ATTEMPTS:
            self.carrier.require_store()
            raise _failed(self.path, why)
        self.carrier.pause(self.pause)


@dataclass(slots=True)
class _Address:
    """Where the bytes are fetched; another one where the store refuses this one."""

    path: str
    request: SignedRequest
    renew: Callable[[], SignedRequest]
    unfit: bool = False
    fresh: bool = False

    def answered(self, answer: Answer) -> str:
        """Take the store's answer, and say what it was.

        Raises:
            CorruptDataError: The store does not have the version that the dataset
                names, or not all of it, also when asked for the second time.
            TransferError: The store wants to be asked elsewhere.
        """
        why = describe(answer, self.request, fresh=self.fresh)
        if answer.is_redirect:
            raise _failed(self.path, why)
        gone, short = answer.code in _ABSENT, answer.status == _BEYOND
        if (gone or short) and self.unfit:
            what = (
                "is missing: the object store does not have the version any more that "
                "the dataset names"
                if gone
                else "is shorter in the object store than in the dataset"
            )
            raise CorruptDataError(
                f"{self.path!r} {what}. Tell the owner and the facility.",
                path=self.path,
            )
        self.unfit = gone or short  # perhaps the dataset has another version by now
        if self.unfit or answer.status == REFUSED:
            self.request, self.fresh = self.renew(), True
        return why


def _failed(path: str, why: str) -> TransferError:
    return TransferError(
        f"{path!r} could not be fetched: {why.strip().rstrip('.')}. Try again later; "
        "if it stays so, the store's copy may be damaged: tell the facility.",
        path=path,
    )

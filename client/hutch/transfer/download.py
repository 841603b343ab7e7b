"""Fetch bytes of one file, until they are here or will not come."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hutch.contract.wire.transfer import SignedRequest
from hutch.errors import CorruptDataError, TransferError
from hutch.transfer.carrier import Answer, Carrier, CutError, describe
from hutch.transfer.upload import ATTEMPTS, FIRST_PAUSE_S, LONGEST_PAUSE_S, REFUSED

Take = Callable[[int, memoryview], None]
"""Is given the position in the file and the bytes there, in order."""
_ABSENT: Final = frozenset({"NoSuchKey", "NoSuchVersion"})
_CUT_SHORT: Final = "The object store sent fewer bytes than it should"


class _TakeError(Exception):
    """What was fetched could not be kept: not a fault of the connection."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(cause)
        self.cause = cause


def fetch(
    carrier: Carrier,
    path: str,
    take: Take,
    *,
    first: int,
    size: int,
    request: SignedRequest,
    renew: Callable[[], SignedRequest],
) -> None:
    """Fetch bytes of a file, going on where a connection broke.

    Args:
        carrier: The connections.
        path: For messages.
        take: Is given each byte exactly once, in order.
        first: First byte.
        size: Number of bytes; 0 fetches nothing.
        request: The signed request.
        renew: Asks for a fresh one, where the old one has expired or was revoked.

    Raises:
        LostError: If the store answers nobody any more.
        TransferError: If the store does not send them.
        CorruptDataError: If the store does not have them any more.
        OSError: If ``take`` raises it, as when the disk is full.
    """
    here, end, guarded = first, first + size, _guarded(take)
    address = _Address(path, request, renew)
    pause, why, failures = FIRST_PAUSE_S, "", 0

    def arrived(block: memoryview) -> None:
        nonlocal here
        kept = block[: end - here]  # a store that sends more is not believed
        guarded(here, kept)
        here += len(kept)

    while here < end:
        before = here
        try:
            answer = carrier.get(address.request, arrived, first=here, size=end - here)
        except CutError as e:
            why = e.detail
        except _TakeError as e:
            raise e.cause from None
        else:
            why = _CUT_SHORT
            if not answer.is_success:
                why = describe(answer, address.request, fresh=address.fresh)
            address.answered(answer)
        if here == end:
            return
        # Bytes that arrived show that the store is alive: the count starts again.
        failures = 1 if here > before else failures + 1
        pause = FIRST_PAUSE_S if here > before else min(pause * 2, LONGEST_PAUSE_S)
        if failures == ATTEMPTS:
            carrier.require_store()
            raise _failed(path, why)
        carrier.pause(pause)


@dataclass(slots=True)
class _Address:
    """Where the bytes are fetched; another one where the store refuses this one."""

    path: str
    request: SignedRequest
    renew: Callable[[], SignedRequest]
    absent: bool = False
    fresh: bool = False

    def answered(self, answer: Answer) -> None:
        """Take the store's answer.

        Raises:
            CorruptDataError: The store does not have the version that the dataset
                names, also when asked for the second time.
        """
        gone = answer.code in _ABSENT
        if gone and self.absent:
            raise CorruptDataError(
                f"{self.path!r} is missing: the object store does not have the version "
                "any more that the dataset names. Tell the owner and the facility.",
                path=self.path,
            )
        self.absent = gone  # perhaps the dataset has another version by now
        if gone or answer.status == REFUSED:
            self.request, self.fresh = self.renew(), True


def _failed(path: str, why: str) -> TransferError:
    return TransferError(
        f"{path!r} could not be fetched: {why.strip().rstrip('.')}. Try again later; "
        "if it stays so, the store's copy may be damaged: tell the facility.",
        path=path,
    )


def _guarded(take: Take) -> Take:
    """Tell errors of ``take`` from those of the connection, for the carrier."""

    def guarded(at: int, block: memoryview) -> None:
        try:
            take(at, block)
        except OSError as e:
            raise _TakeError(e) from e

    return guarded

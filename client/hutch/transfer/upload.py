"""Send one file, or one part, until the store has it or will not take it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from hutch.contract.parts import Part
from hutch.contract.problems import UploadGoneError
from hutch.contract.wire.transfer import PartSent, SignedRequest
from hutch.errors import LocalFileError, TransferError
from hutch.transfer.carrier import Answer, Carrier, CutError, Piece, describe
from hutch.transfer.source import opened
from hutch.workdir.walk import Found

ATTEMPTS: Final = 6
FIRST_PAUSE_S: Final = 0.3
LONGEST_PAUSE_S: Final = 10.0

REFUSED: Final = 403
GONE: Final = 404
EXISTS: Final = 412


@dataclass(frozen=True, slots=True)
class Target:
    """Where bytes go.

    Attributes:
        request: The signed request.
        renew: Asks for a fresh one, where the old one has expired or was revoked.
    """

    request: SignedRequest
    renew: Callable[[], SignedRequest]


class Progress(Protocol):
    """Is told how many bytes of a file arrived; negative where they are sent again."""

    def __call__(self, path: str, count: int) -> None:
        """Take the number of bytes since the last call."""
        ...


def send(
    carrier: Carrier,
    root: Path,
    found: Found,
    part: Part,
    target: Target,
    *,
    moved: Progress,
) -> Answer:
    """Send bytes of a file, again where that may help.

    Returns:
        The store's answer: a success, or that the object exists already.

    Raises:
        FileChangingError: If the file changes meanwhile.
        LostError: If the store answers nobody any more.
        TransferError: If the store does not take it.
        UploadGoneError: If the upload has ended.
    """
    request, pause, why = target.request, FIRST_PAUSE_S, ""
    for attempt in range(1, ATTEMPTS + 1):
        count = _Count(found.path, moved)
        try:
            with opened(root, found) as handle:
                piece = Piece(handle, part.offset, part.size)
                answer = carrier.put(request, piece, count)
        except CutError as e:
            why = e.detail
        except LocalFileError:
            count.take_back()
            raise
        else:
            if answer.is_success or answer.status == EXISTS:
                return answer
            if answer.status == GONE:
                count.take_back()
                raise UploadGoneError(
                    f"The upload of {found.path!r} has ended; push again.",
                    path=found.path,
                )
            why = describe(answer, request, fresh=request is not target.request)
            if answer.is_redirect:
                count.take_back()
                raise _failed(found.path, why)
            if answer.status == REFUSED and attempt < ATTEMPTS:
                request = target.renew()
        count.take_back()
        if attempt < ATTEMPTS:
            carrier.pause(pause)
        pause = min(pause * 2, LONGEST_PAUSE_S)
    carrier.require_store()
    raise _failed(found.path, why)


def sent(part: Part, answer: Answer, crc64nvme: str) -> PartSent:
    """Note a part as the store acknowledged it."""
    return PartSent(number=part.number, etag=answer.etag, crc64nvme=crc64nvme)


def _failed(path: str, why: str) -> TransferError:
    return TransferError(
        f"{path!r} could not be sent: {why.rstrip('.')}. Push again later.",
        path=path,
    )


class _Count:
    """What one attempt has moved, so that it can be taken back."""

    def __init__(self, path: str, moved: Progress) -> None:
        self._path, self._moved, self._bytes = path, moved, 0

    def __call__(self, count: int) -> None:
        self._bytes += count
        self._moved(self._path, count)

    def take_back(self) -> None:
        if self._bytes:
            self._moved(self._path, -self._bytes)
        self._bytes = 0

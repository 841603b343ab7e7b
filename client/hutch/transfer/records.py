"""Fetch a record of the store, such as a piece of a log, until it is here."""

from collections.abc import Callable
from typing import Final

from hutch.contract.problems import StoreUnavailableError
from hutch.contract.wire.transfer import SignedRequest
from hutch.transfer.carrier import Carrier, CutError, describe
from hutch.transfer.upload import ATTEMPTS, FIRST_PAUSE_S, LONGEST_PAUSE_S, REFUSED

MOST: Final = 1024 * 1024
"""Bytes of a record that are taken: pieces of logs have a quarter of it."""


def fetch_record(
    carrier: Carrier,
    request: SignedRequest,
    renew: Callable[[], SignedRequest],
    *,
    most: int = MOST,
    what: str = "log",
) -> bytes:
    """Fetch a record that fits into memory, again where that may help.

    Args:
        carrier: The connections.
        request: The signed request.
        renew: Asks for a fresh one, where the old one has expired.
        most: Bytes that are taken.
        what: What it is, for the text of a failure.

    Raises:
        RouteError: If the store can never be reached as it was asked.
        StoreUnavailableError: If the store does not give it.
    """
    fresh, pause, why = False, FIRST_PAUSE_S, ""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            answer, data = carrier.read(request, most=most)
        except CutError as e:
            why = e.detail
        else:
            if answer.is_success:
                return data
            why = describe(answer, request, fresh=fresh)
            if answer.is_redirect:
                break
            if answer.status == REFUSED:
                request, fresh = renew(), True
        if attempt < ATTEMPTS:
            carrier.pause(pause)
        pause = min(pause * 2, LONGEST_PAUSE_S)
    raise StoreUnavailableError(
        f"The {what} could not be fetched: {why.strip().rstrip('.')}. Try again later; "
        "if it stays so, tell the facility."
    )

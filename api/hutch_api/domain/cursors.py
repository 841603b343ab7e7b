"""Cursors of lists: where the next page begins, opaque to the caller."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self
from uuid import UUID

from hutch.contract.problems import InvalidInputError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list that is sorted by time and id.

    Both together, because several rows may share a moment.
    """

    at: datetime
    id: UUID

    def text(self) -> str:
        """Write it so that it can stand in a URL."""
        microseconds = (self.at - _EPOCH) // timedelta(microseconds=1)
        raw = microseconds.to_bytes(_TIME_BYTES, "big", signed=True) + self.id.bytes
        return base64.urlsafe_b64encode(raw).decode()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``text`` wrote.

        Raises:
            InvalidInputError: If it is something else.
        """
        try:
            raw = base64.b64decode(text, altchars=b"-_", validate=True)
            microseconds = int.from_bytes(raw[:_TIME_BYTES], "big", signed=True)
            at = _EPOCH + timedelta(microseconds=microseconds)
            return cls(at, UUID(bytes=raw[_TIME_BYTES:]))
        except (ValueError, OverflowError, binascii.Error) as error:
            raise InvalidInputError(
                "after: is not a cursor; give the 'next' of the page before",
                field="after",
            ) from error

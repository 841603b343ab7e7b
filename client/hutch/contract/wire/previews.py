"""Previews: small pictures of what a dataset holds, on the wire."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from hutch.contract.wire.transfer import SignedRequest

MAX_BYTES: Final = 2 * 1024 * 1024
"""Longest preview in bytes."""
MAX_PREVIEWS: Final = 200
"""Most previews of a dataset."""
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".png": "image/png",
    ".json": "application/json",
}
"""What may be a preview, by the end of its name."""


def media_type_of(name: str) -> str:
    """Tell the media type of a preview.

    Raises:
        ValueError: If nothing can have this name.
    """
    ending = name[name.rfind(".") :] if "." in name else ""
    if not NAME.fullmatch(name) or ending not in MEDIA_TYPES:
        raise ValueError(
            f"{name[:100]!r} is not the name of a preview; allowed are 1 to 100 "
            "lower-case letters, digits, '.', '_' and '-', a letter or digit first, "
            "and .png or .json at the end"
        )
    return MEDIA_TYPES[ending]


def require_length(length: int) -> None:
    """Refuse what is too long for a preview.

    Raises:
        ValueError: It is.
    """
    if length > MAX_BYTES:
        raise ValueError(f"{length} bytes, {MAX_BYTES} are allowed")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewIn:
    """Send a preview, as the step of a run that does.

    Attributes:
        data: Its bytes, in base64.
    """

    data: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Check the values."""
        try:
            require_length(len(self.data))
        except ValueError as error:
            raise ValueError(f"data: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewOut:
    """A preview, to be fetched from the store.

    Attributes:
        name: Unique among those of the dataset.
        bytes: Its length.
        request: Fetches it.
    """

    name: str
    bytes: int
    media_type: str
    request: SignedRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewList:
    """The previews of a dataset, by name.

    Attributes:
        run: The run that made them; None if there are none.
        made_at: When it had.
    """

    items: tuple[PreviewOut, ...]
    run: UUID | None = None
    made_at: datetime | None = None

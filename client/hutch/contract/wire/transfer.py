"""Files on their way, on the wire.

Requests come in batches, and so do answers: each item of a batch succeeds or fails
by itself, and ``problem`` holds an RFC 9457 document where it failed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from hutch.contract.parts import MAX_PARTS, MAX_SIZE
from hutch.contract.wire.checks import (
    require_crc64nvme,
    require_range,
    require_sha256,
)
from hutch.contract.wire.datasets import Fault

MAX_BATCH: Final = 1_000
"""Most items in one request."""


class Verb(StrEnum):
    """How a file travels: in one PUT, or in parts that the server puts together."""

    SINGLE = "single"
    MULTIPART = "multipart"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """A request that the client may now send to the object store.

    Attributes:
        headers: Must be sent exactly as given: they are part of the signature.
        expires_in: Seconds for which it is good, from the moment of signing.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str]
    expires_in: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOut:
    """A file of a dataset.

    Attributes:
        version: Version id in the store; it is what readers get.
        confirmed: Somebody but the uploader has computed the same SHA-256.
        fault: What is wrong with it in the store; None if nothing is known.
    """

    path: str
    size: int
    sha256: str
    crc64nvme: str
    version: str
    confirmed: bool
    committed_at: datetime
    committed_by: str
    confirmed_at: datetime | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePage:
    """Files in the order of their paths' bytes.

    Attributes:
        revision: The dataset's revision at which the page was read.
        next: Give it as ``after`` to get the following page; None on the last.
    """

    items: tuple[FileOut, ...]
    revision: int
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PushOut:
    """A push: one working directory sending what changed."""

    id: UUID
    dataset: UUID
    created_at: datetime


def _require_batch(items: tuple[Any, ...]) -> None:
    if not items:
        raise ValueError("files: is empty")
    if len(items) > MAX_BATCH:
        raise ValueError(f"files: {len(items)} items, {MAX_BATCH} are allowed")


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadIn:
    """Announce a file.

    Attributes:
        base: The version that this working directory knows; None means absent.
        crc64nvme: Of the whole file; needed if the file travels in one PUT.
    """

    path: str
    size: int
    base: str | None = None
    crc64nvme: str | None = None

    def __post_init__(self) -> None:
        """Check the values; the path is checked by the server, item by item."""
        require_range("size", self.size, 0, MAX_SIZE)
        if self.crc64nvme is not None:
            require_crc64nvme("crc64nvme", self.crc64nvme)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadsIn:
    """Announce files, best in the order of their paths.

    Attributes:
        force: Replace what others changed meanwhile; take over an upload of the
            same path that is one's own or, for an owner, anybody's.
    """

    files: tuple[UploadIn, ...]
    force: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        _require_batch(self.files)
        if len({f.path for f in self.files}) != len(self.files):
            raise ValueError("files: a path is named twice")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartHeld:
    """A part that the store already has.

    Attributes:
        crc64nvme: None where the store's listing does not show it.
    """

    number: int
    size: int
    etag: str
    crc64nvme: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOut:
    """How to send a file, or why not.

    Attributes:
        intent: Names this upload in later requests.
        part_size: Length of a part in bytes, for ``multipart``.
        request: The PUT, for ``single``.
        held: Parts that are there already, for ``multipart``.
    """

    path: str
    intent: UUID | None = None
    verb: Verb | None = None
    part_size: int | None = None
    request: SignedRequest | None = None
    held: tuple[PartHeld, ...] = ()
    problem: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadsOut:
    """One answer for each file announced, in the same order."""

    files: tuple[UploadOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartIn:
    """Ask for the URL of a part."""

    intent: UUID
    number: int
    crc64nvme: str

    def __post_init__(self) -> None:
        """Check the values."""
        require_range("number", self.number, 1, MAX_PARTS)
        require_crc64nvme("crc64nvme", self.crc64nvme)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsIn:
    """Ask for the URLs of parts."""

    parts: tuple[PartIn, ...]

    def __post_init__(self) -> None:
        """Check the values."""
        _require_batch(self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOut:
    """How to send a part, or why not."""

    intent: UUID
    number: int
    request: SignedRequest | None = None
    problem: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsOut:
    """One answer for each part asked for, in the same order."""

    parts: tuple[PartOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSent:
    """A part as the store acknowledged it.

    Attributes:
        crc64nvme: None where only the store's listing is known, and does not show it.
    """

    number: int
    etag: str
    crc64nvme: str | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        require_range("number", self.number, 1, MAX_PARTS)
        if self.crc64nvme is not None:
            require_crc64nvme("crc64nvme", self.crc64nvme)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishItem:
    """Say that a file was sent whole.

    Attributes:
        parts: All parts, for ``multipart``; the store checks them.
    """

    intent: UUID
    crc64nvme: str
    sha256: str
    parts: tuple[PartSent, ...] = ()

    def __post_init__(self) -> None:
        """Check the values."""
        require_crc64nvme("crc64nvme", self.crc64nvme)
        require_sha256("sha256", self.sha256)
        if len(self.parts) > MAX_PARTS:
            raise ValueError(f"parts: {len(self.parts)}, {MAX_PARTS} are allowed")


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishIn:
    """Say that files were sent."""

    files: tuple[FinishItem, ...]

    def __post_init__(self) -> None:
        """Check the values."""
        _require_batch(self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A file that is now in the dataset, or why not."""

    intent: UUID
    path: str | None = None
    version: str | None = None
    problem: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishOut:
    """One answer for each file, in the same order, and the new revision."""

    files: tuple[Finished, ...]
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortIn:
    """End uploads without keeping their files."""

    intents: tuple[UUID, ...]

    def __post_init__(self) -> None:
        """Check the values."""
        _require_batch(self.intents)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRef:
    """A file in the version that the caller knows."""

    path: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionsIn:
    """Take files out of an open dataset.

    Attributes:
        force: Also those that others changed meanwhile.
    """

    files: tuple[FileRef, ...]
    force: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        _require_batch(self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """A file that is no longer in the dataset, or why it still is."""

    path: str
    problem: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionsOut:
    """One answer for each file, in the same order, and the new revision."""

    files: tuple[Deleted, ...]
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadsIn:
    """Ask for the URLs of files."""

    files: tuple[FileRef, ...]

    def __post_init__(self) -> None:
        """Check the values."""
        _require_batch(self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadOut:
    """How to fetch a file, or why not."""

    path: str
    version: str
    request: SignedRequest | None = None
    problem: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadsOut:
    """One answer for each file, in the same order."""

    files: tuple[DownloadOut, ...]
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What somebody computed from a version that they fetched."""

    path: str
    version: str
    sha256: str

    def __post_init__(self) -> None:
        """Check the values."""
        require_sha256("sha256", self.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationsIn:
    """Tell what ``hutch verify`` found to be as recorded."""

    files: tuple[Confirmation, ...]

    def __post_init__(self) -> None:
        """Check the values."""
        _require_batch(self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationsOut:
    """Number of files that are now confirmed by this request."""

    confirmed: int

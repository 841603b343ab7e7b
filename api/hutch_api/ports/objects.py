"""The object store, as the server needs it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from hutch.contract.wire.transfer import PartHeld, PartSent, SignedRequest


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key pair of the store.

    On MinIO the key id alone can write (streaming-unsigned-trailer), so it is kept
    out of ``repr`` as well.
    """

    key_id: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """Where tools find the files of all datasets.

    Attributes:
        endpoint: URL of the store, as clients reach it.
        region: Region that requests are signed for.
        bucket: The data bucket.
    """

    endpoint: str
    region: str
    bucket: str


@dataclass(frozen=True, slots=True)
class Version:
    """One row of a versions listing.

    Attributes:
        size: Bytes; 0 for a delete marker.
        is_latest: It is what a reader without a version id gets.
        is_marker: It is a delete marker.
        intent: Intent id in the user metadata, if the listing shows metadata;
            None means not shown, or not there: ``stat`` tells.
    """

    key: str
    version: str
    size: int
    is_latest: bool
    is_marker: bool
    modified: datetime
    intent: UUID | None = None


@dataclass(frozen=True, slots=True)
class Stat:
    """What the store knows of one version.

    Attributes:
        crc64nvme: Full-object CRC; None for objects that tools wrote without one.
        intent: Intent id in the user metadata; None for objects of others.
    """

    size: int
    crc64nvme: str | None
    intent: UUID | None


class ObjectStore(Protocol):
    """Signs transfers, checks what arrived, removes what may go.

    Keys are those of the data bucket; ``*_record`` speak of the meta bucket. Every
    method may raise ``StoreUnavailableError`` (ask again later) or ``StoreError``
    (an answer that cannot be used). Nothing here retries a write.
    """

    @property
    def place(self) -> Place:
        """Where tools find the files."""
        ...

    def sign_put(
        self, key: str, *, size: int, crc64nvme: str, intent: UUID, account: Credentials
    ) -> SignedRequest:
        """Sign a create-only PUT of exactly these bytes, good for an hour."""
        ...

    def sign_part(
        self,
        key: str,
        *,
        upload: str,
        number: int,
        size: int,
        crc64nvme: str,
        account: Credentials,
    ) -> SignedRequest:
        """Sign an UploadPart of exactly these bytes, good for an hour."""
        ...

    def sign_get(self, key: str, version: str) -> SignedRequest:
        """Sign a GET of one version by the reading identity, good for ten minutes."""
        ...

    def create_upload(self, key: str, *, intent: UUID) -> str:
        """Open a multipart upload (CRC64NVME, FULL_OBJECT) and return its id."""
        ...

    def parts(self, key: str, upload: str) -> list[PartHeld]:
        """List the parts that the store has, by number.

        Raises:
            UploadGoneError: If there is no such upload.
        """
        ...

    def complete_upload(
        self, key: str, upload: str, parts: Iterable[PartSent], *, crc64nvme: str
    ) -> None:
        """Put the parts together; the store compares with the full CRC.

        Whether it happened is decided by ``versions`` and ``stat``, not by this
        answer: a second Complete is 404 on one store and 200 on another.

        Raises:
            UploadGoneError: If there is no such upload (any more).
            UploadIncompleteError: If parts or checksum do not fit.
        """
        ...

    def abort_upload(self, key: str, upload: str) -> None:
        """End a multipart upload; one that is gone is fine."""
        ...

    def uploads(self, key: str) -> list[str]:
        """List the ids of the multipart uploads of exactly this key."""
        ...

    def versions(
        self,
        prefix: str,
        *,
        first: str | None = None,
        expected: int | None = None,
        intents: bool = False,
    ) -> Iterator[Version]:
        """List all versions and delete markers under a prefix.

        Sorted by the bytes of the key, then the newest first; listed lazily.

        Args:
            prefix: Start of the keys, such as ``d/<dataset id>/``.
            first: Begin at this key (included); None means the first there is.
            expected: How many rows will probably be read; None means all of them.
            intents: Have the store show the intent ids, if it can: it takes three
                times as long.
        """
        ...

    def stat(self, key: str, version: str) -> Stat | None:
        """Ask for one version that a listing has shown; None if it is gone."""
        ...

    def delete(self, versions: Iterable[tuple[str, str]]) -> None:
        """Delete exactly these (key, version id) pairs; those gone are fine."""
        ...

    def read(self, key: str, version: str) -> Iterator[bytes]:
        """Stream one version, for the worker that hashes."""
        ...

    def put_record(self, name: str, data: bytes) -> None:
        """Write a small object of the meta bucket."""
        ...

    def get_record(self, name: str) -> bytes | None:
        """Read a small object of the meta bucket; None if it is not there."""
        ...

    def sign_record(self, name: str) -> SignedRequest:
        """Sign a GET of a log or preview in the meta bucket, good for ten minutes."""
        ...

    def records(self, prefix: str) -> Iterator[str]:
        """List the names of the records under a prefix, in the order of their bytes."""
        ...

    def delete_records(self, prefix: str) -> None:
        """Delete all objects of the meta bucket under a prefix, in all versions."""
        ...

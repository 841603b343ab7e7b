"""The object store over S3."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Final, TypedDict
from uuid import UUID

from botocore.exceptions import BotoCoreError, ClientError

from hutch.contract.problems import (
    StoreError,
    UploadGoneError,
    UploadIncompleteError,
)
from hutch.contract.wire.transfer import PartHeld, PartSent, SignedRequest
from hutch_api.adapters.policies import Buckets
from hutch_api.adapters.s3.errors import NOT_THERE, refuse, translated
from hutch_api.adapters.s3.listing import (
    INTENT,
    Lister,
    list_uploads,
    read_intent,
)
from hutch_api.adapters.s3.requests import Requests
from hutch_api.adapters.s3.signing import Signer
from hutch_api.ports.objects import Credentials, Place, Stat, Version

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

WRITE_URL_S: Final = 3_600
READ_URL_S: Final = 600
"""How long a reader may go on after a right was taken away."""
DELETE_BATCH: Final = 1_000
"""S3's most in one request."""
_CHUNK: Final = 1024 * 1024
_CRC_OF_NOTHING: Final = "AAAAAAAAAAA="
_ABSENT: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
"""Not allowed: it is a delete marker."""


class _Whole(TypedDict, total=False):
    ChecksumCRC64NVME: str


class S3Store:
    """An ``ObjectStore`` on any S3 server that passes the probe.

    Made by ``create_s3_store``. The server's identity makes the calls of the server
    and signs nothing that leaves it.

    Attributes:
        place: Where tools find the files.
    """

    def __init__(
        self,
        *,
        place: Place,
        buckets: Buckets,
        once: "S3Client",
        again: "S3Client",
        requests: Requests,
        signer: Signer,
        executor_signer: Signer,
        reader: Credentials,
    ) -> None:
        self.place = place
        self._buckets, self._reader = buckets, reader
        self._once, self._again, self._requests = once, again, requests
        self._signer, self._executor_signer = signer, executor_signer
        self._lister = Lister(requests, buckets.data)

    def for_executor(self) -> "S3Store":
        """Give the same store, signing for the endpoint that containers reach."""
        place = replace(self.place, endpoint=self._executor_signer.origin)
        return S3Store(
            place=place,
            buckets=self._buckets,
            once=self._once,
            again=self._again,
            requests=self._requests,
            signer=self._executor_signer,
            executor_signer=self._executor_signer,
            reader=self._reader,
        )

    def close(self) -> None:
        """End the connections."""
        self._once.close()
        self._again.close()
        self._requests.close()

    def sign_put(
        self, key: str, *, size: int, crc64nvme: str, intent: UUID, account: Credentials
    ) -> SignedRequest:
        """Sign a create-only PUT of exactly these bytes, good for an hour."""
        return self._signer.presign(
            "PUT",
            f"{self._buckets.data}/{key}",
            credentials=account,
            expires_in=WRITE_URL_S,
            headers={
                "content-length": str(size),
                "if-none-match": "*",
                "x-amz-checksum-crc64nvme": crc64nvme,
                f"x-amz-meta-{INTENT}": str(intent),
            },
        )

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
        return self._signer.presign(
            "PUT",
            f"{self._buckets.data}/{key}",
            credentials=account,
            expires_in=WRITE_URL_S,
            query=(("partNumber", str(number)), ("uploadId", upload)),
            headers={
                "content-length": str(size),
                "x-amz-checksum-crc64nvme": crc64nvme,
            },
        )

    def sign_get(self, key: str, version: str) -> SignedRequest:
        """Sign a GET of one version by the reading identity, good for ten minutes."""
        return self._signer.presign(
            "GET",
            f"{self._buckets.data}/{key}",
            credentials=self._reader,
            expires_in=READ_URL_S,
            query=(("versionId", version),),
        )

    def create_upload(self, key: str, *, intent: UUID) -> str:
        """Open a multipart upload (CRC64NVME, FULL_OBJECT) and return its id."""
        with translated("open an upload"):
            answer = self._once.create_multipart_upload(
                Bucket=self._buckets.data,
                Key=key,
                ChecksumAlgorithm="CRC64NVME",
                ChecksumType="FULL_OBJECT",
                Metadata={INTENT: str(intent)},
            )
        return answer["UploadId"]

    def parts(self, key: str, upload: str) -> list[PartHeld]:
        """List the parts that the store has, by number.

        Raises:
            UploadGoneError: If there is no such upload.
        """
        with translated("list the parts of an upload"):
            pages = self._again.get_paginator("list_parts").paginate(
                Bucket=self._buckets.data, Key=key, UploadId=upload
            )
            held = [
                PartHeld(
                    number=part["PartNumber"],
                    size=part["Size"],
                    etag=part["ETag"],
                    crc64nvme=part.get("ChecksumCRC64NVME"),
                )
                for page in pages
                for part in page.get("Parts", [])
            ]
        return sorted(held, key=lambda part: part.number)

    def complete_upload(
        self, key: str, upload: str, parts: Iterable[PartSent], *, crc64nvme: str
    ) -> None:
        """Put the parts together; the store compares with the full CRC.

        Raises:
            UploadGoneError: If there is no such upload (any more).
            UploadIncompleteError: If parts or checksum do not fit.
        """
        wanted = [_completed(part) for part in parts]
        if not wanted:  # SeaweedFS would say that the upload is gone
            raise UploadIncompleteError("an upload has at least one part; name them")
        whole: _Whole = {"ChecksumCRC64NVME": crc64nvme}
        if crc64nvme == _CRC_OF_NOTHING == wanted[0]["ChecksumCRC64NVME"]:
            whole = {}  # MinIO takes an empty part, but not its checksum as the whole
        with translated("put the parts of an upload together"):
            self._once.complete_multipart_upload(
                Bucket=self._buckets.data,
                Key=key,
                UploadId=upload,
                MultipartUpload={"Parts": wanted},
                ChecksumType="FULL_OBJECT",
                **whole,
            )

    def abort_upload(self, key: str, upload: str) -> None:
        """End a multipart upload; one that is gone is fine."""
        try:
            with translated("abort an upload"):
                self._once.abort_multipart_upload(
                    Bucket=self._buckets.data, Key=key, UploadId=upload
                )
        except UploadGoneError:
            return

    def uploads(self, key: str) -> list[str]:
        """List the ids of the multipart uploads of exactly this key."""
        return list_uploads(self._requests, self._buckets.data, key)

    def versions(
        self,
        prefix: str,
        *,
        first: str | None = None,
        expected: int | None = None,
        intents: bool = False,
    ) -> Iterator[Version]:
        """List all versions and delete markers under a prefix."""
        return self._lister.versions(
            prefix, first=first, expected=expected, intents=intents
        )

    def stat(self, key: str, version: str) -> Stat | None:
        """Ask for one version that a listing has shown; None if it is gone."""
        operation = "look at an object"
        answer = self._requests.send(
            "HEAD",
            f"{self._buckets.data}/{key}",
            operation=operation,
            query=(("versionId", version),),
            headers={"x-amz-checksum-mode": "ENABLED"},
        )
        if answer.status in _ABSENT:
            return None
        if answer.status != HTTPStatus.OK:
            refuse(operation, code="", status=answer.status)
        size = int(answer.headers["content-length"])
        nothing = None if size else _CRC_OF_NOTHING  # MinIO keeps none for no bytes
        return Stat(
            size=size,
            crc64nvme=answer.headers.get("x-amz-checksum-crc64nvme", nothing),
            intent=read_intent(answer.headers.get(f"x-amz-meta-{INTENT}")),
        )

    def delete(self, versions: Iterable[tuple[str, str]]) -> None:
        """Delete exactly these (key, version id) pairs; those gone are fine."""
        self._delete(self._buckets.data, versions)

    def read(self, key: str, version: str) -> Iterator[bytes]:
        """Stream one version, for the worker that hashes."""
        with translated("read an object"):
            answer = self._again.get_object(
                Bucket=self._buckets.data, Key=key, VersionId=version
            )
            with closing(answer["Body"]) as body:
                yield from body.iter_chunks(_CHUNK)

    def put_record(self, name: str, data: bytes) -> None:
        """Write a small object of the meta bucket."""
        with translated("write a record"):
            self._once.put_object(
                Bucket=self._buckets.meta,
                Key=name,
                Body=data,
                ChecksumAlgorithm="CRC64NVME",
            )

    def get_record(self, name: str) -> bytes | None:
        """Read a small object of the meta bucket; None if it is not there."""
        with translated("read a record"):
            try:
                answer = self._again.get_object(Bucket=self._buckets.meta, Key=name)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in NOT_THERE:
                    return None
                raise
            with answer["Body"] as body:
                return body.read()

    def sign_record(self, name: str) -> SignedRequest:
        """Sign a GET of a record, good for ten minutes."""
        return self._signer.presign(
            "GET",
            f"{self._buckets.meta}/{name}",
            credentials=self._reader,
            expires_in=READ_URL_S,
        )

    def records(self, prefix: str) -> Iterator[str]:
        """List the names of the records under a prefix, in the order of their bytes."""
        rows = Lister(self._requests, self._buckets.meta).versions(prefix)
        return (row.key for row in rows if row.is_latest and not row.is_marker)

    def delete_records(self, prefix: str) -> None:
        """Delete all objects of the meta bucket under a prefix, in all versions."""
        bucket = self._buckets.meta
        # The list is read before its objects go: deleting would move its pages.
        rows = list(Lister(self._requests, bucket).versions(prefix))
        self._delete(bucket, ((row.key, row.version) for row in rows))

    def _delete(self, bucket: str, versions: Iterable[tuple[str, str]]) -> None:
        rest = iter(versions)
        failed: list[str] = []
        while batch := list(islice(rest, DELETE_BATCH)):
            with translated("delete versions"):
                answer = self._once.delete_objects(
                    Bucket=bucket,
                    Delete={
                        "Quiet": True,
                        "Objects": [{"Key": k, "VersionId": v} for k, v in batch],
                    },
                )
            failed += [
                f"{error.get('Key')}: {error.get('Code')}"
                for error in answer.get("Errors", [])
                if error.get("Code") not in NOT_THERE
                and not self._delete_one(bucket, error["Key"], error["VersionId"])
            ]
        if failed:
            raise StoreError(
                f"the object store kept {len(failed)} versions that should go; they "
                "are tried again later",
                operation="delete versions",
                failed=failed[:DELETE_BATCH],
            )

    def _delete_one(self, bucket: str, key: str, version: str) -> bool:
        """Delete what could not be deleted with others; tell whether it is gone.

        SeaweedFS fails at names beyond 256 bytes in a batch, and not alone.
        """
        try:
            self._once.delete_object(Bucket=bucket, Key=key, VersionId=version)
        except (BotoCoreError, ClientError):
            return False
        return True


def _completed(part: PartSent) -> "CompletedPartTypeDef":
    named: CompletedPartTypeDef = {"PartNumber": part.number, "ETag": part.etag}
    if part.crc64nvme is not None:
        named["ChecksumCRC64NVME"] = part.crc64nvme
    return named

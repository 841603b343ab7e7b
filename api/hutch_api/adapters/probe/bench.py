"""The place where the checks try things: a scratch prefix with its own account."""

import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4, uuid5

import urllib3
from botocore.exceptions import BotoCoreError, ClientError

from hutch.contract.problems import StoreError
from hutch.contract.wire.transfer import SignedRequest
from hutch_api.adapters.accounts import open_accounts
from hutch_api.adapters.accounts.iam_api import status_of
from hutch_api.adapters.policies import Buckets
from hutch_api.adapters.probe.crc import checksum
from hutch_api.adapters.provisioning import Place, random_credentials
from hutch_api.adapters.s3.client import system_certificates
from hutch_api.adapters.s3.signing import Signer
from hutch_api.adapters.stores import open_s3
from hutch_api.domain.accounts import Access
from hutch_api.ports.accounts import AccountsApi
from hutch_api.ports.objects import Credentials

URL_LIFE_S: Final = 3_600
ACCOUNT_LIFE: Final = timedelta(minutes=30)
"""MinIO takes no less than 15 minutes; an account that a crash left ends by then."""
SCRATCH: Final = "probe/"
FORBIDDEN: Final = 403


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is probed.

    Attributes:
        place: The store and the names in it.
        api: How it makes accounts.
        server: The server's own identity.
        reader: The identity that signs downloads.
        public_url: The store as clients reach it.
        web_origin: Origin of the web pages; None if there are none.
    """

    place: Place
    api: AccountsApi
    server: Credentials
    reader: Credentials
    public_url: str
    web_origin: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the store answered to a raw request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Tell whether the store did what was asked."""
        return 200 <= self.status < 300  # noqa: PLR2004 -- HTTP's own numbers


class Bench:
    """Clients, a scratch prefix, and one account that reaches half of it.

    Attributes:
        inside: Prefix that the account reaches.
        outside: Prefix that it must not reach.
        account: The account's key pair.
        rights: What each identity was found to be allowed.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        place = target.place
        self.buckets: Buckets = place.buckets
        self.root = f"{SCRATCH}{uuid4()}/"
        self.inside, self.outside = f"{self.root}in/", f"{self.root}out/"
        self.account = random_credentials()
        self.server = open_s3(place.endpoint, target.server, region=place.region)
        # Another instance id: a worker would delete accounts that it does not know.
        self.accounts = open_accounts(
            target.api,
            endpoint=place.endpoint,
            server=target.server,
            instance=uuid5(place.instance, "probe"),
            bucket=self.buckets.data,
            region=place.region,
        )
        self.rights: dict[str, tuple[str, ...]] = {}
        self._uploads: list[tuple[str, str]] = []
        self._pool = urllib3.PoolManager(
            retries=False,
            timeout=urllib3.Timeout(connect=5, read=30),
            ca_certs=system_certificates(),
        )

    def open(self) -> None:
        """Make the account.

        Raises:
            StoreError: The store refused.
            StoreUnavailableError: The store did not answer.
        """
        self.make_account(self.account)

    def make_account(
        self, credentials: Credentials, *, access: Access = Access.PUT
    ) -> None:
        """Make an account that reaches the inside.

        Raises:
            StoreError: The store refused.
            StoreUnavailableError: The store did not answer.
        """
        self.accounts.create(
            credentials,
            access=access,
            prefix=self.inside,
            expires_at=datetime.now(UTC) + ACCOUNT_LIFE,
        )

    def new_key(self, *, outside: bool = False) -> str:
        """Choose a key that nobody has used."""
        return (self.outside if outside else self.inside) + secrets.token_hex(8)

    def signer(self, *, ago: timedelta = timedelta(0)) -> Signer:
        """Sign for the internal address, as if this long ago."""
        place = self.target.place
        return Signer(
            place.endpoint,
            region=place.region,
            clock=lambda: datetime.now(UTC) - ago,
        )

    def sign_put(
        self,
        key: str,
        data: bytes,
        *,
        by: Credentials | None = None,
        ago: timedelta = timedelta(0),
    ) -> SignedRequest:
        """Sign a create-only PUT the way pushes do, by the account."""
        return self.signer(ago=ago).presign(
            "PUT",
            f"{self.buckets.data}/{key}",
            credentials=by or self.account,
            expires_in=URL_LIFE_S,
            headers={
                "content-length": str(len(data)),
                "if-none-match": "*",
                "x-amz-checksum-crc64nvme": checksum(data),
                "x-amz-meta-hutch-intent": "probe",
            },
        )

    def sign_part(
        self,
        key: str,
        upload: str,
        data: bytes,
        *,
        number: int = 1,
        crc: str | None = None,
    ) -> SignedRequest:
        """Sign an UploadPart the way pushes do, by the account."""
        return self.signer().presign(
            "PUT",
            f"{self.buckets.data}/{key}",
            credentials=self.account,
            expires_in=URL_LIFE_S,
            query=[("partNumber", str(number)), ("uploadId", upload)],
            headers={
                "content-length": str(len(data)),
                "x-amz-checksum-crc64nvme": crc or checksum(data),
            },
        )

    def sign_get(self, key: str, version: str | None = None) -> SignedRequest:
        """Sign a GET by the reader."""
        return self.signer().presign(
            "GET",
            f"{self.buckets.data}/{key}",
            credentials=self.target.reader,
            expires_in=URL_LIFE_S,
            query=[("versionId", version)] if version else [],
        )

    def send(
        self,
        signed: SignedRequest,
        data: bytes = b"",
        *,
        add: Mapping[str, str] | None = None,
        drop: Collection[str] = (),
    ) -> Answer:
        """Send a signed request, with headers added, changed or left out."""
        headers = {k: v for k, v in signed.headers.items() if k not in drop}
        return self.request(signed.method, signed.url, data, {**headers, **(add or {})})

    def request(
        self, method: str, url: str, data: bytes, headers: Mapping[str, str]
    ) -> Answer:
        """Send a raw request, once."""
        answer = self._pool.request(
            method, url, body=data or None, headers=headers, redirect=False
        )
        return Answer(answer.status, answer.headers, answer.data)

    def create_upload(self, key: str) -> str:
        """Open an upload the way the server does."""
        answer = self.server.create_multipart_upload(
            Bucket=self.buckets.data,
            Key=key,
            ChecksumAlgorithm="CRC64NVME",
            ChecksumType="FULL_OBJECT",
            Metadata={"hutch-intent": "probe"},
        )
        upload = answer["UploadId"]
        self._uploads.append((key, upload))
        return upload

    def abort(self, key: str, upload: str) -> None:
        """End an upload."""
        self.server.abort_multipart_upload(
            Bucket=self.buckets.data, Key=key, UploadId=upload
        )

    def write(self, key: str, data: bytes) -> str:
        """Write by the server's identity and return the version."""
        answer = self.server.put_object(Bucket=self.buckets.data, Key=key, Body=data)
        return answer.get("VersionId", "null")

    def read(self, key: str, version: str | None = None) -> bytes | None:
        """Read by the server's identity, the latest unless told; None if not there."""
        bucket = self.buckets.data
        try:
            answer = (
                self.server.get_object(Bucket=bucket, Key=key, VersionId=version)
                if version
                else self.server.get_object(Bucket=bucket, Key=key)
            )
        except ClientError as refusal:
            if status_of(refusal) == 404:  # noqa: PLR2004 -- not found
                return None
            raise
        return answer["Body"].read()

    def listed(self, prefix: str) -> list[tuple[str, str]]:
        """List (key, version id) below a prefix, delete markers too."""
        pages = self.server.get_paginator("list_object_versions").paginate(
            Bucket=self.buckets.data, Prefix=prefix
        )
        found = []
        for page in pages:
            rows = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            found += [(row["Key"], row["VersionId"]) for row in rows]
        return found

    def close(self) -> None:
        """Remove what was made, as far as the store lets it."""
        for key, upload in self._uploads:
            with suppress(ClientError, BotoCoreError):
                self.abort(key, upload)
        with suppress(ClientError, BotoCoreError):
            self._drop_objects()
        with suppress(StoreError):
            self.accounts.delete(self.account.key_id)
        self._pool.clear()
        self.server.close()

    def drop_record(self, key: str) -> None:
        """Remove a record that a check wrote into the meta bucket."""
        bucket = self.buckets.meta
        found = self.server.list_object_versions(Bucket=bucket, Prefix=key)
        for row in [*found.get("Versions", ()), *found.get("DeleteMarkers", ())]:
            self.server.delete_object(
                Bucket=bucket, Key=key, VersionId=row["VersionId"]
            )

    def collect(self) -> None:
        """Delete accounts that an earlier probe left behind when it was killed."""
        for key_id in list(self.accounts.key_ids()):
            self.accounts.delete(key_id)

    def _drop_objects(self) -> None:
        for key, version in self.listed(self.root):
            with suppress(ClientError):
                self.server.delete_object(
                    Bucket=self.buckets.data, Key=key, VersionId=version
                )

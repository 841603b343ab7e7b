"""A store in memory, for tests of what is above the store.

It behaves as the two real stores do where they agree; one suite runs against all
three. It does not show that a real store enforces anything.
"""

import secrets
from base64 import b64encode
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import RLock
from uuid import UUID, uuid4

from awscrt.checksums import crc64nvme as crc_of

from hutch.contract.problems import UploadGoneError, UploadIncompleteError
from hutch.contract.wire.transfer import PartHeld, PartSent, SignedRequest
from hutch_api.ports.objects import Credentials, Place, Stat, Version

WRITE_URL_S = 3_600
READ_URL_S = 600


@dataclass(frozen=True, slots=True)
class Answer:
    """What the store says to a signed request.

    Attributes:
        headers: Lower-case names.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Object:
    """A version with its content; None means a delete marker."""

    version: str
    modified: datetime
    content: bytes | None
    crc64nvme: str | None = None
    intent: UUID | None = None


@dataclass(slots=True)
class _Upload:
    key: str
    intent: UUID
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Signed:
    """What a URL was signed for."""

    request: SignedRequest
    until: datetime
    account: str | None
    key: str
    act: Callable[[bytes], Answer]


def checksum(content: bytes) -> str:
    """Compute a CRC64NVME as S3 writes it."""
    return b64encode(crc_of(content).to_bytes(8, "big")).decode()


class MemoryStore:
    """An ``ObjectStore`` that executes the requests it signed by itself.

    Args:
        clock: Gives the time as aware UTC.

    Attributes:
        before: Called with the name of a method before it does anything; a test
            that wants the store to fail there raises from it.
        shows_intents: Listings show them when they are asked to, as MinIO's do.
    """

    def __init__(
        self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.before: Callable[[str], None] = lambda _: None
        self.shows_intents = False
        self.place = Place("memory://", "none", "memory")
        self.accounts: dict[str, str] = {}
        self._clock = clock
        self._lock = RLock()
        self._objects: dict[str, list[_Object]] = {}
        self._records: dict[str, bytes] = {}
        self._uploads: dict[str, _Upload] = {}
        self._signed: dict[str, _Signed] = {}

    def send(self, request: SignedRequest, body: bytes = b"") -> Answer:
        """Do what a client does with a signed request: send it."""
        with self._lock:
            signed = self._signed.get(request.url)
            if signed is None or not self._holds(signed, request):
                return Answer(403)
            expected = request.headers.get("content-length", str(len(body)))
            if len(body) != int(expected):
                return Answer(400)
            wanted = request.headers.get("x-amz-checksum-crc64nvme")
            if wanted is not None and wanted != checksum(body):
                return Answer(400)
            return signed.act(body)

    def write(self, key: str, content: bytes) -> str:
        """Write as a tool would: no intent, no checksum. Returns the version id."""
        with self._lock:
            return self._add(key, content)

    def mark_deleted(self, key: str) -> str:
        """Delete as a tool would, leaving a marker. Returns its version id."""
        with self._lock:
            return self._add(key, None)

    def sign_put(
        self, key: str, *, size: int, crc64nvme: str, intent: UUID, account: Credentials
    ) -> SignedRequest:
        """Sign a create-only PUT."""
        self.before("sign_put")

        def act(body: bytes) -> Answer:
            rows = self._objects.get(key, [])
            if rows and rows[0].content is not None:
                return Answer(412)
            version = self._add(key, body, crc64nvme=crc64nvme, intent=intent)
            return Answer(200, headers={"x-amz-version-id": version})

        headers = {
            "content-length": str(size),
            "if-none-match": "*",
            "x-amz-checksum-crc64nvme": crc64nvme,
            "x-amz-meta-hutch-intent": str(intent),
        }
        return self._sign(
            "PUT", key, headers, account=account.key_id, seconds=WRITE_URL_S, act=act
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
        """Sign an UploadPart."""
        self.before("sign_part")

        def act(body: bytes) -> Answer:
            under_way = self._uploads.get(upload)
            if under_way is None:
                return Answer(404)
            under_way.parts[number] = body
            return Answer(200, headers={"etag": f'"{checksum(body)}"'})

        headers = {"content-length": str(size), "x-amz-checksum-crc64nvme": crc64nvme}
        return self._sign(
            "PUT", key, headers, account=account.key_id, seconds=WRITE_URL_S, act=act
        )

    def sign_get(self, key: str, version: str) -> SignedRequest:
        """Sign a GET of one version."""
        self.before("sign_get")

        def act(_: bytes) -> Answer:
            found = self._find(key, version)
            if found is None or found.content is None:
                return Answer(404)
            return Answer(200, found.content)

        return self._sign("GET", key, {}, account=None, seconds=READ_URL_S, act=act)

    def create_upload(self, key: str, *, intent: UUID) -> str:
        """Open a multipart upload."""
        self.before("create_upload")
        with self._lock:
            name = uuid4().hex
            self._uploads[name] = _Upload(key, intent)
            return name

    def parts(self, key: str, upload: str) -> list[PartHeld]:
        """List the parts that are there."""
        self.before("parts")
        with self._lock:
            under_way = self._under_way(key, upload)
            return [
                PartHeld(
                    number=number,
                    size=len(content),
                    etag=f'"{checksum(content)}"',
                    crc64nvme=checksum(content),
                )
                for number, content in sorted(under_way.parts.items())
            ]

    def complete_upload(
        self, key: str, upload: str, parts: Iterable[PartSent], *, crc64nvme: str
    ) -> None:
        """Put the parts together."""
        self.before("complete_upload")
        with self._lock:
            under_way = self._under_way(key, upload)
            wanted = list(parts)
            numbers = [part.number for part in wanted]
            held = [under_way.parts.get(number, b"") for number in numbers]
            content = b"".join(held)
            fits = (
                numbers
                and numbers == sorted(set(numbers))
                and set(numbers) <= under_way.parts.keys()
                and [p.crc64nvme for p in wanted] == [checksum(h) for h in held]
                and [p.etag for p in wanted] == [f'"{checksum(h)}"' for h in held]
                and checksum(content) == crc64nvme
            )
            if not fits:
                raise UploadIncompleteError("the parts or the checksum do not fit")
            self._add(key, content, crc64nvme=crc64nvme, intent=under_way.intent)
            del self._uploads[upload]

    def abort_upload(self, key: str, upload: str) -> None:
        """End a multipart upload; one that is gone is fine."""
        self.before("abort_upload")
        with self._lock:
            under_way = self._uploads.get(upload)
            if under_way is not None and under_way.key == key:
                del self._uploads[upload]

    def uploads(self, key: str) -> list[str]:
        """List the ids of the multipart uploads of exactly this key."""
        self.before("uploads")
        with self._lock:
            return [name for name, found in self._uploads.items() if found.key == key]

    def versions(
        self,
        prefix: str,
        *,
        first: str | None = None,
        expected: int | None = None,
        intents: bool = False,
    ) -> Iterator[Version]:
        """List all versions and delete markers under a prefix."""
        del expected  # it has no pages
        shown = intents and self.shows_intents
        self.before("versions")
        with self._lock:
            keys = sorted(key for key in self._objects if key.startswith(prefix))
        for key in keys[bisect_left(keys, first or "") :]:
            for place, row in enumerate(tuple(self._objects.get(key, ()))):
                yield Version(
                    key=key,
                    version=row.version,
                    size=len(row.content or b""),
                    is_latest=place == 0,
                    is_marker=row.content is None,
                    modified=row.modified,
                    intent=row.intent if shown else None,
                )

    def stat(self, key: str, version: str) -> Stat | None:
        """Ask for one version."""
        self.before("stat")
        found = self._find(key, version)
        if found is None or found.content is None:
            return None
        return Stat(len(found.content), found.crc64nvme, found.intent)

    def delete(self, versions: Iterable[tuple[str, str]]) -> None:
        """Delete exactly these versions; those gone are fine."""
        self.before("delete")
        with self._lock:
            for key, version in versions:
                kept = [
                    row for row in self._objects.get(key, ()) if row.version != version
                ]
                self._objects[key] = kept
                if not kept:
                    del self._objects[key]

    def read(self, key: str, version: str) -> Iterator[bytes]:
        """Stream one version."""
        self.before("read")
        found = self._find(key, version)
        if found is not None and found.content:
            yield found.content

    def put_record(self, name: str, data: bytes) -> None:
        """Write a record."""
        self.before("put_record")
        self._records[name] = data

    def get_record(self, name: str) -> bytes | None:
        """Read a record."""
        self.before("get_record")
        return self._records.get(name)

    def sign_record(self, name: str) -> SignedRequest:
        """Sign a GET of a record."""
        self.before("sign_record")

        def act(_: bytes) -> Answer:
            found = self._records.get(name)
            return Answer(404) if found is None else Answer(200, found)

        return self._sign("GET", name, {}, account=None, seconds=READ_URL_S, act=act)

    def records(self, prefix: str) -> Iterator[str]:
        """List the names of records."""
        self.before("records")
        yield from sorted(name for name in self._records if name.startswith(prefix))

    def delete_records(self, prefix: str) -> None:
        """Delete all records under a prefix."""
        self.before("delete_records")
        with self._lock:
            for name in [name for name in self._records if name.startswith(prefix)]:
                del self._records[name]

    def _holds(self, signed: _Signed, request: SignedRequest) -> bool:
        reached = True
        if signed.account is not None:
            prefix = self.accounts.get(signed.account)
            reached = prefix is not None and signed.key.startswith(prefix)
        return reached and signed.request == request and self._clock() < signed.until

    def _sign(
        self,
        method: str,
        key: str,
        headers: dict[str, str],
        *,
        account: str | None,
        seconds: int,
        act: Callable[[bytes], Answer],
    ) -> SignedRequest:
        request = SignedRequest(
            method=method,
            url=f"http://memory/{key}?signature={secrets.token_hex(16)}",
            headers=headers,
            expires_in=seconds,
        )
        until = self._clock() + timedelta(seconds=seconds)
        self._signed[request.url] = _Signed(request, until, account, key, act)
        return request

    def _add(
        self,
        key: str,
        content: bytes | None,
        *,
        crc64nvme: str | None = None,
        intent: UUID | None = None,
    ) -> str:
        made = _Object(uuid4().hex, self._clock(), content, crc64nvme, intent)
        self._objects.setdefault(key, []).insert(0, made)
        return made.version

    def _find(self, key: str, version: str) -> _Object | None:
        rows = tuple(self._objects.get(key, ()))
        return next((row for row in rows if row.version == version), None)

    def _under_way(self, key: str, upload: str) -> _Upload:
        found = self._uploads.get(upload)
        if found is None or found.key != key:
            raise UploadGoneError("the upload has ended; send the file again")
        return found

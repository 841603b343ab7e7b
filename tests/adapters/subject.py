"""One face for the three stores that the suite runs against."""

import http.client
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from hutch.contract.wire.transfer import PartSent, SignedRequest
from hutch_api.adapters.memory import Answer, MemoryStore, checksum
from hutch_api.ports.objects import Credentials, ObjectStore, Version
from tests.conftest import Clock

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Foreign(Protocol):
    """Another tool, with rights that hutch never hands out."""

    def write(self, key: str, content: bytes) -> str:
        """Write an object as tools do; return its version id."""
        ...

    def mark_deleted(self, key: str) -> str:
        """Delete an object as tools do; return the marker's version id."""
        ...


@dataclass
class Subject:
    """A store, and what a test needs to use it like a client.

    Attributes:
        clock: Gives the store the time at which it signs.
        account: May put below the prefix.
        prefix: Start of the keys of this test alone.
        send: Sends a signed request.
    """

    objects: ObjectStore
    clock: Clock
    account: Credentials
    foreign: Foreign
    prefix: str
    send: Callable[[SignedRequest, bytes], Answer]

    def key(self, path: str) -> str:
        return self.prefix + path

    def signed_put(
        self, path: str, content: bytes, *, intent: UUID | None = None
    ) -> SignedRequest:
        return self.objects.sign_put(
            self.key(path),
            size=len(content),
            crc64nvme=checksum(content),
            intent=intent or uuid4(),
            account=self.account,
        )

    def put(self, path: str, content: bytes, *, intent: UUID | None = None) -> int:
        request = self.signed_put(path, content, intent=intent)
        return self.send(request, content).status

    def signed_part(
        self, path: str, upload: str, content: bytes, *, number: int = 1
    ) -> SignedRequest:
        return self.objects.sign_part(
            self.key(path),
            upload=upload,
            number=number,
            size=len(content),
            crc64nvme=checksum(content),
            account=self.account,
        )

    def put_part(
        self, path: str, upload: str, content: bytes, *, number: int = 1
    ) -> PartSent:
        request = self.signed_part(path, upload, content, number=number)
        answer = self.send(request, content)
        assert answer.status == 200
        return PartSent(
            number=number, etag=answer.headers["etag"], crc64nvme=checksum(content)
        )

    def versions(self, path: str = "", *, first: str | None = None) -> list[Version]:
        start = None if first is None else self.key(first)
        return list(self.objects.versions(self.key(path), first=start))

    def paths(self, *, first: str | None = None) -> list[str]:
        return [v.key.removeprefix(self.prefix) for v in self.versions(first=first)]

    def only(self, path: str) -> Version:
        """Give the one version of a path."""
        (version,) = self.versions(path)
        return version


def memory_subject(clock: Clock) -> Subject:
    store = MemoryStore(clock)
    prefix = f"d/{uuid4()}/"
    account = Credentials("MEMORYMEMORYMEMORY00", "secret")
    store.accounts[account.key_id] = prefix
    return Subject(store, clock, account, store, prefix, store.send)


def send(request: SignedRequest, body: bytes) -> Answer:
    """Send a request with exactly the headers it was signed with."""
    parts = urlsplit(request.url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    with closing(connection):
        target = f"{parts.path}?{parts.query}"
        connection.request(request.method, target, body, dict(request.headers))
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, answer.read(), headers)


def send_cut(request: SignedRequest, body: bytes) -> None:
    """Begin to send a request, and hang up before its last byte."""
    parts = urlsplit(request.url)
    assert parts.hostname
    assert parts.port
    lines = [
        f"{request.method} {parts.path}?{parts.query} HTTP/1.1",
        f"host: {parts.netloc}",
        *(f"{name}: {value}" for name, value in request.headers.items()),
    ]
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as line:
        line.sendall("\r\n".join([*lines, "", ""]).encode() + body[:-1])


@dataclass(frozen=True, slots=True)
class Tool:
    """An S3 tool that somebody runs with the administrator's keys."""

    client: "S3Client"
    bucket: str

    def write(self, key: str, content: bytes) -> str:
        answer = self.client.put_object(Bucket=self.bucket, Key=key, Body=content)
        return answer["VersionId"]

    def mark_deleted(self, key: str) -> str:
        return self.client.delete_object(Bucket=self.bucket, Key=key)["VersionId"]

"""Carry bytes between local files and the object store.

Blocking keep-alive sockets, one for each thread that is at work. The whole engine
stands behind ``put`` and ``get``: a faster one replaces this module alone.
"""

import http.client
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from hutch.contract.wire.transfer import SignedRequest
from hutch.errors import TransferError, UnreadableFileError
from hutch.transfer.checksums import BLOCK

TIMEOUT_S: Final = 120.0
"""A store that says nothing for so long is taken for gone."""
LOST_AFTER_S: Final = 120.0
"""No answer to anybody for so long, and attempts in vain: the store is lost. A store
that starts again takes less."""
_CLOCKS_DIFFER: Final = timedelta(minutes=1)
"""Less is the time between signing and sending."""
_LONGEST_ERROR: Final = 64 * 1024

Moved = Callable[[int], None]
"""Told how many bytes went through, as they do."""


class LostError(Exception):
    """The store answers nobody any more: the other files need not be tried."""


class StoppedError(Exception):
    """The transfer was stopped from outside; nobody is to be told."""


class CutError(TransferError):
    """The connection to the store broke; sending again may help."""

    code, title = "connection-cut", "The connection to the object store broke."


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of an open file.

    Attributes:
        handle: File descriptor; its position is not used.
        offset: First byte.
        size: Number of bytes.
    """

    handle: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What the store said.

    Attributes:
        status: HTTP status.
        etag: The ETag header as sent, quotes included; empty if there is none.
        code: S3's name of the error; empty if there is none.
        date: The store's clock, as sent with an error; empty if it does not tell.
    """

    status: int
    etag: str = ""
    code: str = ""
    date: str = ""

    @property
    def is_success(self) -> bool:
        """Whether the store did what it was asked."""
        return http.client.OK <= self.status < http.client.MULTIPLE_CHOICES


class Carrier:
    """Keep-alive connections to the store, for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[str, list[http.client.HTTPConnection]] = {}
        self._busy: set[http.client.HTTPConnection] = set()
        self._tls: ssl.SSLContext | None = None
        self._heard_s = time.monotonic()
        self.stopped = threading.Event()

    def stop(self) -> None:
        """End all transfers at once; every thread then gets ``StoppedError``."""
        self.stopped.set()
        with self._lock:
            for connection in self._busy:
                _cut(connection)

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            for connections in self._idle.values():
                for connection in connections:
                    connection.close()
            self._idle.clear()

    def require_store(self) -> None:
        """Give up, after attempts in vain, if nobody else gets an answer either.

        Raises:
            LostError: If the store has been silent for too long.
        """
        if time.monotonic() - self._heard_s >= LOST_AFTER_S:
            raise LostError

    def pause(self, seconds: float) -> None:
        """Wait, but not once stopped.

        Raises:
            StoppedError: If stopped meanwhile.
        """
        if self.stopped.wait(seconds):
            raise StoppedError

    def put(self, request: SignedRequest, piece: Piece, moved: Moved) -> Answer:
        """Send bytes of a file.

        Raises:
            CutError: If the connection broke before the store's answer.
            StoppedError: If stopped meanwhile.
            UnreadableFileError: If the file cannot be read.
        """
        target = _target(request.url)

        def exchange(connection: http.client.HTTPConnection) -> Answer:
            connection.putrequest(
                request.method, target, skip_host=True, skip_accept_encoding=True
            )
            for name, value in _headers(request, piece.size).items():
                connection.putheader(name, value)
            connection.endheaders()
            try:
                for block in self._blocks(piece):
                    connection.send(block)
                    moved(len(block))
            except (BrokenPipeError, ConnectionResetError):
                # A store that refuses may answer and hang up before it has read all.
                return _answer(connection.getresponse())
            return _answer(connection.getresponse())

        return self._exchange(request.url, exchange)

    def get(
        self,
        request: SignedRequest,
        take: Callable[[memoryview], None],
        *,
        first: int,
        size: int,
    ) -> Answer:
        """Fetch ``size`` bytes from ``first`` on and hand them over block by block.

        The bytes may still be too few when the store ends early: the caller counts.

        Raises:
            CutError: If the connection broke.
            StoppedError: If stopped meanwhile.
        """
        target = _target(request.url)

        def exchange(connection: http.client.HTTPConnection) -> Answer:
            connection.putrequest(
                request.method, target, skip_host=True, skip_accept_encoding=True
            )
            for name, value in _headers(request, None).items():
                connection.putheader(name, value)
            if size:
                connection.putheader("Range", f"bytes={first}-{first + size - 1}")
            connection.endheaders()
            response = connection.getresponse()
            whole = response.status == http.client.OK
            if response.status != http.client.PARTIAL_CONTENT and not (
                whole and first == 0
            ):
                return _answer(response)
            self._receive(response, take)
            return Answer(response.status, response.headers.get("ETag", ""))

        return self._exchange(request.url, exchange)

    def _blocks(self, piece: Piece) -> Iterator[bytes]:
        at, end = piece.offset, piece.offset + piece.size
        while at < end:
            if self.stopped.is_set():
                raise StoppedError
            try:
                block = os.pread(piece.handle, min(BLOCK, end - at), at)
            except OSError as e:
                raise UnreadableFileError(
                    f"The file cannot be read: {e.strerror}."
                ) from e
            if not block:
                raise CutError("The file became shorter while it was sent.")
            at += len(block)
            yield block

    def _receive(
        self, response: http.client.HTTPResponse, take: Callable[[memoryview], None]
    ) -> None:
        buffer = memoryview(bytearray(BLOCK))
        while count := response.readinto(buffer):
            if self.stopped.is_set():
                raise StoppedError
            take(buffer[:count])

    def _exchange(
        self, url: str, exchange: Callable[[http.client.HTTPConnection], Answer]
    ) -> Answer:
        with self._connection(url) as connection:
            try:
                answer = exchange(connection)
            except (OSError, http.client.HTTPException) as e:
                connection.close()
                # One that broke after a rest says that the others may be stale too.
                self._drop_idle(url)
                if self.stopped.is_set():
                    raise StoppedError from e
                raise CutError(
                    f"The connection to the object store broke "
                    f"({str(e) or type(e).__name__})."
                ) from e
            except BaseException:
                connection.close()
                raise
            self._heard_s = time.monotonic()
            if not answer.is_success:
                connection.close()  # it may not have read the body to its end
            return answer

    def _drop_idle(self, url: str) -> None:
        with self._lock:
            idle = self._idle.get(_place(url), [])
            for connection in idle:
                connection.close()
            idle.clear()

    @contextmanager
    def _connection(self, url: str) -> Iterator[http.client.HTTPConnection]:
        parts, place = urlsplit(url), _place(url)
        with self._lock:
            if self.stopped.is_set():
                raise StoppedError
            idle = self._idle.setdefault(place, [])
            connection = idle.pop() if idle else self._open(parts.scheme, parts.netloc)
            self._busy.add(connection)
        try:
            yield connection
        finally:
            with self._lock:
                self._busy.discard(connection)
                if connection.sock is not None:
                    self._idle[place].append(connection)

    def _open(self, scheme: str, netloc: str) -> http.client.HTTPConnection:
        if scheme == "https":
            self._tls = self._tls or ssl.create_default_context()
            return http.client.HTTPSConnection(
                netloc, timeout=TIMEOUT_S, context=self._tls, blocksize=BLOCK
            )
        return http.client.HTTPConnection(netloc, timeout=TIMEOUT_S, blocksize=BLOCK)


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def _headers(request: SignedRequest, size: int | None) -> dict[str, str]:
    """Headers as they were signed, and those that any request needs."""
    headers = {"Host": urlsplit(request.url).netloc, "User-Agent": "hutch"}
    if size is not None:
        headers["Content-Length"] = str(size)
    given = {name.lower(): value for name, value in request.headers.items()}
    kept = {k: v for k, v in headers.items() if k.lower() not in given}
    return {**kept, **request.headers}


def _answer(response: http.client.HTTPResponse) -> Answer:
    body = response.read(_LONGEST_ERROR)
    code = re.search(rb"<Code>(\w+)</Code>", body)
    return Answer(
        response.status,
        response.headers.get("ETag", ""),
        code.group(1).decode() if code else "",
        response.headers.get("Date", ""),
    )


def describe(answer: Answer, request: SignedRequest, *, fresh: bool) -> str:
    """Say what the store answered instead of doing what it was asked.

    A store that refuses what was signed a moment ago may have another clock.

    Args:
        answer: No success.
        request: What it answers.
        fresh: It was signed just before.
    """
    said = f"The object store answered {answer.status} {answer.code}".strip()
    signed = re.search(r"X-Amz-Date=(\d{8}T\d{6}Z)", request.url)
    if not (fresh and signed and answer.status == http.client.FORBIDDEN):
        return said
    try:
        theirs = parsedate_to_datetime(answer.date).replace(tzinfo=UTC)
    except ValueError:
        return said
    ahead = theirs - datetime.strptime(signed[1], "%Y%m%dT%H%M%S%z")
    if abs(ahead) < _CLOCKS_DIFFER:
        return said
    which = "ahead of" if ahead > timedelta() else "behind"
    return (
        f"{said}; its clock is {abs(ahead).total_seconds():.0f} s {which} that of the "
        "hutch server: the facility must set both, and 'hutch-api doctor' checks it"
    )


def _cut(connection: http.client.HTTPConnection) -> None:
    """Wake the thread that waits on a connection."""
    if connection.sock is not None:
        try:
            # Not the socket's own method: that of TLS ends the encryption first, and
            # what the thread is just sending would go out in the clear.
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
        except OSError:
            return

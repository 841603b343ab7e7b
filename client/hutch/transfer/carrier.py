"""Carry bytes between local files and the object store.

Blocking keep-alive connections, one for each thread that is at work. The whole engine
stands behind ``put`` and ``get``.
"""

import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from hutch.contract.wire.transfer import SignedRequest
from hutch.transfer import answers
from hutch.transfer.buffers import SIZE, aligned
from hutch.transfer.failures import (
    CutError,
    LostError,
    RouteError,
    StaleError,
    StoppedError,
)
from hutch.transfer.heads import Head, compose
from hutch.transfer.routes import Place, Routes, split
from hutch.transfer.sockets import Line, Moved, Piece
from hutch.transfer.width import Width

__all__ = [
    "Answer",
    "Carrier",
    "CutError",
    "LostError",
    "Moved",
    "Piece",
    "StoppedError",
    "describe",
]

LOST_AFTER_S: Final = 120.0
"""No answer to anybody for so long, and attempts in vain: the store is lost. A store
that starts again takes less."""
REST_S: Final = 20.0
"""A connection that rested for longer is not used again: stores hang up after 30 s and
more, and what stands between may forget it without a word."""

_CLOCKS_DIFFER: Final = timedelta(minutes=1)
"""Less is the time between signing and sending."""
_OK: Final = 200
_PARTIAL: Final = 206
_REDIRECTS: Final = range(300, 400)
_FORBIDDEN: Final = 403
_TOO_BUSY: Final = frozenset({429, 503})
_CODE: Final = re.compile(rb"<Code>(\w+)</Code>")


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
        return self.status // 100 == 2  # noqa: PLR2004 - as HTTP has it

    @property
    def is_redirect(self) -> bool:
        """Whether the store wants to be asked elsewhere."""
        return self.status in _REDIRECTS


class Carrier:
    """Keep-alive connections to the store, for many threads.

    Args:
        jobs: Transfers at a time; None means as many as are found to be good.

    Attributes:
        stopped: Set once all is to end.
        width: How many threads are to use it, found by what they move.
    """

    def __init__(self, jobs: int | None = None) -> None:
        self.stopped = threading.Event()
        self.width = Width(jobs)
        self._lock = threading.Lock()
        self._routes = Routes(self.stopped)
        self._idle: dict[Place, list[Line]] = {}
        self._busy: set[Line] = set()
        self._heard_s = time.monotonic()

    def stop(self) -> None:
        """End all transfers at once; every thread then gets ``StoppedError``."""
        self.stopped.set()
        with self._lock:
            for line in self._busy:
                line.cut()

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            lines = [line for idle in self._idle.values() for line in idle]
            self._idle.clear()
        for line in lines:
            line.close()

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

        Args:
            request: The signed request.
            piece: What to send.
            moved: Is told the bytes as they leave; what has to be sent once more, on
                another connection, is taken back.

        Raises:
            CutError: If the connection broke before the store's answer.
            RouteError: If the store can never be reached as it was asked.
            StoppedError: If stopped meanwhile.
            UnreadableFileError: If the file cannot be read.
        """
        place, target = self._find(request.url)
        length = ("Content-Length", str(piece.size))
        head = _compose(request, place, target, length)
        told = 0

        def tell(count: int) -> None:
            nonlocal told
            told += count
            self.width.moved(count)
            moved(count)

        def exchange(line: Line) -> Answer:
            if told:
                tell(-told)
            line.send_file(head, piece, tell)
            return _hear(line, answers.read_head(line))

        return self._exchange(place, exchange)

    def get(
        self,
        request: SignedRequest,
        take: Callable[[memoryview], None],
        *,
        first: int,
        size: int,
        moved: Moved,
    ) -> Answer:
        """Fetch ``size`` bytes from ``first`` on and hand them over buffer by buffer.

        Each buffer but the last is full, begins at a page of memory, and is used again
        once ``take`` returns. What came of one when the connection broke is lost.

        Args:
            request: The signed request.
            take: Is given the bytes, in order.
            first: First byte.
            size: Number of bytes, at least 1.
            moved: Is told the bytes as they come, before ``take`` has them.

        Raises:
            CutError: If the connection broke, or brought other bytes than were asked.
            RouteError: If the store can never be reached as it was asked.
            StoppedError: If stopped meanwhile.
            OSError: If ``take`` raises it.
        """
        place, target = self._find(request.url)
        wanted = ("Range", f"bytes={first}-{first + size - 1}")
        head = _compose(request, place, target, wanted)

        def tell(count: int) -> None:
            self.width.moved(count)
            moved(count)

        def exchange(line: Line) -> Answer:
            line.send(head)
            got = answers.read_head(line)
            if got.status // 100 != 2:  # noqa: PLR2004 - as HTTP has it
                return _hear(line, got)
            _require_asked(got, first, size)
            left = size
            while left:
                if self.stopped.is_set():
                    raise StoppedError
                buffer = aligned()[: min(SIZE, left)]
                line.receive_into(buffer, tell)
                left -= len(buffer)
                take(buffer)
            answers.end(line, got)
            return Answer(got.status, got.etag)

        return self._exchange(place, exchange)

    def read(self, request: SignedRequest, *, most: int) -> tuple[Answer, bytes]:
        """Fetch an object of which only the store knows the size; errors as of ``get``.

        Args:
            request: The signed request.
            most: Bytes; a longer one is refused.
        """
        place, target = self._find(request.url)
        head, data = _compose(request, place, target), bytearray()

        def exchange(line: Line) -> Answer:
            line.send(head)
            got = answers.read_head(line)
            if got.status // 100 != 2:  # noqa: PLR2004 - as HTTP has it
                return _hear(line, got)
            if got.length is None:  # its end and a broken connection look the same
                raise CutError("The object store does not say how much it sends.")
            if got.length > most:
                raise answers.longer()
            data.extend(bytes(got.length))
            line.receive_into(memoryview(data), self.width.moved)
            answers.end(line, got)
            return Answer(got.status, got.etag)

        return self._exchange(place, exchange), bytes(data)

    def _find(self, url: str) -> tuple[Place, str]:
        scheme, netloc, target = split(url)
        return self._routes.place(scheme, netloc), target

    def _exchange(self, place: Place, exchange: Callable[[Line], Answer]) -> Answer:
        answer = self._ask(place, exchange)
        self.width.ended(is_busy=answer.status in _TOO_BUSY)
        return answer

    def _ask(self, place: Place, exchange: Callable[[Line], Answer]) -> Answer:
        line = self._rested(place)
        if line is not None:
            with suppress(StaleError):
                return self._use(line, place, exchange)
            # One that the store had closed says that the others may be stale too.
            self._drop_idle(place)
        return self._use(Line(self.stopped), place, exchange)

    def _use(
        self, line: Line, place: Place, exchange: Callable[[Line], Answer]
    ) -> Answer:
        with self._lock:
            if self.stopped.is_set():
                line.close()
                raise StoppedError
            self._busy.add(line)
        is_fit = False
        try:
            self._routes.open(line, place)
            answer = exchange(line)
            # One that refused may not have read the body to its end.
            is_fit = answer.is_success and line.is_open
        except CutError as e:
            if self.stopped.is_set():
                raise StoppedError from e
            raise
        finally:
            with self._lock:
                self._busy.discard(line)
                if is_fit:
                    self._idle.setdefault(place, []).append(line)
            if not is_fit:
                line.close()
        self._heard_s = time.monotonic()
        return answer

    def _rested(self, place: Place) -> Line | None:
        """Find a connection that can be used again."""
        while True:
            with self._lock:
                idle = self._idle.get(place)
                if not idle:
                    return None
                line = idle.pop()
            if time.monotonic() - line.rested_s < REST_S and line.is_quiet():
                return line
            line.close()

    def _drop_idle(self, place: Place) -> None:
        with self._lock:
            lines = self._idle.pop(place, [])
        for line in lines:
            line.close()


def _compose(
    request: SignedRequest,
    place: Place,
    target: str,
    *about: tuple[str, str],
) -> bytes:
    """Write a head: the headers as they were signed, and those that any needs."""
    given = {name.lower(): value for name, value in request.headers.items()}
    if any(given.get(name.lower(), value) != value for name, value in about):
        raise RouteError(
            "The hutch server signed a request for other bytes than were asked for. "
            "Tell the facility."
        )
    own = [("Host", place.netloc), ("User-Agent", "hutch"), *about]
    fields = [field for field in own if field[0].lower() not in given]
    fields += request.headers.items()
    if place.is_relayed and place.proxy is not None:
        target = f"{place.scheme}://{place.netloc}{target}"
        if place.proxy.authorization is not None:
            fields.append(("Proxy-Authorization", place.proxy.authorization))
    return compose(request.method, target, fields)


def _hear(line: Line, head: Head) -> Answer:
    text = answers.read_text(line, head)
    answers.end(line, head)
    if head.status // 100 == 2:  # noqa: PLR2004 - as HTTP has it
        return Answer(head.status, head.etag)
    code = _CODE.search(text)
    return Answer(
        head.status, head.etag, code.group(1).decode() if code else "", head.date
    )


def _require_asked(head: Head, first: int, size: int) -> None:
    """Refuse other bytes than those that were asked for."""
    if head.status == _PARTIAL:
        fits = head.span == (first, first + size - 1)
    else:
        fits = head.status == _OK and first == 0
    if not fits:
        raise CutError("The object store sent other bytes than it was asked for.")
    if head.length is None or head.length < size:
        raise CutError("The object store sent fewer bytes than it should.")
    if head.length > size:
        raise answers.longer()


def describe(answer: Answer, request: SignedRequest, *, fresh: bool) -> str:
    """Say what the store answered instead of doing what it was asked.

    A store that refuses what was signed a moment ago may have another clock.

    Args:
        answer: No success.
        request: What it answers.
        fresh: It was signed just before.
    """
    said = f"The object store answered {answer.status} {answer.code}".strip()
    if answer.is_redirect:
        return (
            f"{said}; hutch follows no redirect, since its requests are signed for one "
            "host: the facility must set the store's address to where it leads"
        )
    signed = re.search(r"X-Amz-Date=(\d{8}T\d{6}Z)", request.url)
    if not (fresh and signed and answer.status == _FORBIDDEN):
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

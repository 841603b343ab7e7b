"""One connection to a store, over a blocking socket.

A blocking socket with a time limit in the kernel fills a whole buffer in one call,
without the interpreter. TLS has no such call, and has its limit kept by Python.
"""

import errno
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from hutch.contract.parts import MIB
from hutch.errors import UnreadableFileError
from hutch.transfer.buffers import aligned
from hutch.transfer.failures import CutError, StaleError, StoppedError

TIMEOUT_S: Final = 120.0
"""A store that says nothing for so long is taken for gone."""
SLOWEST: Final = 1024
"""Bytes a second, on the average over ``TIMEOUT_S``: less is taken for nothing."""

_TICKS: Final = 24
"""Looks at a stalled connection, until ``TIMEOUT_S`` is over."""
_AT_ONCE: Final = 4 * MIB
"""Bytes that one call sends: progress is told, and a stop is seen, after it."""
_COPIED: Final = 64 * 1024
"""Bytes of a body that are better sent together with its head."""
_THROUGH: Final = 256 * 1024
"""Bytes read at a time where they must pass through here: they stay in the cache."""
_SOME: Final = 16 * 1024
_MORE: Final[int] = getattr(socket, "MSG_MORE", 0)
_WAITING: Final = (BlockingIOError, TimeoutError)

Moved = Callable[[int], None]
"""Told how many bytes went through, as they do; negative if they go again."""


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


class Watch:
    """Sees to it that bytes move: who trickles them is as good as gone."""

    def __init__(self) -> None:
        self._moved_s = self._since_s = time.monotonic()
        self._bytes = 0

    def passed(self, count: int) -> None:
        """Note bytes that went through; 0 after waiting in vain.

        Raises:
            CutError: If there were none, or far too few, for too long.
        """
        now_s = time.monotonic()
        if count:
            self._moved_s = now_s
            self._bytes += count
        if now_s - self._since_s >= TIMEOUT_S:
            if self._bytes < SLOWEST * TIMEOUT_S:
                raise CutError(
                    f"The object store moved no more than {self._bytes} bytes in "
                    f"{TIMEOUT_S:.0f} s."
                )
            self._since_s, self._bytes = now_s, 0
        elif now_s - self._moved_s >= TIMEOUT_S:
            raise silent()


class Line:
    """A connection, for one thread at a time; ``cut`` for any.

    Args:
        stopped: Once set, nothing is begun any more.

    Attributes:
        kept: What came, and was not asked for yet.
        has_heard: Something came since the last request.
        is_open: It can be used for another exchange.
        rested_s: When it was last used, on the monotonic clock.
    """

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped
        self._socket: socket.socket | None = None
        self._is_encrypted = False
        self.kept = b""
        self.has_heard = False
        self.is_open = False
        self.rested_s = 0.0

    def connect(self, host: str, port: int, *, timeout_s: float) -> None:
        """Connect to the first address of a host that answers.

        Raises:
            OSError: If none does.
            StoppedError: If stopped meanwhile.
        """
        failed = OSError("there is no such host")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            made = socket.socket(family, kind, protocol)
            try:
                self._hold(made)
                _limit(made, timeout_s)
                made.connect(address)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _limit(made, TIMEOUT_S / _TICKS)
            except BlockingIOError:
                failed = TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
                made.close()
            except OSError as e:
                failed = e
                made.close()
            else:
                return
        raise failed

    def encrypt(self, context: ssl.SSLContext, host: str) -> None:
        """Have TLS protect what follows.

        Raises:
            OSError: If the two sides do not agree.
            StoppedError: If stopped meanwhile.
        """
        wrapped = context.wrap_socket(
            self._open_socket(), server_hostname=host, do_handshake_on_connect=False
        )
        self._is_encrypted = True
        self._hold(wrapped)
        wrapped.settimeout(TIMEOUT_S)
        wrapped.do_handshake()
        wrapped.settimeout(TIMEOUT_S / _TICKS)

    def cut(self) -> None:
        """Wake the thread that waits on the connection."""
        if self._socket is not None:
            with suppress(OSError):
                # Not the socket's own method: that of TLS ends the encryption first,
                # and what the thread is just sending would go out in the clear.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up."""
        self.is_open = False
        if self._socket is not None:
            self._socket.close()

    def is_quiet(self) -> bool:
        """Tell whether a connection at rest is fit for another exchange.

        What came unasked would be taken for the next answer.
        """
        try:
            return not self.kept and self._peep(1) is None
        except OSError:
            return False

    def send(self, data: bytes) -> None:
        """Begin an exchange that is nothing but a head.

        Raises:
            CutError: If the store does not read it.
            StoppedError: If stopped meanwhile.
        """
        self.has_heard = False
        with suppress(OSError):  # what the store may still have said tells more
            self._send(memoryview(data), Watch())

    def send_file(self, head: bytes, piece: Piece, moved: Moved) -> None:
        """Begin an exchange with bytes of a file.

        A store that refuses may answer and hang up, or read no further, before it
        has all: that is no error here, since its answer tells more.

        Raises:
            CutError: If the connection stalls, or the file has become too short.
            StoppedError: If stopped meanwhile.
            UnreadableFileError: If the file cannot be read.
        """
        self.has_heard = False
        watch = Watch()
        with suppress(OSError):
            if self._is_encrypted or piece.size <= _COPIED:
                self._send_through(head, piece, moved, watch)
            elif self._send(memoryview(head), watch, _MORE):
                self._send_straight(piece, moved, watch)

    def receive(self, deadline_s: float) -> None:
        """Receive something, and keep it.

        Args:
            deadline_s: On the monotonic clock.

        Raises:
            CutError: If nothing comes.
            StaleError: If nothing has come since the request, and never will.
        """
        while True:
            if time.monotonic() >= deadline_s:
                raise silent()
            try:
                received = self._open_socket().recv(_SOME)
            except _WAITING:
                continue
            except OSError as e:
                raise self._ended(broke(e)) from e
            if not received:
                raise self._ended("The object store hung up before it had answered.")
            self.kept += received
            self.has_heard = True
            return

    def receive_into(self, target: memoryview, moved: Moved) -> None:
        """Fill ``target`` with what comes next.

        Raises:
            CutError: If it ends before, or comes too slowly.
        """
        count = min(len(self.kept), len(target))
        if count:
            target[:count] = self.kept[:count]
            self.kept = self.kept[count:]
            moved(count)
        watch = Watch()
        # As a whole, in one call, where the kernel itself is listened to.
        flags = 0 if self._is_encrypted else socket.MSG_WAITALL
        while count < len(target):
            try:
                more = self._open_socket().recv_into(target[count:], 0, flags)
            except _WAITING:
                watch.passed(0)
                continue
            except OSError as e:
                raise CutError(broke(e)) from e
            if not more:
                raise CutError("The object store sent fewer bytes than it announced.")
            count += more
            moved(more)
            watch.passed(more)

    def _open_socket(self) -> socket.socket:
        if self._socket is None:
            raise OSError("not connected")
        return self._socket

    def _hold(self, made: socket.socket) -> None:
        """Let ``cut`` reach a socket, which may have come too early for it."""
        self._socket = made
        if self._stopped.is_set():
            raise StoppedError

    def _ended(self, why: str) -> CutError:
        return CutError(why) if self.has_heard else StaleError(why)

    def _peep(self, most: int) -> bytes | None:
        """Take what is there already; None if nothing is, empty if the end is."""
        here = self._open_socket()
        try:
            if not self._is_encrypted:
                return here.recv(most, socket.MSG_DONTWAIT)
            here.settimeout(0)
            try:
                return here.recv(most)
            finally:
                here.settimeout(TIMEOUT_S / _TICKS)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None

    def _send(self, data: memoryview, watch: Watch, flags: int = 0) -> bool:
        """Send bytes; tells whether the store wants more."""
        here = self._open_socket()
        while data:
            if self._stopped.is_set():
                raise StoppedError
            try:
                count = here.send(data, 0 if self._is_encrypted else flags)
            except _WAITING:
                if self._is_refused(watch):
                    return False
            else:
                data = data[count:]
                watch.passed(count)
        return True

    def _send_straight(self, piece: Piece, moved: Moved, watch: Watch) -> None:
        """Have the kernel send, without the bytes passing through here."""
        here = self._open_socket().fileno()
        at, end = piece.offset, piece.offset + piece.size
        while at < end:
            if self._stopped.is_set():
                raise StoppedError
            try:
                count = os.sendfile(here, piece.handle, at, min(_AT_ONCE, end - at))
            except _WAITING:
                if self._is_refused(watch):
                    return
                continue
            except ConnectionError:
                raise
            except OSError:
                # The file, or a file system that cannot do this: reading will tell.
                rest = Piece(piece.handle, at, end - at)
                self._send_through(b"", rest, moved, watch)
                return
            if not count:
                raise _shorter()
            at += count
            moved(count)
            watch.passed(count)

    def _send_through(
        self, head: bytes, piece: Piece, moved: Moved, watch: Watch
    ) -> None:
        """Send a head and bytes of a file through this thread's buffer.

        Never by mapping the file: one that is cut short while it is mapped ends the
        process.
        """
        buffer = aligned()
        start = len(head)
        buffer[:start] = head
        at, end = piece.offset, piece.offset + piece.size
        while start or at < end:
            target = buffer[start : start + min(_THROUGH, end - at)]
            count = _read(piece.handle, target, at) if target else 0
            if not self._send(buffer[: start + count], watch):
                return
            at, start = at + count, 0
            moved(count)

    def _is_refused(self, watch: Watch) -> bool:
        """Look, while the store reads nothing, whether it has answered already."""
        received = self._peep(_SOME)
        if received is None:
            watch.passed(0)
            return False
        self.kept += received
        self.has_heard = self.has_heard or bool(received)
        return True


def broke(cause: OSError) -> str:
    """Say that a connection broke."""
    return f"The connection to the object store broke ({cause.strerror or cause})."


def silent() -> CutError:
    """Make the error of a store that does not answer."""
    return CutError(f"The object store said nothing for {TIMEOUT_S:.0f} s.")


def _shorter() -> CutError:
    return CutError("The file became shorter while it was sent.")


def _read(handle: int, target: memoryview, at: int) -> int:
    try:
        count = os.preadv(handle, [target], at)
    except OSError as e:
        raise UnreadableFileError(f"The file cannot be read: {e.strerror}.") from e
    if not count:
        raise _shorter()
    return count


def _limit(made: socket.socket, seconds: float) -> None:
    """Have the kernel end each call on a socket after a while."""
    whole = int(seconds)
    limit = struct.pack("@ll", whole, max(1, int((seconds - whole) * 1e6)))
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        made.setsockopt(socket.SOL_SOCKET, option, limit)

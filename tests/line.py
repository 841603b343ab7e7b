"""A line to a server that counts what passes, and can be cut at a byte."""

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from tests.background import Threads, served

BLOCK = 64 * 1024
_Passing = Callable[[int, int], int]


class Line:
    """What a test knows of the line, and does to it.

    Attributes:
        url: Where clients find it; empty for a line between sockets with a path.
        sent: Bytes that went to the server, headers included.
        received: Bytes that came back.
        cut_after: Cut the next connection that sends more than this; None cuts none.
        cut_answer_after: Cut the next one that receives more; None cuts none.
        cuts: How many connections were cut.
    """

    def __init__(self, target: str | Path) -> None:
        self._target = target
        self.url = ""
        self.sent = self.received = self.cuts = 0
        self.cut_after: int | None = None
        self.cut_answer_after: int | None = None
        self._lock = threading.Lock()

    @property
    def carried(self) -> int:
        """Bytes in both directions."""
        return self.sent + self.received

    def connect(self) -> socket.socket:
        """Open a connection to the server behind."""
        if isinstance(self._target, Path):
            unix = socket.socket(socket.AF_UNIX)
            unix.connect(str(self._target))
            return unix
        parts = urlsplit(self._target)
        return socket.create_connection((parts.hostname or "", parts.port or 80))

    def forward(self, near: socket.socket, far: socket.socket) -> None:
        """Carry to the server what a caller sends, until one of the two ends it."""
        _pump(near, far, self.pass_sent)

    def pass_sent(self, before: int, count: int) -> int:
        """Count bytes on their way to the server; tells how many may go on.

        Args:
            before: Bytes that this connection has sent already.
            count: Bytes that would follow.
        """
        with self._lock:
            self.sent += count
            if self.cut_after is None or before + count <= self.cut_after:
                return count
            allowed, self.cut_after = self.cut_after - before, None
            self.cuts += 1
            return max(0, allowed)

    def pass_received(self, before: int, count: int) -> int:
        """Count bytes on their way back; as ``pass_sent``."""
        with self._lock:
            self.received += count
            if self.cut_answer_after is None or before + count <= self.cut_answer_after:
                return count
            allowed, self.cut_answer_after = self.cut_answer_after - before, None
            self.cuts += 1
            return max(0, allowed)


L = TypeVar("L", bound=Line)


class _Tcp(Threads, socketserver.ThreadingTCPServer):
    line: Line


class _Unix(Threads, socketserver.ThreadingUnixStreamServer):
    line: Line


class _Handler(socketserver.BaseRequestHandler):
    server: _Tcp | _Unix

    def handle(self) -> None:
        line, near = self.server.line, self.request
        try:
            far = line.connect()
        except OSError:
            return  # nobody is behind: whoever called is hung up on
        with far:
            back = threading.Thread(target=self._bring_back, args=(far,), daemon=True)
            back.start()
            line.forward(near, far)
            _end(near, far)
            back.join()

    def _bring_back(self, far: socket.socket) -> None:
        near = self.request
        if _pump(far, near, self.server.line.pass_received):
            _end(near, far)
        # A store may answer and hang up while its client is still sending.
        with suppress(OSError):
            near.shutdown(socket.SHUT_WR)


def _pump(source: socket.socket, target: socket.socket, passing: _Passing) -> bool:
    """Carry bytes in one direction to its end; tells whether it was cut."""
    before = 0
    with suppress(OSError):
        while block := source.recv(BLOCK):
            allowed = passing(before, len(block))
            target.sendall(block[:allowed])
            if allowed < len(block):
                return True
            before += len(block)
    return False


def _end(*sides: socket.socket) -> None:
    for side in sides:
        with suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)


@contextmanager
def counting(target: str | Path, *, at: Path | None = None) -> Iterator[Line]:
    """Open a line to a server.

    Args:
        target: The server's URL, or the path of its socket.
        at: Path of the socket to listen at; None listens on a free loopback port.
    """
    with opened(Line(target), at=at) as line:
        yield line


@contextmanager
def opened(line: L, *, at: Path | None = None) -> Iterator[L]:
    """Open a line that a test has made; ``at`` as for ``counting``."""
    made = _Tcp(("127.0.0.1", 0), _Handler) if at is None else _Unix(str(at), _Handler)
    made.line = line
    if isinstance(made, _Tcp):
        line.url = f"http://127.0.0.1:{made.server_address[1]}"
    with served(made):
        yield line

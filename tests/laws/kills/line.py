"""A line from the API to the store, on which the store dies inside Complete."""

import os
import re
import select
import signal
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

_BLOCK = 64 * 1024
_PATIENCE_S = 60.0
_COMPLETE = re.compile(rb"POST /[^ ?]+\?uploadId=[^ ]+ HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Line:
    """What a test knows of the line.

    Attributes:
        url: Where the API finds the store.
        kills: How often the store was killed before it had answered.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self.target = (parts.hostname or "", parts.port or 80)
        self.url = ""
        self.kills = 0
        self._lock = threading.Lock()
        self._pid, self._after = 0, -1
        self._struck = threading.Event()

    def arm(self, pid: int, *, after: int) -> None:
        """Kill the store inside the next Complete.

        Args:
            pid: The store.
            after: How many writes it may still do, as the kernel counts them, once
                the request has reached it whole.
        """
        self._struck.clear()
        with self._lock:
            self._pid, self._after = pid, after

    def wait(self) -> None:
        """Wait until that has happened."""
        assert self._struck.wait(_PATIENCE_S), "nobody asked for a Complete"

    def strike(self, far: socket.socket) -> bool:
        """Kill the store at its moment; tells whether this was the one to do it."""
        with self._lock:
            after, self._after = self._after, -1
        if after < 0:
            return False
        until = _writes(self._pid) + after
        poll = select.poll()
        poll.register(far, select.POLLIN)
        while not (answered := poll.poll(0)) and _writes(self._pid) < until:
            pass
        os.kill(self._pid, signal.SIGKILL)
        self.kills += not answered
        self._struck.set()
        return True


def _writes(pid: int) -> int:
    """Count the writes that a process has asked the kernel for."""
    io = Path(f"/proc/{pid}/io").read_text()
    return int(io.partition("syscw: ")[2].split()[0])


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    line: Line


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        try:
            far = socket.create_connection(self.server.line.target)
        except OSError:
            return  # the store is away: whoever called is hung up on
        with far, suppress(OSError):
            back = threading.Thread(target=_pump, args=(far, self.request), daemon=True)
            back.start()
            self._forward(far)
            far.shutdown(socket.SHUT_RDWR)
            back.join()

    def _forward(self, far: socket.socket) -> None:
        while block := self.request.recv(_BLOCK):
            whole = block
            if complete := _COMPLETE.match(block) is not None:
                while len(whole) < _length(whole):
                    whole += self.request.recv(_BLOCK)
            far.sendall(whole)
            if complete and self.server.line.strike(far):
                return


def _length(request: bytes) -> int:
    """Tell how long a request is whole, once its headers are there."""
    head, end, _ = request.partition(b"\r\n\r\n")
    if not end:
        return len(request) + 1
    found = _LENGTH.search(head + b"\r\n")
    return len(head) + len(end) + (int(found[1]) if found else 0)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(_BLOCK):
            target.sendall(block)
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def before(target: str) -> Iterator[Line]:
    """Open a line to a store."""
    line = Line(target)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.line = line
        line.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield line
        finally:
            server.shutdown()
            thread.join()

"""A line to the store that counts bytes and can be cut."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

BLOCK = 64 * 1024


class Line:
    """What a test knows of the line, and does to it.

    Attributes:
        sent: Bytes that went to the store, headers included.
        cut_after: Cut the next connection that has carried so many; None cuts none.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self.target = (parts.hostname or "", parts.port or 80)
        self.sent = 0
        self.cuts = 0
        self.cut_after: int | None = None
        self.lock = threading.Lock()
        self.url = ""

    def count(self, carried: int, block: bytes) -> bool:
        """Count a block; tells whether the connection is to be cut."""
        with self.lock:
            self.sent += len(block)
            if self.cut_after is None or carried + len(block) < self.cut_after:
                return False
            self.cut_after = None
            self.cuts += 1
            return True


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    line: Line


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        line = self.server.line
        with socket.create_connection(line.target) as store:
            back = threading.Thread(
                target=_pump, args=(store, self.request), daemon=True
            )
            back.start()
            carried = 0
            with suppress(OSError):
                while block := self.request.recv(BLOCK):
                    if line.count(carried, block):
                        break
                    carried += len(block)
                    store.sendall(block)
            for side in (store, self.request):
                with suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(BLOCK):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def counting(target: str) -> Iterator[Line]:
    """Open a line to a store."""
    line = Line(target)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.line = line
        line.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield line
        finally:
            server.shutdown()
            thread.join()

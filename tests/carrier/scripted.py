"""A store of raw sockets: it says what a test wants, byte by byte."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from hutch.contract.wire.transfer import SignedRequest

Treatment = Callable[[socket.socket], None]
"""What is done with one connection, which is closed when it returns."""

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: "e"\r\n\r\n'


@dataclass
class Store:
    """Where it listens, and who came.

    Attributes:
        treatments: One for each connection, in order; the last is for all further.
        connections: How many came so far.
        heads: The heads of requests that ``read`` has read, in order.
    """

    treatments: tuple[Treatment, ...]
    url: str = ""
    connections: int = 0
    heads: list[bytes] = field(default_factory=list)
    _open: list[socket.socket] = field(default_factory=list)

    def accept(self, server: socket.socket) -> None:
        """Treat connections until the server is shut down, then end them all."""
        with ThreadPoolExecutor(32) as pool, suppress(OSError):
            try:
                while True:
                    here, _ = server.accept()
                    self._open.append(here)
                    number = min(self.connections, len(self.treatments) - 1)
                    self.connections += 1
                    pool.submit(_treat, self.treatments[number], here)
            finally:
                for here in self._open:
                    with suppress(OSError):
                        socket.socket.shutdown(here, socket.SHUT_RDWR)

    def request(self, method: str, **headers: str) -> SignedRequest:
        """Sign a request that leads here."""
        return SignedRequest(
            method=method,
            url=f"{self.url}/b/d/x?X-Amz-Signature=s",
            headers=headers,
            expires_in=600,
        )

    def read(self, here: socket.socket, *, body: int | None = None) -> bytes:
        """Read a request, and tell its body.

        Args:
            here: The connection.
            body: Bytes of the body to read; None reads as many as announced.
        """
        data = b""
        while b"\r\n\r\n" not in data:
            more = here.recv(1)
            if not more:
                raise ConnectionError
            data += more
        self.heads.append(data)
        wanted = body
        if wanted is None:
            lines = data.lower().split(b"\r\n")
            lengths = [x[15:] for x in lines if x.startswith(b"content-length:")]
            wanted = int(lengths[0]) if lengths else 0
        found = bytearray()
        while len(found) < wanted:
            block = here.recv(min(1 << 20, wanted - len(found)))
            if not block:
                raise ConnectionError
            found += block
        return bytes(found)

    def saying(self, *said: bytes) -> Treatment:
        """Answer one request after the other, then hang up."""

        def treat(here: socket.socket) -> None:
            for one in said:
                self.read(here)
                here.sendall(one)

        return treat

    def encrypted(self, context: ssl.SSLContext, treatment: Treatment) -> Treatment:
        """Treat a connection behind TLS."""

        def treat(here: socket.socket) -> None:
            with context.wrap_socket(here, server_side=True) as wrapped:
                self._open.append(wrapped)
                treatment(wrapped)

        return treat

    def spans(self) -> list[str]:
        """Tell the ranges that were asked for."""
        return [
            line.partition(b": ")[2].decode()
            for head in self.heads
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"range:")
        ]


def part(body: bytes, *, first: int = 0, headers: str = "") -> bytes:
    """Write the answer to a request for the bytes from ``first`` on."""
    return (
        f"HTTP/1.1 206 Partial Content\r\nContent-Length: {len(body)}\r\n"
        f"Content-Range: bytes {first}-{first + len(body) - 1}/999\r\n{headers}\r\n"
    ).encode() + body


def await_end(here: socket.socket) -> None:
    """Wait until the other side has closed or cut the connection."""
    with suppress(OSError):
        while here.recv(1 << 20):
            pass


@contextmanager
def store(*treatments: Treatment) -> Iterator[Store]:
    """Run a store that treats its connections so; more may be given meanwhile."""
    made = Store(treatments)
    with socket.create_server(("127.0.0.1", 0)) as server:
        made.url = f"http://127.0.0.1:{server.getsockname()[1]}"
        thread = threading.Thread(target=made.accept, args=(server,), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _treat(treatment: Treatment, here: socket.socket) -> None:
    with here, suppress(OSError):
        treatment(here)

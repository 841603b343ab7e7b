"""A proxy as facilities have it: CONNECT for https, whole addresses for http."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from tests.carrier.scripted import Store, store


@contextmanager
def proxy() -> Iterator[Store]:
    """Run a proxy; its ``heads`` are those that it could read."""

    def treat(here: socket.socket) -> None:
        made.read(here, body=0)
        first, _, rest = made.heads[-1].partition(b"\r\n")
        method, target, version = first.decode().split(" ")
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            there = socket.create_connection((host, int(port)))
            here.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            parts = urlsplit(target)
            there = socket.create_connection((parts.hostname or "", parts.port or 80))
            inner = f"{method} {parts.path}?{parts.query} {version}\r\n".encode()
            # One request for a connection: the next may be for another server.
            there.sendall(inner + b"Connection: close\r\n" + rest)
        with there:
            back = threading.Thread(target=_pump, args=(there, here), daemon=True)
            back.start()
            _pump(here, there)
            back.join()

    with store(treat) as made:
        yield made


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(1 << 16):
            target.sendall(block)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)

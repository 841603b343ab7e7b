"""The way out of a container that has no network: two addresses and nothing else.

Outside, a door listens on Unix sockets and passes what comes to API and store. Inside,
a gate listens on the loopback addresses of the same two and passes what comes to the
sockets. The bytes are not looked at, so that TLS goes through, and the addresses are
the same on both sides, so that signatures hold.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

SOCKETS: Final = Path("/run/door")
"""Where both sides find the sockets."""
_BUFFER: Final = 256 * 1024
_BACKLOG: Final = 128
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, outside."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Address":
        """Take it from a URL.

        Raises:
            ValueError: It is not one of a web server.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"{url!r} is not an http or https URL")
        return cls(parts.hostname, parts.port or _PORTS[parts.scheme])

    @property
    def socket(self) -> str:
        """Name of the socket that leads there."""
        return f"{self.host}-{self.port}.sock"


@contextmanager
def gate(addresses: list[Address], sockets: Path = SOCKETS) -> Iterator[None]:
    """Let this container's loopback lead to some addresses outside."""
    with _open(
        [
            (_listen_inside(address), _to_socket(sockets / address.socket))
            for address in addresses
        ]
    ):
        yield


@contextmanager
def door(addresses: list[Address], sockets: Path = SOCKETS) -> Iterator[None]:
    """Let sockets lead to some addresses."""
    with _open(
        [
            (_listen_outside(sockets / address.socket), _to_address(address))
            for address in addresses
        ]
    ):
        yield


@contextmanager
def _open(
    ways: list[tuple[socket.socket, Callable[[], socket.socket]]],
) -> Iterator[None]:
    for listener, connect in ways:
        threading.Thread(target=_accept, args=(listener, connect), daemon=True).start()
    try:
        yield
    finally:
        for listener, _ in ways:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()


def _listen_inside(address: Address) -> socket.socket:
    return socket.create_server(("127.0.0.1", address.port), backlog=_BACKLOG)


def _listen_outside(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o666)  # whoever has the directory may knock: all else is the token's
    listener.listen(_BACKLOG)
    return listener


def _to_socket(path: Path) -> Callable[[], socket.socket]:
    def connect() -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        try:
            made.connect(str(path))
        except OSError:
            made.close()
            raise
        return made

    return connect


def _to_address(address: Address) -> Callable[[], socket.socket]:
    return lambda: socket.create_connection((address.host, address.port))


def _accept(listener: socket.socket, connect: Callable[[], socket.socket]) -> None:
    while True:
        try:
            inner, _ = listener.accept()
        except OSError:
            return  # the way was closed
        threading.Thread(target=_pass, args=(inner, connect), daemon=True).start()


def _pass(inner: socket.socket, connect: Callable[[], socket.socket]) -> None:
    with inner:
        try:
            outer = connect()
        except OSError:
            return  # whoever called sees its connection end
        with outer:
            back = threading.Thread(target=_copy, args=(outer, inner), daemon=True)
            back.start()
            _copy(inner, outer)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes, until it ends; then say so to the other side."""
    room = memoryview(bytearray(_BUFFER))
    with suppress(OSError):
        while count := source.recv_into(room):
            target.sendall(room[:count])
    for end, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with suppress(OSError):
            end.shutdown(how)

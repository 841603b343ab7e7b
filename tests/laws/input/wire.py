"""HTTP byte by byte: what no client would send, and what came back."""

import http.client
import io
import json
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from hutch.contract.problems import URN
from tests.http.people import PROBLEM

PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    def problem(self) -> dict[str, Any]:
        """Check that it is a complete problem document, and give it."""
        assert self.headers["content-type"] == PROBLEM, self
        found: dict[str, Any] = json.loads(self.body)
        assert found["type"].startswith(URN), found
        assert found["status"] == self.status
        assert found["title"]
        assert found["detail"]
        assert found["request_id"] == self.headers["x-request-id"]
        return found


def dial(port: int) -> socket.socket:
    """Open a connection."""
    return socket.create_connection(("127.0.0.1", port), PATIENCE_S)


def read(connection: socket.socket) -> bytes:
    """Read until the server ends the connection."""
    answer = b""
    with suppress(ConnectionError):
        while piece := connection.recv(65_536):
            answer += piece
    return answer


def ask(port: int, *pieces: bytes, ends: bool = False) -> bytes:
    """Send pieces and read until the server ends the connection.

    Args:
        port: Where the server listens.
        pieces: What to send.
        ends: Also say that nothing more will come, as one who gives up does.
    """
    with closing(dial(port)) as connection:
        with suppress(ConnectionError):  # it may have heard enough
            for piece in pieces:
                connection.sendall(piece)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        return read(connection)


def replies(raw: bytes) -> Iterator[Reply]:
    """Take apart what came over one connection."""
    rest = _Wire(raw)
    while rest.stream.tell() < len(raw):
        response = http.client.HTTPResponse(rest)  # type: ignore[arg-type]
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        yield Reply(response.status, headers, response.read())


class _Wire:
    """Bytes, where ``http.client`` expects a socket."""

    def __init__(self, raw: bytes) -> None:
        self.stream = _Kept(raw)

    def makefile(self, _mode: str) -> io.BytesIO:
        return self.stream


class _Kept(io.BytesIO):
    def close(self) -> None:
        """Stay open for the next answer."""


def get(port: int, target: str, *headers: str) -> Reply:
    """Ask in good manners."""
    lines = [f"GET {target} HTTP/1.1", "Host: hutch", "Connection: close", *headers]
    raw = ask(port, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    return next(replies(raw))


def post(port: int, target: str, body: bytes, *headers: str) -> Reply:
    """Send a JSON body in good manners."""
    lines = [
        f"POST {target} HTTP/1.1",
        "Host: hutch",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    raw = ask(port, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), body)
    return next(replies(raw))

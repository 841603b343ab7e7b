"""A relay before an HTTP server: sees each request, and decides what becomes of it."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from tests.background import Threads

PATIENCE_S = 120.0
_OF_ONE_HOP = frozenset({"connection", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent.

    Attributes:
        target: Path and query, as sent.
        headers: In the order in which they came.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def path(self) -> str:
        """The path without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        """The parameters; those without a value too."""
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client gets.

    Attributes:
        cut_after: Hang up after so many bytes of the body; None sends all.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    cut_after: int | None = None


class Relay:
    """Passes all requests on; whoever wants more overrides ``treat``.

    Attributes:
        url: Where clients find it.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.relay = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def treat(self, request: Request) -> Answer | None:
        """Answer a request, by asking the server or otherwise; None hangs up."""
        return self.ask(request)

    def ask(self, request: Request) -> Answer:
        """Have the server behind answer.

        Raises:
            OSError: It does not.
        """
        upstream = http.client.HTTPConnection(self._upstream.netloc, timeout=PATIENCE_S)
        try:
            headers = {k: v for k, v in request.headers if k.lower() not in _OF_ONE_HOP}
            body = request.body or None
            upstream.request(request.method, request.target, body, headers)
            answer = upstream.getresponse()
            kept = tuple(
                (k, v) for k, v in answer.getheaders() if k.lower() not in _OF_ONE_HOP
            )
            return Answer(answer.status, kept, answer.read())
        except http.client.HTTPException as error:
            raise ConnectionError from error
        finally:
            upstream.close()

    def serve(self) -> None:
        """Serve until ``stop``."""
        self._server.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        """Serve no longer."""
        self._server.shutdown()
        self.close()

    def close(self) -> None:
        """Listen no longer."""
        self._server.server_close()


R = TypeVar("R", bound=Relay)


@contextmanager
def running(relay: R) -> Iterator[R]:
    """Run a relay until the block ends."""
    thread = threading.Thread(target=relay.serve, daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        relay.stop()
        thread.join()


class _Server(Threads, ThreadingHTTPServer):
    relay: Relay

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: whoever hangs up in the middle is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body of an answer go together
    disable_nagle_algorithm = True
    server: _Server

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return lambda: self._serve(name.removeprefix("do_"))
        raise AttributeError(name)

    def _serve(self, method: str) -> None:
        body = self._body()
        answer = None
        if body is not None:
            headers = tuple(self.headers.items())
            answer = self._treat(Request(method, self.path, headers, body))
        if answer is None:
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if "content-length" not in {name.lower() for name, _ in answer.headers}:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: answer.cut_after])
        if answer.cut_after is not None:
            self.close_connection = True

    def _body(self) -> bytes | None:
        """Read a body, or None if the client hung up in it."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            return b"".join(self._chunks())
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        return body if len(body) == length else None

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # what stands behind the body

    def handle_expect_100(self) -> bool:
        """Let the body come at once: who asks first waits a second for an answer."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def _treat(self, request: Request) -> Answer | None:
        try:
            return self.server.relay.treat(request)
        except OSError:
            return None

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""

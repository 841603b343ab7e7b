"""A gate before the API: lets a test stop a client at a request it chooses."""

import http.client
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

PATIENCE_S = 120.0


class Gate:
    """Passes requests on, but for those that it holds.

    Attributes:
        url: Where clients find it.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self._lock = threading.Lock()
        self._suffix: str | None = None
        self._free = 0
        self._cut = False
        self._waiting: list[Future[bool]] = []
        self._held = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def hold(self, suffix: str, *, after: int = 0) -> None:
        """Hold requests whose path ends so, once ``after`` of them have passed."""
        self._suffix, self._free = suffix, after

    def wait(self) -> None:
        """Wait until a request is held."""
        assert self._held.wait(PATIENCE_S), "nobody came to the gate"

    def open(self) -> None:
        """Let through what is held, and all that comes."""
        self._decide(passes=True)

    def cut(self) -> None:
        """Hang up on what is held, and on all that comes until it is opened."""
        self._decide(passes=False)

    def _decide(self, *, passes: bool) -> None:
        with self._lock:
            self._suffix, self._cut = None, not passes
            waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.set_result(passes)

    def serve(self) -> None:
        """Serve until ``stop``."""
        self._server.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        """Serve no longer."""
        self.cut()
        self._server.shutdown()
        self._server.server_close()

    def _passes(self, path: str) -> bool:
        """Wait here if the request is one to hold; tell whether it may go on."""
        with self._lock:
            if self._suffix is None or not path.endswith(self._suffix):
                return not self._cut
            if self._free:
                self._free -= 1
                return True
            verdict: Future[bool] = Future()
            self._waiting.append(verdict)
        self._held.set()
        return verdict.result(PATIENCE_S)

    def _forward(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length) if length else None
        if not self._passes(urlsplit(handler.path).path):
            handler.close_connection = True
            return
        upstream = http.client.HTTPConnection(self._upstream.netloc, timeout=PATIENCE_S)
        headers = {k: v for k, v in handler.headers.items() if k != "Connection"}
        upstream.request(handler.command, handler.path, body=body, headers=headers)
        answer = upstream.getresponse()
        content = answer.read()
        handler.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in {"transfer-encoding", "connection"}:
                handler.send_header(name, value)
        if answer.getheader("Content-Length") is None:
            handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)
        upstream.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def __getattr__(self, name: str) -> Any:
                if name.startswith("do_"):
                    return lambda: gate._forward(self)
                raise AttributeError(name)

            def log_message(self, *_args: Any) -> None:
                """Say nothing."""

        return Handler


@contextmanager
def gate(upstream: str) -> Iterator[Gate]:
    """Run a gate before an API."""
    one = Gate(upstream)
    thread = threading.Thread(target=one.serve, daemon=True)
    thread.start()
    try:
        yield one
    finally:
        one.stop()
        thread.join()

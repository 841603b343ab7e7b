"""A server that answers what a test wants, as a lying one would."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.background import served

Headers = dict[str, str]


@dataclass
class Said:
    """An answer."""

    status: int = 200
    body: Any = None
    headers: Headers = field(default_factory=dict)


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: Headers
    body: bytes


@dataclass
class Script:
    """What the server says and what it was asked."""

    answer: Callable[[Asked], Said]
    asked: list[Asked] = field(default_factory=list)
    url: str = ""


@contextmanager
def saying(answer: Callable[[Asked], Said]) -> Iterator[Script]:
    """Run a server that answers by a function."""
    script = Script(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            asked = Asked(
                self.command,
                self.path,
                {k.lower(): v for k, v in self.headers.items()},
                self.rfile.read(length),
            )
            script.asked.append(asked)
            said = script.answer(asked)
            data = (
                said.body
                if isinstance(said.body, bytes)
                else b""
                if said.body is None
                else json.dumps(said.body).encode()
            )
            self.send_response(said.status)
            headers = {"Content-Type": "application/json"} | said.headers
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _do  # noqa: N815 - http.server

        def log_message(self, *_args: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    with served(server):
        yield script

"""What surrounds every request, written for ASGI directly.

Starlette's ``BaseHTTPMiddleware`` would put a task and a queue around each answer;
these classes look at the messages as they pass.
"""

import asyncio
import logging
import time
from typing import Final
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hutch.contract.problems import (
    HutchError,
    MalformedError,
    StoppingError,
)
from hutch_api.http import bodies, failures, problems, trace
from hutch_api.http.endpoints import MAX_BODY

ACCESS_LOG: Final = "hutch_api.access"

_LOG: Final = logging.getLogger(ACCESS_LOG)
_STOPPING: Final = StoppingError(
    "the server is being stopped before it could answer; run the same command again"
)
_WORTH_READING: Final = 64 * 1024
"""An unread body up to this length in bytes is swallowed to keep the connection."""
SECURITY: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Answers hold tokens and signed URLs: nobody keeps, frames or guesses at them."""


class Envelope:
    """Gives every answer its id and headers, every request a line in the log.

    It is the outermost part: what no other part has caught becomes a problem here.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = Headers(scope=scope)
        found = trace.begin(scope, headers.get("x-request-id"))
        status = 0

        async def listen() -> Message:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                found.body_read = True
            return message

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answer = MutableHeaders(scope=message)
                answer["X-Request-Id"] = found.request_id
                for name, value in SECURITY.items():
                    answer.setdefault(name, value)
                if not found.body_read and _is_long(headers):
                    answer["Connection"] = "close"
            await send(message)

        try:
            scope["path"] = _path_as_sent(scope)
            await self.app(scope, listen, tell)
        except asyncio.CancelledError:  # the server ends and waits no longer
            await _answer_failure(_STOPPING, scope, receive, tell, started=status != 0)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the client hears a problem
            await _answer_failure(error, scope, receive, tell, started=status != 0)
        finally:
            _LOG.info(
                "%s %s %d %.0f ms request=%s user=%s",
                scope["method"],
                found.template,
                status,
                (time.perf_counter() - began) * 1000,
                found.request_id,
                found.user or "-",
            )


class BodyLimit:
    """Cuts off request bodies that are longer than any honest request."""

    def __init__(self, app: ASGIApp, *, most: int = MAX_BODY) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse by the declared length, or as soon as more than that has come."""
        if scope["type"] == "http":
            receive = bodies.limited(receive, Headers(scope=scope), most=self.most)
        await self.app(scope, receive, send)


async def _answer_failure(
    error: Exception, scope: Scope, receive: Receive, send: Send, *, started: bool
) -> None:
    if isinstance(error, ClientDisconnect):  # it left before its request was whole
        return
    known = trace.of(scope)
    told = problems.from_exception(error)
    if not isinstance(error, HutchError) or started:
        failures.log_failure(error, request_id=known.request_id)
    if started:  # the server cuts the connection: the answer is not whole
        return
    path = scope["path"] if scope["path"].startswith("/") else "*"
    answer = problems.respond(told, instance=path, request_id=known.request_id)
    await answer(scope, receive, send)


def _path_as_sent(scope: Scope) -> str:
    """Find the path with its percent-encoding, so that it is decoded only once.

    Servers decode it before routing: ``%2F`` would become a separator, and bytes
    that are not UTF-8 would be replaced. Proxies may send the absolute form, whose
    host is not trusted for anything.

    Raises:
        MalformedError: The target is not a path.
    """
    raw: bytes | None = scope.get("raw_path")
    text = quote(scope["path"]) if raw is None else raw.decode("latin-1")
    text = text.partition("?")[0]
    if text.lower().startswith(("http://", "https://")):
        text = "/" + text.partition("://")[2].partition("/")[2]
    if not text.startswith("/"):
        raise MalformedError("the request's target is not a path")
    return text


def _is_long(headers: Headers) -> bool:
    return "transfer-encoding" in headers or bodies.declared(headers) > _WORTH_READING

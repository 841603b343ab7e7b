"""Reading bodies of requests without letting anybody fill the memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from hutch.contract.problems import MalformedError, TooLargeError

SHORT: Final = 64 * 1024
"""Length in bytes up to which a body is read whoever else is being read."""
ROOM: Final = 8 * 1024 * 1024
"""Bytes of longer bodies that one process holds at a time: one of the longest, dozens
of a usual push. Decoded a batch takes up to four times as much."""


def declared(headers: Headers) -> int:
    """Read the length that a request says its body has; 0 if it does not say."""
    length = headers.get("content-length", "0")
    return int(length) if length.isdecimal() else 0


def limited(receive: Receive, headers: Headers, *, most: int) -> Receive:
    """Make a reader that refuses a body of more than ``most`` bytes.

    Raises:
        TooLargeError: At once if it says that it is longer.
        MalformedError: It says in two ways how long it is, and a proxy on the way may
            have believed the other one.
    """
    if "transfer-encoding" in headers and "content-length" in headers:
        raise MalformedError("send Content-Length or Transfer-Encoding, not both")
    error = TooLargeError(
        f"the body is longer than {most} bytes; send smaller batches, and files to "
        "the store",
        limit=most,
    )
    if declared(headers) > most:
        raise error
    total = 0

    async def count() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > most:
            raise error
        return message

    return count


async def read(request: Request, *, most: int) -> bytes:
    """Read a body to its end.

    Pieces are put together as they come: a million of them take as much as one.

    Raises:
        TooLargeError: It is longer than ``most`` bytes.
        ClientDisconnect: The client left before the end.
    """
    receive = limited(request.receive, request.headers, most=most)
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


class Room:
    """The memory of a process for bodies; who finds none waits for others to end."""

    def __init__(self, size: int = ROOM) -> None:
        self._left = size
        self._changed = asyncio.Condition()
        self._alone = asyncio.Lock()

    @asynccontextmanager
    async def taken(self, headers: Headers, *, most: int) -> AsyncIterator[None]:
        """Hold room for a body while it is read and worked on.

        Args:
            headers: Of the request; a body of unknown length may have the longest.
            most: Longest body in bytes.
        """
        size = declared(headers) if "content-length" in headers else most
        if size <= SHORT:
            yield
            return
        async with self._changed:
            await self._changed.wait_for(lambda: self._left >= size)
            self._left -= size
        try:
            yield
        finally:
            async with self._changed:
                self._left += size
                self._changed.notify_all()

    @asynccontextmanager
    async def alone(self, raw: bytes) -> AsyncIterator[None]:
        """Be the only one who works on a long body that may hold anything.

        Decoded it takes up to twenty times as much, and nobody honest is in a hurry
        with one. It has been read: no client keeps others waiting here.

        Args:
            raw: The whole body.
        """
        async with nullcontext() if len(raw) <= SHORT else self._alone:
            yield

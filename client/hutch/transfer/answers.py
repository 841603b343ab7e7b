"""What a store answers, read from a connection without trusting it."""

import time
from typing import Final

from hutch.transfer import sockets
from hutch.transfer.failures import CutError, RouteError
from hutch.transfer.heads import END, LONGEST_HEAD, Head, garbled, parse
from hutch.transfer.sockets import Line

LONGEST_TEXT: Final = 64 * 1024
"""Bytes of an answer in words that are read: stores say what is wrong in fewer."""

_LONGEST_LINE: Final = 1024
_CONTINUES: Final = range(100, 200)
_SWITCHED: Final = 101
_UNPAID: Final = 407
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")


def read_head(line: Line) -> Head:
    """Read the head of an answer, past those that only ask for patience.

    Raises:
        CutError: If none comes, or none that can be understood.
        RouteError: If a proxy on the way wants to know who asks.
        StaleError: If the connection ended without a single byte of it.
    """
    deadline_s = time.monotonic() + sockets.TIMEOUT_S
    most = LONGEST_HEAD
    while True:
        end = _found(line, END, most, deadline_s)
        head, line.kept = parse(line.kept[:end]), line.kept[end:]
        most -= end
        if head.status == _UNPAID:
            raise RouteError(
                "The proxy on the way to the object store refuses the name or the "
                "password that the environment gives it. Correct http_proxy and "
                "https_proxy, or add the store's host to no_proxy."
            )
        if head.status not in _CONTINUES or head.status == _SWITCHED:
            return head


def read_text(line: Line, head: Head) -> bytes:
    """Read an answer's body as far as anybody would; what is longer is left.

    Raises:
        CutError: If it ends before it should, or cannot be understood.
    """
    deadline_s = time.monotonic() + sockets.TIMEOUT_S
    if head.is_chunked:
        text = _read_chunks(line, deadline_s)
    elif head.length is None:
        text = _read_to_end(line, deadline_s)
    else:
        text = _taken(line, min(head.length, LONGEST_TEXT), deadline_s)
        if len(text) < head.length:
            line.kept, line.is_open = b"", False
    return text


def end(line: Line, head: Head) -> None:
    """End an exchange whose body was read.

    Raises:
        CutError: If more came than was announced.
    """
    if line.kept:
        raise longer()
    if head.is_last:
        line.is_open = False
    line.rested_s = time.monotonic()


def longer() -> CutError:
    """Make the error of a body that does not end where it should."""
    return CutError("The object store sent more bytes than it should.")


def _found(line: Line, mark: bytes, most: int, deadline_s: float) -> int:
    """Receive up to a mark, and tell where it ends."""
    seen = 0
    while (at := line.kept.find(mark, seen)) < 0:
        if len(line.kept) > most:
            raise garbled()
        seen = max(0, len(line.kept) - len(mark))
        line.receive(deadline_s)
    if at > most:
        raise garbled()
    return at + len(mark)


def _taken(line: Line, count: int, deadline_s: float) -> bytes:
    while len(line.kept) < count:
        line.receive(deadline_s)
    taken, line.kept = line.kept[:count], line.kept[count:]
    return taken


def _read_to_end(line: Line, deadline_s: float) -> bytes:
    line.is_open = False
    try:
        while len(line.kept) < LONGEST_TEXT:
            line.receive(deadline_s)
    except CutError:
        pass  # its end is the only one there is
    text, line.kept = line.kept[:LONGEST_TEXT], b""
    return text


def _read_chunks(line: Line, deadline_s: float) -> bytes:
    text = b""
    while True:
        length = _read_line(line, deadline_s).partition(b";")[0].strip(b" \t")
        if not length or len(length) > 8 or not _HEX.issuperset(length):  # noqa: PLR2004 - digits of 4 GiB
            raise garbled()
        size = int(length, 16)
        if size == 0:
            break
        if len(text) + size > LONGEST_TEXT:
            text += _taken(line, LONGEST_TEXT - len(text), deadline_s)
            line.kept, line.is_open = b"", False
            return text
        text += _taken(line, size, deadline_s)
        if _taken(line, 2, deadline_s) != b"\r\n":
            raise garbled()
    for _ in range(LONGEST_HEAD // _LONGEST_LINE):
        if not _read_line(line, deadline_s):  # after the trailers, if there are any
            return text
    raise garbled()


def _read_line(line: Line, deadline_s: float) -> bytes:
    end = _found(line, b"\r\n", _LONGEST_LINE, deadline_s)
    return _taken(line, end, deadline_s)[:-2]

"""Heads of HTTP/1.1: written as bytes, and read without trusting whoever sent them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from hutch.transfer.failures import CutError, RouteError

LONGEST_HEAD: Final = 64 * 1024
"""Bytes; more than any store or proxy sends, and little enough to keep."""
END: Final = b"\r\n\r\n"

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word for it
_NAME: Final = re.compile(_TOKEN)
_HEAD: Final = re.compile(
    rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n\0]*)?\r\n"
    rb"((?:" + _TOKEN.encode() + rb":[^\r\n\0]*\r\n)*)\r\n"
)
_LENGTH: Final = re.compile(rb"[0-9]{1,19}")
_RANGE: Final = re.compile(rb"bytes ([0-9]{1,19})-([0-9]{1,19})/(?:[0-9]{1,19}|\*)")
_WANTED: Final = re.compile(
    rb"^(connection|content-length|content-range|date|etag|transfer-encoding):"
    rb"[ \t]*([^\r\n]*?)[ \t]*\r$",
    re.IGNORECASE | re.MULTILINE,
)
"""The fields that are read, among lines of which it is known that they are fields."""
_BODILESS: Final = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Head:
    """What came before the body.

    Attributes:
        status: HTTP status.
        length: Bytes of the body; None if only its end will tell.
        is_chunked: The body comes in chunks that carry their lengths.
        is_last: The connection ends with this answer.
        etag: As sent, quotes included; empty if there is none.
        date: The sender's clock; empty if it does not tell.
        span: First and last byte that a part of an object has there; None if not told.
    """

    status: int
    length: int | None
    is_chunked: bool
    is_last: bool
    etag: str
    date: str
    span: tuple[int, int] | None


def compose(method: str, target: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """Write the head of a request.

    Args:
        method: HTTP method.
        target: Path and query, as they were signed; for a proxy with scheme and host.
        fields: Names and values of the headers.

    Raises:
        RouteError: If anything would end its line early or begin another one.
    """
    lines = [f"{method} {target} HTTP/1.1"]
    names = [method]
    for name, value in fields:
        names.append(name)
        lines.append(f"{name}: {value}")
    text = "".join(lines)
    if not (text.isascii() and text.isprintable() and " " not in target):
        raise _unusable()
    if not all(map(_is_token, names)):
        raise _unusable()
    return "\r\n".join([*lines, "\r\n"]).encode()


def parse(data: bytes) -> Head:
    """Read the head of an answer, up to and with the empty line.

    Raises:
        CutError: If it is not what HTTP/1.1 allows, or can be read in two ways.
    """
    match = _HEAD.fullmatch(data)
    if match is None:
        raise garbled()
    fields: dict[bytes, list[bytes]] = {}
    for name, value in _WANTED.findall(match[3]):
        fields.setdefault(name.lower(), []).append(value)
    status = int(match[2])
    length, is_chunked = _framing(status, fields)
    options = b",".join(fields.get(b"connection", ())).lower().replace(b" ", b"")
    is_last = b"close" in options.split(b",") or (length is None and not is_chunked)
    if match[1] == b"0" and b"keep-alive" not in options.split(b","):
        is_last = True
    return Head(
        status=status,
        length=length,
        is_chunked=is_chunked,
        is_last=is_last,
        etag=_text(fields, b"etag"),
        date=_text(fields, b"date"),
        span=_span(fields),
    )


def garbled() -> CutError:
    """Make the error of an answer that is no HTTP."""
    return CutError("The object store's answer could not be understood.")


@lru_cache(maxsize=64)
def _is_token(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def _framing(status: int, fields: dict[bytes, list[bytes]]) -> tuple[int | None, bool]:
    encodings = fields.get(b"transfer-encoding")
    lengths = fields.get(b"content-length", [])
    if encodings is not None:
        # With a length as well, two readers could see two ends: an answer to be
        # refused, since what follows would be taken for the next one.
        if lengths or [e.lower() for e in encodings] != [b"chunked"]:
            raise garbled()
        return None, True
    if len(set(lengths)) > 1 or not all(_LENGTH.fullmatch(n) for n in lengths):
        raise garbled()
    if status in _BODILESS or status < 200:  # noqa: PLR2004 - 1xx has no body
        return 0, False
    return (int(lengths[0]) if lengths else None), False


def _span(fields: dict[bytes, list[bytes]]) -> tuple[int, int] | None:
    ranges = fields.get(b"content-range")
    match = _RANGE.fullmatch(ranges[0]) if ranges and len(ranges) == 1 else None
    return (int(match[1]), int(match[2])) if match else None


def _text(fields: dict[bytes, list[bytes]], name: bytes) -> str:
    return fields[name][0].decode("latin-1") if name in fields else ""


def _unusable() -> RouteError:
    # Never the address itself: its signature lets anybody do what it allows.
    return RouteError(
        "The hutch server signed a request with characters that no request may have. "
        "Tell the facility."
    )

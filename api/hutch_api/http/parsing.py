"""Reading requests: bytes in, checked values out, or an error that names the place."""

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final, TypeVar, get_args, get_origin
from urllib.parse import parse_qsl, unquote_to_bytes
from uuid import UUID

import msgspec

from hutch.contract.problems import (
    InvalidInputError,
    MalformedError,
    NotFoundError,
    TooLargeError,
    UnsupportedMediaError,
)

T = TypeVar("T")

_ID: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE
)
_PLACE: Final = re.compile(r" - at `\$\.?(.*)`$", re.DOTALL)
_FIELD: Final = re.compile(r"([a-z_0-9]+(?:\[\d+\])?): ")
_TOO_MANY: Final = re.compile(r"(?:\d+ items|\d+), \d+ are allowed")
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_RAW: Final = dict[str, msgspec.Raw]
_MAX_VALUES: Final = 100_000
"""Most objects and lists in a body: a full batch of parts has fewer. An empty list is
two bytes on the wire and sixty in memory."""
_MAX_QUERY: Final = 100
"""Most query parameters; no endpoint has a tenth of them."""


def read_id(name: str, text: str) -> UUID:
    """Read an id in its usual form.

    Braces and ``urn:`` forms are refused: one thing has one address.

    Raises:
        NotFoundError: It is none; the answer is that of an id that names nothing.
    """
    if not _ID.fullmatch(text):
        raise NotFoundError(f"there is no {name} {text[:100]!r}", **{name: text[:100]})
    return UUID(text)


def read_segment(raw: str) -> str:
    """Decode a variable part of the path, exactly once.

    Raises:
        NotFoundError: It is not UTF-8 or holds a NUL, so nothing has this name.
    """
    try:
        text = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise NotFoundError("nothing can be at this address: it is not valid UTF-8")
    return text


def read_body(raw: bytes, kind: type[T], headers: Mapping[str, str]) -> T:
    """Decode a JSON body.

    Raises:
        UnsupportedMediaError: It is not declared as JSON, or is compressed.
        MalformedError: It is not JSON.
        InvalidInputError: A value is not allowed; the fact ``at`` says where.
        TooLargeError: A list is too long.
    """
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise UnsupportedMediaError(
            f"the body is {media[:100]!r}; send JSON with the header "
            "'Content-Type: application/json'",
            content_type=media[:100],
        )
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaError("the body is compressed; send it as it is")
    if raw.count(b"{") + raw.count(b"[") > _MAX_VALUES:
        raise TooLargeError(f"the body holds more than {_MAX_VALUES} objects and lists")
    try:
        _refuse_strangers(raw, kind)
        if b"\\u0000" in raw and _NUL.search(raw):
            # Nobody else runs while an expression is matched: half a second in a long
            # body. PostgreSQL can store no NUL.
            raise InvalidInputError("the body holds the character U+0000")
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedError(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise MalformedError("the body is nested too deeply") from None


def read_query(raw: bytes, kind: type[T]) -> T:
    """Decode query parameters into a dataclass.

    Raises:
        InvalidInputError: One is unknown, given twice or out of its range.
    """
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_QUERY,
        )
    except ValueError:
        raise InvalidInputError("the query of the address cannot be read") from None
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    values: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise InvalidInputError(
                f"the query parameter {name[:100]!r} is not known here; known are: "
                f"{', '.join(sorted(known)) or 'none'}",
                at=name[:100],
            )
        if name in values or "\0" in value:
            fault = "is given twice" if name in values else "holds a NUL"
            raise InvalidInputError(f"the query parameter {name!r} {fault}", at=name)
        values[name] = value
    try:
        return msgspec.convert(values, type=kind, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None


def _refuse_strangers(raw: msgspec.Raw | bytes, kind: type[Any], at: str = "") -> None:
    """Refuse fields that the type does not have, in the objects inside it too.

    A misspelt optional field would be ignored in silence: a derived dataset would
    lose its parents, a definition its memory. In lists they are ignored: one may hold
    a full batch.
    """
    given = msgspec.json.decode(raw, type=_RAW)
    known = {field.name: field.type for field in fields(kind)}
    for name, value in given.items():
        if name not in known:
            raise InvalidInputError(
                f"the field {name[:100]!r} is not known here; known are: "
                f"{', '.join(sorted(known))}",
                at=f"{at}{name[:100]}",
            )
        _look_inside(value, known[name], f"{at}{name}.")


def _look_inside(value: msgspec.Raw, kind: Any, at: str) -> None:
    if bytes(memoryview(value)[:1]) != b"{":
        return
    if isinstance(kind, type) and is_dataclass(kind):
        _refuse_strangers(value, kind, at)
    elif get_origin(kind) is Mapping:
        held = get_args(kind)[1]
        if is_dataclass(held):
            for name, item in msgspec.json.decode(value, type=_RAW).items():
                _look_inside(item, held, f"{at}{name[:100]}.")


def _invalid(message: str) -> InvalidInputError | TooLargeError:
    """Turn msgspec's message into an error that names the place.

    A check of a value writes ``field: what is wrong``; msgspec adds where the value
    stands.
    """
    place = _PLACE.search(message)
    at, detail = (place[1], message[: place.start()]) if place else ("", message)
    if field := _FIELD.match(detail):
        at = f"{at}.{field[1]}".strip(".")
        detail = detail[field.end() :]
    if not at:
        return InvalidInputError(detail)
    kind = TooLargeError if _TOO_MANY.match(detail) else InvalidInputError
    return kind(f"{at}: {detail}", at=at)

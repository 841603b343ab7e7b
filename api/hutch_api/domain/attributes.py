"""Which attributes may be stored at all, whatever their type says."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from hutch.contract.manifest import canonical_json
from hutch.contract.problems import InvalidInputError, TooLargeError
from hutch.contract.wire.checks import MAX_LABEL, MAX_TEXT, require_text

LARGEST: Final = 64 * 1024
"""Bytes of canonical JSON; larger things are files of the dataset."""
DEEPEST: Final = 8
_LARGEST_INTEGER: Final = 2**53 - 1
"""Beyond it JSON readers disagree about the number, and so would seals."""


def merge(old: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Put changes over attributes; null removes one."""
    return {k: v for k, v in {**old, **change}.items() if v is not None}


def require_storable(
    attributes: Mapping[str, Any], *, field: str = "attributes"
) -> None:
    """Refuse attributes that are too large or that not every JSON reader can read.

    Args:
        attributes: Or anything else of their kind.
        field: What the caller calls it.

    Raises:
        InvalidInputError: A name, text or number is not allowed, or too deep.
        TooLargeError: All together are too large.
    """
    # First what costs nothing: the rest looks at every value, in a transaction.
    if _least(attributes) > LARGEST:
        raise _too_large(field)
    for fault in _faults(attributes, field, DEEPEST):
        raise InvalidInputError(fault, field=field)
    if len(canonical_json(dict(attributes))) > LARGEST:
        raise _too_large(field)


def _too_large(field: str) -> TooLargeError:
    return TooLargeError(
        f"{field}: more than {LARGEST} bytes as JSON; put large values into a file "
        "of the dataset",
        field=field,
    )


def _least(value: Any) -> int:
    """Count bytes that a value has at least as JSON; stop beyond the limit."""
    total, ahead = 0, [value]
    while ahead and total <= LARGEST:
        match ahead.pop():
            case Mapping() as item:
                total += sum(map(len, item))
                ahead.extend(item.values())
            case list() | tuple() as item:
                total += len(item)
                ahead.extend(item)
            case str() as item:
                total += len(item)
            case _:
                total += 1
    return total


def _faults(value: Any, place: str, depth: int) -> Iterator[str]:
    if depth < 0:
        yield f"{place}: is more than {DEEPEST} levels deep"
        return
    match value:
        case Mapping():
            for name, item in value.items():
                yield from _text_faults(name, f"{place}: a name", MAX_LABEL)
                yield from _faults(item, f"{place}.{name[:MAX_LABEL]}", depth - 1)
        case list() | tuple():
            for number, item in enumerate(value):
                yield from _faults(item, f"{place}[{number}]", depth - 1)
        case str():
            yield from _text_faults(value, place, MAX_TEXT)
        case _:
            yield from _scalar_faults(value, place)


def _scalar_faults(value: Any, place: str) -> Iterator[str]:
    match value:
        case bool() | None:
            return
        case int():
            if abs(value) > _LARGEST_INTEGER:
                yield f"{place}: integers go up to 2^53 - 1; write it as text"
        case float():
            if not math.isfinite(value):
                yield f"{place}: is not a finite number"
        case _:
            yield f"{place}: is not a JSON value"


def _text_faults(text: str, place: str, most: int) -> Iterator[str]:
    try:
        require_text(place, text, most=most)
    except ValueError as error:
        yield str(error)

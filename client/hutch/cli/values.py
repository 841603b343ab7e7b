"""Values as people type them: attributes, spans of time, principals, dataset words."""

import json
import math
import re
from argparse import ArgumentTypeError
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from hutch.contract.wire.datasets import PrincipalKind

_SPAN: Final = re.compile(r"(\d{1,6})\s*([mhdw])")
_ID: Final = re.compile(r"[0-9a-f-]{8,36}", re.IGNORECASE)
_UNITS: Final = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


def assignment(text: str) -> tuple[tuple[str, ...], Any]:
    """Read ``key=value``.

    The value is JSON if it parses as such (``42``, ``true``, ``{"unit": "mm"}``) and
    text otherwise; to give text that looks like JSON, quote it: ``'"42"'``. Dots in
    the key go into nested objects. An empty value means: remove it (None).

    Raises:
        ArgumentTypeError: If there is no key.
    """
    key, equals, value = text.partition("=")
    steps = tuple(step.strip() for step in key.split("."))
    if not equals or not all(steps):
        raise ArgumentTypeError(f"{text!r}: write key=value, such as energy_keV=25.5")
    if not value:
        return steps, None
    try:
        return steps, json.loads(value, parse_constant=_not_json)
    except ValueError:
        return steps, value


def nested(
    assignments: Iterable[tuple[tuple[str, ...], Any]],
) -> dict[str, Any]:
    """Put assignments into one object, the later ones over the earlier.

    Raises:
        ArgumentTypeError: If one key is used as a value and as an object.
    """
    whole: dict[str, Any] = {}
    for steps, value in assignments:
        place = whole
        for step in steps[:-1]:
            inner = place.setdefault(step, {})
            if not isinstance(inner, dict):
                raise ArgumentTypeError(
                    f"{'.'.join(steps)}: {step!r} was given a value already"
                )
            place = inner
        place[steps[-1]] = value
    return whole


def without_removals(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what ``key=`` left: where nothing exists yet, nothing can be removed."""
    return {
        key: without_removals(value) if isinstance(value, dict) else value
        for key, value in attributes.items()
        if value is not None
    }


def changed(
    attributes: Mapping[str, Any],
    assignments: Iterable[tuple[tuple[str, ...], Any]],
) -> dict[str, Any]:
    """Work out what assignments make of the attributes that there are.

    Args:
        attributes: As they are now.
        assignments: As ``assignment`` read them; None removes.

    Returns:
        The attributes that change, whole; None stands for one that goes.

    Raises:
        ArgumentTypeError: If a dotted key leads into something that is no object.
    """
    changes: dict[str, Any] = {}
    for steps, value in assignments:
        first, *below = steps
        old = changes.get(first, attributes.get(first))
        changes[first] = _put(old, below, value, name=first)
    return changes


def expiry(text: str, *, now: datetime | None = None) -> datetime:
    """Read when something ends: ``30d``, ``12h``, ``90m``, ``2w``, or a date.

    A date without a time means the end of that day, UTC.

    Args:
        text: What was typed.
        now: From when a span counts; None means from now.

    Raises:
        ArgumentTypeError: If it is neither, or lies in the past.
    """
    now = now or datetime.now(UTC)
    if span := _SPAN.fullmatch(text.strip()):
        try:
            ends = now + int(span[1]) * _UNITS[span[2]]
        except OverflowError:
            raise ArgumentTypeError(f"{text!r} is too far away") from None
    else:
        ends = _moment(text)
    if ends <= now:
        raise ArgumentTypeError(f"{text!r} lies in the past")
    return ends


def principal(text: str) -> tuple[PrincipalKind, str]:
    """Read ``user:NAME`` or ``group:NAME``.

    Raises:
        ArgumentTypeError: If it is neither.
    """
    kind, colon, name = text.partition(":")
    if not colon or not name or kind not in set(PrincipalKind):
        raise ArgumentTypeError(f"{text!r}: write user:NAME or group:NAME")
    return PrincipalKind(kind), name


def positive(text: str) -> int:
    """Read a whole number of at least one.

    Raises:
        ArgumentTypeError: If it is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number of at least one")
    return int(text)


def seconds(text: str) -> float:
    """Read a number of seconds.

    Raises:
        ArgumentTypeError: If it is none, or not more than 0.
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds")
    return number


def is_id(text: str) -> bool:
    """Tell whether a word looks like an id or the beginning of one."""
    return _ID.fullmatch(text) is not None


def first_is_dataset(words: list[str], *, mark: str) -> tuple[str | None, list[str]]:
    """Split a dataset, which may be left out, from the words that follow it.

    Args:
        words: All words as typed.
        mark: A character that every following word has and no dataset's name has.
    """
    if words and mark not in words[0]:
        return words[0], words[1:]
    return None, words


def _put(old: Any, below: list[str], value: Any, *, name: str) -> Any:
    if not below:
        return value
    if old is not None and not isinstance(old, Mapping):
        raise ArgumentTypeError(f"{name!r} is a value; it has no {below[0]!r} in it")
    step, *rest = below
    new = dict(old or {})
    new[step] = _put(new.get(step), rest, value, name=f"{name}.{step}")
    return {key: kept for key, kept in new.items() if kept is not None}


def _moment(text: str) -> datetime:
    try:
        day = date.fromisoformat(text)
        return datetime.combine(day, time(23, 59, 59), UTC)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(
            f"{text!r}: write a span such as 30d, 12h or 90m, or a date such as "
            "2027-01-31"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _not_json(constant: str) -> Any:
    raise ValueError(constant)

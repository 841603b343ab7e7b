"""How values look to people: sizes, times, tables."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.cells import cell_len

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP: Final = 1024


def size(count: int) -> str:
    """Write a number of bytes in the unit in which it is short."""
    amount, unit = float(count), _UNITS[0]
    for unit in _UNITS:  # noqa: B007 - the unit at which the loop ends is the answer
        if amount < _STEP:
            break
        amount /= _STEP
    return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"


def count(number: int, one: str, many: str | None = None) -> str:
    """Write a number with its noun: ``1 file``, ``2,000 files``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def some(names: Sequence[str], *, most: int = 3) -> str:
    """Name the first ones: enough to recognise what it is about."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def moment(at: datetime | None) -> str:
    """Write a time in the reader's time zone; a dash for None."""
    return "-" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M")


def until(at: datetime, *, now: datetime | None = None) -> str:
    """Write when something ends, and how far away that is."""
    left = at - (now or datetime.now(UTC))
    if left <= timedelta(0):
        return f"{moment(at)} (expired)"
    if left < timedelta(hours=2):
        return f"{moment(at)} (in {int(left.total_seconds() // 60)} min)"
    if left < timedelta(days=2):
        return f"{moment(at)} (in {int(left.total_seconds() // 3600)} h)"
    return f"{moment(at)} (in {left.days} days)"


def sentence(words: str) -> str:
    """Make a sentence of a line of help."""
    return f"{words[:1].upper()}{words[1:]}."


def plain(value: Any) -> str:
    """Write an attribute's value: text as it is, the rest as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def flat(attributes: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Walk nested attributes as ``hutch set`` takes them: dotted keys."""
    for key, value in sorted(attributes.items()):
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, plain(value)


def table(
    rows: Iterable[Sequence[str]],
    *,
    head: Sequence[str] = (),
    right: frozenset[int] = frozenset(),
) -> Iterator[str]:
    """Align columns, without a frame: readable for people, and for ``awk``.

    Args:
        rows: The cells.
        head: Names of the columns; none for a list of pairs.
        right: Numbers of the columns that are aligned to the right.
    """
    cells = [tuple(head)] if head else []
    cells += [tuple(clean(cell, lines=False) for cell in row) for row in rows]
    if not cells:
        return
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (
            _pad(cell, width, right=number in right)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(padded).rstrip()


def clean(text: str, *, lines: bool = True) -> str:
    """Make text harmless: names and details come from others.

    A terminal obeys control characters, and characters that turn the direction of
    writing make a name look like another. They are shown and not sent.

    Args:
        text: Anything.
        lines: Let line breaks through.
    """
    return _OBEYED.sub(
        lambda found: (
            found[0]
            if lines and found[0] == "\n"
            else found[0].encode("unicode_escape", "backslashreplace").decode()
        ),
        text,
    )


def clean_json(document: str) -> str:
    """Make a JSON document harmless; it says the same."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


_OBEYED: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""Controls, line ends, halves of letters, directions."""


def _pad(cell: str, width: int, *, right: bool) -> str:
    blanks = " " * (width - cell_len(cell))
    return blanks + cell if right else cell + blanks

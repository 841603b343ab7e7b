"""Sections in the settings of other tools, such as ``~/.aws/config``.

The file is somebody else's: only the keys that are named change, and everything else
stays byte by byte: comments, order, line ends, other sections, keys added by hand.
"""

import os
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hutch.errors import ClientError

Values = Mapping[str, str | Mapping[str, str]]
"""Settings of a section; one that is a mapping stands indented below its key."""

_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")
_HEAD: Final = re.compile(r"\[([^\]\n]+)\]")
_KEY: Final = re.compile(r"([^\s#;=:\[][^=:\n]*?)[ \t]*[=:][ \t]*(.*)")
_NESTED: Final = re.compile(r"[ \t]+([^\s#;=:][^=:\n]*?)[ \t]*[=:][ \t]*(.*)")
_PRIVATE: Final = 0o600
_PRIVATE_DIRECTORY: Final = 0o700
_MODE: Final = 0o7777


@dataclass(frozen=True, slots=True)
class Section:
    """A section as it stands in a text.

    Attributes:
        words: What is between the brackets; quotes are taken off.
        begin: Number of its head's line.
        end: Number of the line after its last one.
    """

    words: tuple[str, ...]
    begin: int
    end: int


def sections(lines: list[str]) -> Iterator[Section]:
    """Find the sections of a text."""
    heads = [
        (number, found[1])
        for number, line in enumerate(lines)
        if (found := _HEAD.match(line))
    ]
    ends = [*(number for number, _ in heads), len(lines)][1:]
    for (number, name), end in zip(heads, ends, strict=True):
        yield Section(_words(name), number, end)


def lines_of(text: str) -> list[str]:
    """Cut a text into lines, each with its end."""
    return _LINE.findall(text)


def value_of(lines: list[str], section: Section, key: str) -> str | None:
    """Read one setting; None if it is not there."""
    for line in lines[section.begin + 1 : section.end]:
        if (found := _KEY.match(line)) and found[1] == key:
            return found[2].strip()
    return None


def put(text: str, words: tuple[str, ...], values: Values) -> str:
    """Set values in a section, which is added at the end if it is not there."""
    lines, end = lines_of(text), "\r\n" if "\r\n" in text else "\n"
    section = next((s for s in sections(lines) if s.words == words), None)
    if section is None:
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += end
        gap = [end] if lines and lines[-1].strip() else []
        lines += [*gap, f"[{' '.join(words)}]{end}"]
        section = Section(words, len(lines) - 1, len(lines))
    body = lines[section.begin + 1 : section.end]
    for key, value in values.items():
        _set(body, key, value, end)
    head = lines[section.begin]
    lines[section.begin] = head if head.endswith("\n") else head + end
    lines[section.begin + 1 : section.end] = body
    return "".join(lines)


def read(file: Path) -> str:
    """Read a file of settings; one that is not there is empty.

    Raises:
        ClientError: It cannot be read.
    """
    try:
        return file.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ClientError(f"{file} cannot be read: {error.strerror}.") from error


def write(file: Path, text: str) -> bool:
    """Replace a file of settings as a whole; links are followed, its mode is kept.

    Returns:
        Whether anything changed.

    Raises:
        ClientError: It cannot be written.
    """
    if read(file) == text:
        return False
    there = Path(os.path.realpath(file))
    try:
        there.parent.mkdir(mode=_PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        _replace(there, text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise ClientError(
            f"{file} cannot be written: {error.strerror}. Make it writable, or add the "
            "lines yourself"
        ) from error
    return True


def _replace(file: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(handle, "wb") as new:
            new.write(content)
            new.flush()
            os.fsync(new.fileno())
            if file.exists():
                found = file.stat()
                if (found.st_uid, found.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(new.fileno(), found.st_uid, found.st_gid)
                os.fchmod(new.fileno(), found.st_mode & _MODE)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _words(name: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(name))
    except ValueError:
        return (name,)


def _set(body: list[str], key: str, value: str | Mapping[str, str], end: str) -> None:
    """Set a key in the lines of a section, where it stands or after the last one."""
    founds = ((number, _KEY.match(line)) for number, line in enumerate(body))
    number, old = next(((n, m[2]) for n, m in founds if m and m[1] == key), (-1, None))
    if old is None:
        number = _after_last(body)
        _insert(body, number, f"{key} ={end}", end)
    if isinstance(value, str):
        if old is None or old.strip() != value:
            body[number] = f"{key} = {value}{end}"
        return
    for below, wanted in value.items():
        _set_below(body, number + 1, below, wanted, end)


def _set_below(body: list[str], first: int, key: str, value: str, end: str) -> None:
    number = first
    while number < len(body) and (found := _NESTED.match(body[number])):
        if found[1] == key:
            if found[2].strip() != value:
                body[number] = f"  {key} = {value}{end}"
            return
        number += 1
    _insert(body, number, f"  {key} = {value}{end}", end)


def _insert(body: list[str], number: int, line: str, end: str) -> None:
    if number and not body[number - 1].endswith("\n"):
        body[number - 1] += end
    body.insert(number, line)


def _after_last(body: list[str]) -> int:
    """Find the end of the settings: what follows may be about the next section."""
    for number in range(len(body), 0, -1):
        line = body[number - 1]
        if line.strip() and not line.startswith(("#", ";")):
            return number
    return 0

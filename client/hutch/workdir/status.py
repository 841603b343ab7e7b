"""What changed in a working directory since it was last synchronised."""

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from hutch.contract.paths import ancestors
from hutch.errors import UnreadableFileError, WorkdirBusyError
from hutch.models import Problem
from hutch.workdir.directory import Workdir, locked
from hutch.workdir.journal import Entry, Journal, open_journal
from hutch.workdir.pairs import paired
from hutch.workdir.walk import Fault, Found, Stamp, look, walk

NOTE_AT: Final = 1_000
"""Entries that are noted together."""


@dataclass(frozen=True, slots=True)
class Status:
    """How the files here differ from those last synchronised.

    Attributes:
        new: Paths that the dataset did not have.
        changed: Paths whose content is another one.
        deleted: Paths that are gone here.
        unchanged: Number of files that are as they were.
        problems: What cannot be pushed, or could not be looked at.
    """

    new: tuple[str, ...]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]
    unchanged: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Sight:
    """A file here beside its entry in the journal; one of the two may lack.

    Attributes:
        found: The file; None if it is gone here.
        entry: As it was last synchronised; None if it is new.
        is_same: The content is that of the entry.
        is_renewed: It was read again to tell: the entry has its present stamp.
    """

    path: str
    found: Found | None = None
    entry: Entry | None = None
    is_same: bool = False
    is_renewed: bool = False


def read_status(workdir: Workdir, *, checksum: bool = False) -> Status:
    """Compare the files of a working directory with its journal.

    The server is not asked: what others did meanwhile shows at pull or push.

    Args:
        workdir: The working directory.
        checksum: Read every file again instead of trusting size and times.
    """
    new, changed, deleted, problems = [], [], [], []
    renewed: list[Entry] = []
    unchanged = 0
    with open_journal(workdir) as journal:
        for seen in survey(workdir.root, journal.entries(), checksum=checksum):
            match seen:
                case Fault(path=path, error=error):
                    problems.append(Problem(path, error))
                case Sight(is_same=True, entry=entry):
                    unchanged += 1
                    if seen.is_renewed and entry is not None:
                        renewed.append(entry)
                case Sight(found=None):
                    deleted.append(seen.path)
                case Sight(entry=None):
                    new.append(seen.path)
                case _:
                    changed.append(seen.path)
        _renew(workdir, journal, renewed)
    return Status(
        new=tuple(new),
        changed=tuple(changed),
        deleted=tuple(deleted),
        unchanged=unchanged,
        problems=tuple(problems),
    )


def survey(
    root: Path, entries: Iterable[Entry], *, checksum: bool = False
) -> Iterator[Sight | Fault]:
    """Look at all files and compare them with the journal's entries.

    Args:
        root: The working directory.
        entries: The journal's, in the order of their paths' bytes.
        checksum: Read every file again instead of trusting size and times.

    Yields:
        What is here or was, in the order of the paths; with a fault, what could not
        be looked at, before all that lies below it.
    """
    for item, entry in _beside(root, entries):
        if item is None:
            if entry is not None:
                yield Sight(entry.path, entry=entry)
        elif isinstance(item, Fault):
            yield item
        else:
            yield _compared(root, item, entry, checksum=checksum)


def survey_paths(
    root: Path, journal: Journal, paths: Iterable[str]
) -> Iterator[Sight | Fault]:
    """Look at some files and compare them with the journal's entries.

    Args:
        root: The working directory.
        journal: Of the working directory.
        paths: Relative paths; where nothing is, nothing is seen.
    """
    for path in paths:
        item = look(root, path)
        if isinstance(item, Fault):
            yield item
        elif item is not None:
            yield _compared(root, item, journal.entry(path))


def remembered(
    journal: Journal, seen: Iterable[Sight | Fault]
) -> Iterator[Sight | Fault]:
    """Hand sights on, noting those that had to be read to tell, some at a time."""
    renewed: list[Entry] = []
    for sight in seen:
        if isinstance(sight, Sight) and sight.is_renewed and sight.entry is not None:
            renewed.append(sight.entry)
        if len(renewed) >= NOTE_AT:
            journal.record(renewed)
            renewed = []
        yield sight
    journal.record(renewed)


def deleted(root: Path, entries: Iterable[Entry]) -> Iterator[Entry]:
    """List the entries whose file is gone, without reading any file."""
    for item, entry in _beside(root, entries):
        if item is None and entry is not None:
            yield entry


def _beside(
    root: Path, entries: Iterable[Entry]
) -> Iterator[tuple[Found | Fault | None, Entry | None]]:
    """Put files and entries side by side.

    What lies below an unreadable directory, or below a link that took a directory's
    place, is not known to be gone; taking it for deleted could delete it for all.
    """
    hidden: set[str] = set()
    items = walk(root)
    first = next(items, None)
    if isinstance(first, Fault) and first.path == ".":
        yield first, None
        return
    # A fault is shown under a path that never sorts after its place in the walk, so
    # that it is met before what it hides.
    rest = chain([first] if first else [], items)
    for item, entry in paired(rest, entries):
        if isinstance(item, Fault):
            hidden.add(item.path)
        if item is not None or entry is None or not _is_hidden(entry.path, hidden):
            yield item, entry


def _is_hidden(path: str, hidden: set[str]) -> bool:
    return bool(hidden) and not hidden.isdisjoint(ancestors(path))


def _compared(
    root: Path, item: Found, entry: Entry | None, *, checksum: bool = False
) -> Sight | Fault:
    """Compare a file with its entry, by its content where the stamps do not tell."""
    if entry is None:
        return Sight(item.path, found=item)
    if entry.trusts(item.stamp) and not checksum:
        return Sight(item.path, found=item, entry=entry, is_same=True)
    if item.stamp.size != entry.stamp.size:
        return Sight(item.path, found=item, entry=entry)
    now_ns = time.time_ns()
    try:
        sha256 = read_sha256(root, item)
    except UnreadableFileError as e:
        return Fault(item.path, e)
    if sha256 != entry.sha256:
        return Sight(item.path, found=item, entry=entry)
    renewed = entry.renewed(item.stamp, now_ns=now_ns)
    return Sight(item.path, found=item, entry=renewed, is_same=True, is_renewed=True)


def read_sha256(root: Path, item: Found) -> str | None:
    """Read a file that was found; None means that it has changed since.

    Raises:
        UnreadableFileError: If it cannot be read.
    """
    try:
        handle = os.open(root / item.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            before = Stamp.of(os.fstat(handle))
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            after = Stamp.of(os.fstat(handle))
    except OSError as e:
        raise UnreadableFileError(
            f"{item.path!r} cannot be read: {e.strerror}.", path=item.path
        ) from e
    return sha256 if before == after == item.stamp else None


def _renew(workdir: Workdir, journal: Journal, entries: Iterable[Entry]) -> None:
    """Remember what was read again, unless somebody is at work here."""
    renewed = list(entries)
    if not renewed:
        return
    try:
        with locked(workdir):
            journal.record(renewed)
    except WorkdirBusyError:
        return

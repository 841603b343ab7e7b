"""What changed in a working directory since it was last synchronised."""

import hashlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hutch.contract.paths import ancestors
from hutch.errors import UnreadableFileError, WorkdirBusyError
from hutch.models import Problem
from hutch.workdir.directory import Workdir, locked
from hutch.workdir.journal import Entry, Journal, open_journal
from hutch.workdir.walk import Fault, Found, Stamp, walk


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


@dataclass(slots=True)
class Survey:
    """Files here beside those of the journal; each list is in the order of paths.

    Attributes:
        new: Files that the journal does not know.
        changed: Files whose content differs from the journal's.
        same: Files that are as the journal says.
        deleted: Entries whose file is gone here.
        renewed: Entries whose file was read again and is the same.
        faults: What could not be looked at.
    """

    new: list[Found] = field(default_factory=list)
    changed: list[tuple[Found, Entry]] = field(default_factory=list)
    same: list[Entry] = field(default_factory=list)
    deleted: list[Entry] = field(default_factory=list)
    renewed: list[Entry] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def read_status(workdir: Workdir, *, checksum: bool = False) -> Status:
    """Compare the files of a working directory with its journal.

    The server is not asked: what others did meanwhile shows at pull or push.

    Args:
        workdir: The working directory.
        checksum: Read every file again instead of trusting size and times.
    """
    with open_journal(workdir) as journal:
        seen = survey(workdir.root, journal.entries(), checksum=checksum)
        _renew(workdir, journal, seen.renewed)
    return Status(
        new=tuple(f.path for f in seen.new),
        changed=tuple(f.path for f, _ in seen.changed),
        deleted=tuple(e.path for e in seen.deleted),
        unchanged=len(seen.same),
        problems=tuple(Problem(f.path, f.error) for f in seen.faults),
    )


def survey(root: Path, entries: dict[str, Entry], *, checksum: bool = False) -> Survey:
    """Look at all files and compare them with the journal's entries.

    Args:
        root: The working directory.
        entries: The journal's, in the order of their paths' bytes.
        checksum: Read every file again instead of trusting size and times.
    """
    seen = Survey()
    found: set[str] = set()
    for item in walk(root):
        found.add(item.path)
        if isinstance(item, Fault):
            seen.faults.append(item)
        elif (entry := entries.get(item.path)) is None:
            seen.new.append(item)
        else:
            _compare(root, item, entry, seen, checksum=checksum)
    hidden = {f.path for f in seen.faults}
    seen.deleted += [
        e for path, e in entries.items() if path not in found and _seen(path, hidden)
    ]
    return seen


def _compare(
    root: Path, item: Found, entry: Entry, seen: Survey, *, checksum: bool
) -> None:
    if entry.trusts(item.stamp) and not checksum:
        seen.same.append(entry)
        return
    if item.stamp.size != entry.stamp.size:
        seen.changed.append((item, entry))
        return
    now_ns = time.time_ns()
    try:
        sha256 = read_sha256(root, item)
    except UnreadableFileError as e:
        seen.faults.append(Fault(item.path, e))
        return
    if sha256 == entry.sha256:
        renewed = entry.renewed(item.stamp, now_ns=now_ns)
        seen.same.append(renewed)
        seen.renewed.append(renewed)
    else:
        seen.changed.append((item, entry))


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


def _seen(path: str, hidden: set[str]) -> bool:
    """Tell whether a path's absence was really seen.

    What lies below an unreadable directory, or below a link that took a directory's
    place, is not known to be gone; taking it for deleted could delete it for all.
    """
    return "." not in hidden and hidden.isdisjoint(ancestors(path))


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

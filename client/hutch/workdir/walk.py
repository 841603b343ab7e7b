"""Walk a working directory, in the order in which a manifest has its lines."""

import os
import stat as modes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from hutch.contract.paths import MAX_DEPTH, WORKDIR, PathError, ancestors, parse
from hutch.contract.problems import HutchError
from hutch.errors import UnreadableFileError, UnsupportedFileError

_HIDDEN: Final = WORKDIR.encode()
_KINDS: Final = {
    modes.S_IFLNK: "a symbolic link",
    modes.S_IFSOCK: "a socket",
    modes.S_IFIFO: "a pipe",
    modes.S_IFBLK: "a device",
    modes.S_IFCHR: "a device",
}


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells, without reading it, that a file is still the same.

    Attributes:
        size: Length in bytes.
        mtime_ns: Last change of the content, in nanoseconds since 1970.
        ctime_ns: Last change of content or properties; nobody can set it back.
        inode: Tells a file from another that took its name.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Self:
        """Take what matters from a ``stat``."""
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


@dataclass(frozen=True, slots=True)
class Found:
    """A file that may travel."""

    path: str
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that cannot travel; what lies below it was not looked at.

    Attributes:
        path: Relative path, fit to be shown.
        error: What is wrong, and what to do.
    """

    path: str
    error: HutchError


def walk(root: Path) -> Iterator[Found | Fault]:
    """Find all files of a working directory, sorted by the bytes of their paths.

    Symbolic links are not followed. A fault does not keep the rest from being found.
    """
    yield from _walk(os.fsencode(root), b"")


def look(root: Path, path: str) -> Found | Fault | None:
    """Look at one file by its relative path, as a walk would find it.

    None means that there is none, as where a directory on the way has become a link.
    """
    place, stat = os.fsencode(path), None
    try:
        for part in (*ancestors(path), path):
            if stat is not None and not modes.S_ISDIR(stat.st_mode):
                return None
            stat = os.lstat(root / part)
    except FileNotFoundError:
        return None
    except OSError as e:
        return _unreadable(place, e)
    if stat is None or modes.S_ISDIR(stat.st_mode):
        return None
    return _look(place, stat)


def _walk(directory: bytes, prefix: bytes) -> Iterator[Found | Fault]:
    try:
        with os.scandir(directory) as entries:
            # Names and no more: a directory may hold a million.
            names = sorted(map(_key, entries))
    except OSError as e:
        yield _unreadable(prefix.rstrip(b"/") or b".", e)
        return
    above = directory + b"/"
    for key in names:
        name = key.rstrip(b"/")
        if not prefix and name == _HIDDEN:
            continue
        path = prefix + name
        try:
            stat = os.lstat(above + name)
        except FileNotFoundError:
            continue  # gone since the directory was read: as if never seen
        except OSError as e:
            yield _unreadable(path, e)
            continue
        if modes.S_ISDIR(stat.st_mode) and path.count(b"/") >= MAX_DEPTH:
            yield _unsupported(path, f"lies more than {MAX_DEPTH} directories deep")
        elif modes.S_ISDIR(stat.st_mode):
            yield from _walk(above + name, path + b"/")
        else:
            yield _look(path, stat)


def _key(entry: os.DirEntry[bytes]) -> bytes:
    # A directory sorts as its files do, whose paths go on with a slash.
    is_directory = entry.is_dir(follow_symlinks=False)
    return entry.name + b"/" if is_directory else entry.name


def _look(path: bytes, stat: os.stat_result) -> Found | Fault:
    if not modes.S_ISREG(stat.st_mode):
        kind = _KINDS.get(modes.S_IFMT(stat.st_mode), "no ordinary file")
        return _unsupported(
            path, f"is {kind}; only files and directories can be pushed"
        )
    try:
        return Found(parse(os.fsdecode(path)), Stamp.of(stat))
    except PathError as e:
        return _unsupported(path, f"{e.reason}; rename it to push it")


def _unsupported(path: bytes, reason: str) -> Fault:
    shown = shown_path(path)
    return Fault(shown, UnsupportedFileError(f"{shown!r} {reason}.", path=shown))


def _unreadable(path: bytes, cause: OSError) -> Fault:
    shown = shown_path(path)
    return Fault(
        shown,
        UnreadableFileError(f"{shown!r} cannot be read: {cause.strerror}.", path=shown),
    )


def shown_path(path: bytes) -> str:
    """Write a path so that it can be shown, whatever its bytes."""
    return path.decode("utf-8", "backslashreplace")

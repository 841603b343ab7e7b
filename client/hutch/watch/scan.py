"""Find all files below a directory, as it fills."""

import os
import stat as modes
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from hutch.contract.paths import MAX_DEPTH, WORKDIR, PathError, parse
from hutch.errors import UnreadableFileError, UnsupportedFileError
from hutch.workdir.walk import Fault, Found, Stamp, shown_path

Enter = Callable[[str], bool]


def scan(
    root: Path, below: str, enter: Enter
) -> Iterator[tuple[str, os.stat_result] | Fault]:
    """Find all files below a directory, in no particular order.

    Unlike a walk it holds no list of a directory, and tells of each before it reads
    it: what comes into the directory meanwhile can be noticed otherwise.

    Args:
        root: The working directory.
        below: Relative path of the directory; empty for the root.
        enter: Is told each directory's relative path; False leaves it out.

    Yields:
        The path of each file and what the system says of it, for ``judged``.
    """
    waiting = [below]
    while waiting:
        directory = waiting.pop()
        if not enter(directory):
            continue
        try:
            with os.scandir(root / directory) as entries:
                for entry in entries:
                    path = f"{directory}/{entry.name}" if directory else entry.name
                    if not entry.is_dir(follow_symlinks=False):
                        with suppress(FileNotFoundError):  # gone since it was seen
                            yield path, entry.stat(follow_symlinks=False)
                    elif is_ours(path):
                        waiting.append(path)
        except FileNotFoundError:
            continue
        except OSError as e:
            yield _unreadable(directory or ".", e)


def is_ours(path: str) -> bool:
    """Tell whether a directory is looked into."""
    return path != WORKDIR and path.count("/") < MAX_DEPTH


def judged(path: str, stat: os.stat_result) -> Found | Fault:
    """Say whether a file may travel."""
    if not modes.S_ISREG(stat.st_mode):
        return _unsupported(
            path, "is no ordinary file; only files and directories can be pushed"
        )
    try:
        return Found(parse(path), Stamp.of(stat))
    except PathError as e:
        return _unsupported(path, f"{e.reason}; rename it to push it")


def _unsupported(path: str, reason: str) -> Fault:
    shown = shown_path(os.fsencode(path))
    return Fault(shown, UnsupportedFileError(f"{shown!r} {reason}.", path=shown))


def _unreadable(path: str, cause: OSError) -> Fault:
    shown = shown_path(os.fsencode(path))
    return Fault(
        shown,
        UnreadableFileError(f"{shown!r} cannot be read: {cause.strerror}.", path=shown),
    )

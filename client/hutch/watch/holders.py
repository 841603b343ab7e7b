"""Which files some process holds open for writing.

Asked is ``/proc``: of the processes of other users only root is told. A file that was
mapped into memory for writing counts as open, though its descriptor may be closed.
"""

import os
import stat as modes
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from hutch.workdir.walk import Found

_PROC: Final = "/proc"
_INODE: Final = "ino:"
_SHARED_AND_WRITABLE: Final = "rw-s"


def held_open(root: Path, files: Iterable[Found]) -> list[str]:
    """Choose the files that a process which can be seen has open for writing.

    Args:
        root: The working directory.
        files: Files in it, as they were found.

    Returns:
        Their paths, in the given order.
    """
    by_inode: dict[int, list[str]] = {}
    for found in files:
        by_inode.setdefault(found.stamp.inode, []).append(found.path)
    if not by_inode:
        return []
    held = {
        path
        for inode, holder in _holders(by_inode)
        for path in by_inode[inode]
        if _is_same(holder, root / path)
    }
    return [path for paths in by_inode.values() for path in paths if path in held]


def _holders(wanted: Iterable[int]) -> Iterator[tuple[int, str]]:
    """List inodes that are open for writing, each with a path that leads to it."""
    inodes = set(wanted)
    for pid in os.listdir(_PROC):  # noqa: PTH208 - names are enough
        if pid.isdecimal():
            # It may end meanwhile, or belong to somebody else.
            with suppress(OSError):
                yield from _descriptors(pid, inodes)
            with suppress(OSError):
                yield from _mappings(pid, inodes)


def _descriptors(pid: str, inodes: set[int]) -> Iterator[tuple[int, str]]:
    for name in os.listdir(f"{_PROC}/{pid}/fd"):  # noqa: PTH208 - names are enough
        link = f"{_PROC}/{pid}/fd/{name}"
        with suppress(OSError):
            # The link itself has the rights with which the file was opened.
            if not os.lstat(link).st_mode & modes.S_IWUSR:
                continue
            if not os.readlink(link).startswith("/"):  # noqa: PTH115 - not all are paths
                continue
            # Followed is only a link that may be ours: another one may lead to a
            # server that hangs.
            known = _inode_of(f"{_PROC}/{pid}/fdinfo/{name}")
            if known is None or known in inodes:
                inode = os.stat(link).st_ino  # noqa: PTH116 - no path, a descriptor
                if inode in inodes:
                    yield inode, link


def _inode_of(info: str) -> int | None:
    """Read the inode of a descriptor; None if the kernel, before 5.14, hides it."""
    with Path(info).open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            if line.startswith(_INODE):
                return int(line[len(_INODE) :])
    return None


def _mappings(pid: str, inodes: set[int]) -> Iterator[tuple[int, str]]:
    with Path(f"{_PROC}/{pid}/maps").open(errors="surrogateescape") as lines:
        for line in lines:
            if _SHARED_AND_WRITABLE not in line:
                continue
            _, rights, _, _, inode, *place = line.rstrip("\n").split(maxsplit=5)
            if rights == _SHARED_AND_WRITABLE and int(inode) in inodes and place:
                yield int(inode), f"{_PROC}/{pid}/root{place[0]}"


def _is_same(holder: str, file: Path) -> bool:
    """Tell whether both are one file: an inode's number is not unique to a disk."""
    try:
        there, here = os.stat(holder), file.lstat()  # noqa: PTH116 - a descriptor
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)

"""Placing files that were fetched: whole, and never over one that is there."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from hutch.contract.problems import ConflictError


def require_free(directory: Path, names: Iterable[str]) -> None:
    """Make a directory, and see that nothing in it is in the way.

    Raises:
        ConflictError: If something is.
        OSError: If it cannot be made.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        if os.path.lexists(directory / name):
            raise _in_the_way(directory / name)


def place(file: Path, data: bytes) -> None:
    """Write a file: all of it or none.

    Raises:
        ConflictError: If there is one by now.
        OSError: If it cannot be written.
    """
    making = file.with_name(f".{file.name}.{uuid4().hex[:8]}")
    try:
        making.write_bytes(data)
        _name(making, file)
    finally:
        making.unlink(missing_ok=True)


def _name(making: Path, file: Path) -> None:
    """Give a file its name: a link is refused where a rename would replace."""
    with suppress(PermissionError):
        try:
            file.hardlink_to(making)
        except FileExistsError:
            raise _in_the_way(file) from None
        return
    # Some file systems have no links.
    if os.path.lexists(file):
        raise _in_the_way(file)
    making.rename(file)


def _in_the_way(file: Path) -> ConflictError:
    return ConflictError(
        f"{str(file)!r} is in the way; nothing is overwritten. Move it, or name "
        "another directory",
        path=str(file),
    )

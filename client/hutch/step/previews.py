"""Sending previews: a few small files, each looked at before it is believed."""

import os
import stat as modes
from collections.abc import Iterator
from pathlib import Path

from hutch.client import Client
from hutch.contract.wire.previews import (
    MAX_BYTES,
    MAX_PREVIEWS,
    media_type_of,
    require_length,
)
from hutch.step.rejecting import RejectedError


def send_previews(client: Client, output: Path) -> None:
    """Send what a program left as previews, in the order of their names.

    Raises:
        RejectedError: A file cannot be one, or there are none or too many.
        HutchError: The server refused one, or is away.
    """
    for name, data in read_previews(output):
        client.previews.put(name, data)


def read_previews(output: Path) -> Iterator[tuple[str, bytes]]:
    """Read what a program left; no link is followed, and nothing is waited for.

    Yields:
        Names and what they hold, in the order of the names.

    Raises:
        RejectedError: With the first thing that is wrong.
    """
    try:
        directory = os.open(output, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise RejectedError(f"the output cannot be read: {error.strerror}") from error
    try:
        for name in _names(directory):
            yield name, _read(name, directory)
    finally:
        os.close(directory)


def _names(directory: int) -> list[str]:
    names = sorted(_listed(directory))
    if not names:
        raise RejectedError("it left no previews")
    for name in names:
        try:
            media_type_of(name)
        except ValueError as error:
            raise RejectedError(str(error)) from None
    return names


def _listed(directory: int) -> Iterator[str]:
    with os.scandir(directory) as entries:
        for number, entry in enumerate(entries, start=1):
            if number > MAX_PREVIEWS:
                raise RejectedError(
                    f"it left more than {MAX_PREVIEWS} previews, as many as are allowed"
                )
            yield entry.name


def _read(name: str, directory: int) -> bytes:
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        file = os.open(name, flags, dir_fd=directory)
    except OSError as error:
        raise RejectedError(f"{name} cannot be read: {error.strerror}") from error
    found = os.fstat(file)
    if not modes.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(file)  # of a directory Python makes no file
        raise RejectedError(f"{name} is no ordinary file of its own")
    with os.fdopen(file, "rb") as opened:
        data = opened.read(MAX_BYTES + 1)
    try:
        require_length(len(data))
    except ValueError as error:
        raise RejectedError(f"{name}: {error}") from None
    return data

"""How much lies below a directory, whoever has filled it."""

import errno
import os
import sys
from contextlib import suppress
from typing import Final

_LEAST: Final = 4_096
"""Bytes that a file or directory counts at least."""


def size_of(directory: str) -> int:
    """Add up what the files below a directory take on the disk.

    One that holds nothing counts as well: there is no end of names otherwise.
    """
    total, ahead = 0, [directory]
    while ahead:
        try:
            with os.scandir(ahead.pop()) as entries:
                for entry in entries:
                    # One that is gone meanwhile must not hide those after it.
                    with suppress(FileNotFoundError):
                        taken = entry.stat(follow_symlinks=False).st_blocks * 512
                        total += max(taken, _LEAST)
                    if entry.is_dir(follow_symlinks=False):
                        ahead.append(entry.path)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return sys.maxsize  # nobody can say what lies that deep
            continue  # gone meanwhile, or not for this process to see
    return total

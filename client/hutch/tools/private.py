"""A directory that is this user's alone: keys and locks lie there.

``$XDG_CACHE_HOME/hutch/s3``, ``~/.cache/hutch/s3`` by default.
"""

import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hutch.errors import ClientError

_PRIVATE: Final = 0o700
_OF_OTHERS: Final = 0o077


def location(environ: Mapping[str, str] = os.environ) -> Path:
    """Say where it is."""
    home = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "hutch" / "s3"


@contextmanager
def prepared(environ: Mapping[str, str]) -> Iterator[Path]:
    """Make the directory, which nobody else may look into, for what is done there.

    Raises:
        ClientError: It cannot be made or used.
    """
    place = location(environ)
    try:
        place.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        found = place.stat(follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise PermissionError(0, "it belongs to somebody else, or is a link")
        if found.st_mode & _OF_OTHERS:
            place.chmod(_PRIVATE)
        yield place
    except OSError as error:
        raise ClientError(
            f"keys cannot be kept in {place}: {error.strerror or error}. Set "
            "XDG_CACHE_HOME to a directory of yours"
        ) from error


@contextmanager
def locked(place: Path, name: str) -> Iterator[None]:
    """Let one process of this user at a time do something."""
    with (place / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

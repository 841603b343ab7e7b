"""hutch's errors as those who use file systems know them."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from hutch.contract.problems import (
    DeletedError,
    ForbiddenError,
    HutchError,
    NotFoundError,
    UnauthenticatedError,
)
from hutch.errors import NotLoggedInError

_ABSENT = (NotFoundError, DeletedError)
_REFUSED = (ForbiddenError, UnauthenticatedError, NotLoggedInError)


@contextmanager
def told(path: str) -> Iterator[None]:
    """Raise errors of hutch as ``told_as`` has them."""
    try:
        yield
    except HutchError as e:
        if (known := told_as(path, e)) is e:
            raise
        raise known from e


def told_as(path: str, error: HutchError) -> Exception:
    """Give the error that a user of a file system expects.

    What has no counterpart stays as it is, such as a ``FileChangedError``: it must not
    be taken for one that trying again would heal.
    """
    known: OSError
    if isinstance(error, _ABSENT):
        known = FileNotFoundError(errno.ENOENT, error.detail, path)
    elif isinstance(error, _REFUSED):
        known = PermissionError(errno.EACCES, error.detail, path)
    else:
        return error
    known.__cause__ = error
    return known


def is_directory(path: str) -> IsADirectoryError:
    """Make the error of a directory that somebody reads as a file."""
    return IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)


def read_only(path: str) -> OSError:
    """Make the error of whoever wants to change something."""
    return OSError(
        errno.EROFS,
        "hutch:// is read-only; files get into a dataset by 'hutch push'",
        path,
    )

"""Where a page of a listing begins."""

from typing import Final

_LAST: Final = "\U0010ffff"
"""Sorts after all that a path may hold."""
_DOTS: Final = frozenset({".", ".."})
_SURROGATES: Final = range(0xD800, 0xE000)


def before(key: str) -> str:
    """Make a marker after which a listing begins with ``key`` itself.

    S3's markers are exclusive. This one sorts before ``key``, and nothing that a
    path may hold lies between.
    """
    start, code = key[:-1], ord(key[-1]) - 1
    if code in _SURROGATES:
        code = _SURROGATES.start - 1
    elif chr(code) == "/" and start.rpartition("/")[2].strip() in _DOTS:
        code -= 1  # MinIO refuses "./" in a marker, and no path has that
    return start + chr(code) + _LAST

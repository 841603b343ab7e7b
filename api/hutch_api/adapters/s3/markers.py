"""Where a page of a listing begins."""

from typing import Final

_LAST: Final = "\U0010ffff"
"""Sorts after all that a path may hold."""
_SURROGATES: Final = range(0xD800, 0xE000)


def before(key: str) -> str:
    """Make a marker after which a listing begins with ``key`` itself.

    S3's markers are exclusive. This one sorts before ``key``, and nothing that a
    path may hold lies between.
    """
    code = ord(key[-1]) - 1
    if code in _SURROGATES:
        code = _SURROGATES.start - 1
    return key[:-1] + chr(code) + _LAST

"""Listing a store that walks through directories: SeaweedFS 4.48.

It keeps the versions of a key ``a/img`` in a directory ``a/img.versions`` and
collects a page in the order of a walk over directories. Then it sorts the page by
key and takes the last key as the marker of the next page. What the walk would have
reached later, but has a smaller key, is in no page: of 34 versions below ``a``,
``a/f``, ``a b``, ``a.b`` … pages of three show 19. A page that is not cut is right.

So a tree that does not fit into one page is listed level by level here, and each cut
page is completed. Let *top* be the last entry of a page in the order of the walk;
what the page lacks comes later in the walk. If it also has a smaller key than an
entry of the page, then by comparing the names character by character either

- it is a key whose name is a beginning of top's name (``img`` beside ``img.0001``):
  these are few, and each is asked for by the name of its directory; or
- the entry is a directory ``m/`` where top begins with ``m``, and the lacking one
  lies between ``m`` and ``m/`` (``m b``): such a directory waits for a later page.
  It is kept here, because the store passes over it once the marker is beyond ``m``.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from hutch_api.adapters.s3.markers import before
from hutch_api.ports.objects import Version

if TYPE_CHECKING:
    from hutch_api.adapters.s3.listing import Lister

_SUFFIX: Final = ".versions"
"""What SeaweedFS appends to a key to name the directory of its versions."""

Level = dict[str, list[Version]]
"""The entries of a level by key; a directory ends in a slash and has no versions."""


def walk(lister: "Lister", prefix: str, *, first: str | None) -> Iterator[Version]:
    """List versions and delete markers in the order of their keys.

    Args:
        lister: Asks for pages.
        prefix: A directory with a slash at its end, or any start of names.
        first: Begin at this key (included), which has the prefix; None means the
            first there is.
    """
    at, waiting = "", set[str]()
    if first is not None:
        name = first.removeprefix(prefix).partition("/")[0]
        at = before(prefix + name)
        # Passed over in the same way, if they exist at all.
        waiting = {f"{key}/" for key in _beginnings(prefix, name) if f"{key}/" > at}
    while True:
        page = lister.fetch(prefix, at=(at, ""), level=True)
        level: Level = {key: [] for key in page.directories}
        for row in page.rows:
            if row.key.startswith(prefix):  # else only its directory's name does
                level.setdefault(row.key, []).append(row)
        if page.next is not None:
            waiting |= _hidden(prefix, level, after=at)
            level, waiting = _completed(lister, prefix, level, waiting, after=at)
        else:
            level |= {key: [] for key in waiting}
        for key in sorted(level):
            yield from _entry(lister, key, level[key], first=first)
        if page.next is None:
            return
        at = max(level, default=at)


def _entry(
    lister: "Lister", key: str, rows: list[Version], *, first: str | None
) -> Iterator[Version]:
    if not key.endswith("/"):
        if first is None or key >= first:
            yield from rows
    elif first is not None and first.startswith(key) and first != key:
        yield from walk(lister, key, first=first)
    elif first is None or key >= first:
        yield from lister.versions(key)


def _hidden(prefix: str, level: Level, *, after: str) -> set[str]:
    """Name the directories that a cut page may hide, whether or not they exist.

    The store drops the last key that it collected, and passes over a directory ``m``
    once the marker is beyond ``m``.
    """
    top = max(level, key=_place)
    return {
        f"{key}/"
        for key in _beginnings(prefix, top)
        if f"{key}/" > after and _is_cut(key, _place(top))
    }


def _completed(
    lister: "Lister", prefix: str, level: Level, waiting: set[str], *, after: str
) -> tuple[Level, set[str]]:
    """Make a cut page one that lacks nothing up to its last entry.

    Args:
        lister: Asks for what is lacking.
        prefix: The level's.
        level: What the store gave.
        waiting: Directories that earlier pages left.
        after: The key after which the page begins.

    Returns:
        The entries, and the directories that have to wait.
    """
    top = max(level, key=_place)
    place = _place(top)
    whole = {**{key: [] for key in waiting}, **level}
    waiting = {key for key in whole if key.endswith("/") and _is_cut(key[:-1], place)}
    kept = {key: rows for key, rows in whole.items() if key not in waiting}
    last = max(kept)
    if len(kept) > 1 and not last.endswith("/"):
        del kept[last]  # more of its versions may follow; the next page has them all
        end = last
    else:
        end = last + "\0"
    for key in _beginnings(prefix, top):
        if after < key < end and _place(key) >= place:
            rows = list(_exactly(lister, key))
            if rows:
                kept[key] = rows
    return kept, waiting


def _place(key: str) -> str:
    """Give the name under which the walk meets an entry."""
    return key[:-1] if key.endswith("/") else key + _SUFFIX


def _is_cut(directory: str, place: str) -> bool:
    """Tell whether the walk may still meet names between ``m`` and ``m/``."""
    return place.startswith(directory) and place[len(directory) :][:1] < "/"


def _beginnings(prefix: str, key: str) -> Iterable[str]:
    name = key.removeprefix(prefix).removesuffix("/")
    return (prefix + name[:length] for length in range(1, len(name) + 1))


def _exactly(lister: "Lister", key: str) -> Iterator[Version]:
    """List the versions of one key, by the directory they lie in."""
    at: tuple[str, str] | None = ("", "")
    while at is not None:
        page = lister.fetch(f"{key}{_SUFFIX}/", at=at)
        yield from (row for row in page.rows if row.key == key)
        at = page.next

"""What is known of the files of one dataset, asked for as little as possible.

The server gives files in the order of their paths, after any text: one file is found
by asking for what follows its predecessor, and a directory is listed by going past
each of its subdirectories in one step. So nothing here costs as much as the dataset is
large, unless everything below a directory is wanted.
"""

import threading
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from hutch.client import Client
from hutch.contract import paths
from hutch.contract.wire.transfer import FileOut, FilePage
from hutch.errors import CorruptDataError

PAGE: Final = 1_000
"""The most that a page may have."""
FIRST_PAGE: Final = 100
"""Most directories have fewer entries; what follows may lie in a large subdirectory."""
MOST: Final = 200_000
"""Files that are remembered, some 100 MB; then it begins anew."""
AHEAD: Final = 100
"""Most neighbours that are fetched along with a file: whoever reads one after the other
then asks once for many."""
LAST: Final = "\U0010ffff"
"""Follows every character that a path may have, and is none itself."""


@dataclass(frozen=True, slots=True)
class Directory:
    """What lies directly in a directory, in the order of names."""

    files: tuple[FileOut, ...]
    directories: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is no such directory: one is there by its files alone."""
        return not self.files and not self.directories


class Listing:
    """Files of a dataset as they are at one revision.

    An answer of another revision ends what was known: it is asked for anew.
    """

    def __init__(self, client: Client, dataset: UUID) -> None:
        self._client, self._dataset = client, dataset
        self._lock = threading.RLock()
        self._revision: int | None = None
        self._files: dict[str, FileOut | None] = {}
        self._directories: dict[str, Directory] = {}
        self._deeper: dict[str, bool] = {}
        self._order: list[str] | None = None
        self._ahead = 1

    def note(self, revision: int) -> None:
        """Take the revision that somebody was told."""
        with self._lock:
            if self._revision != revision:
                self.forget()
                self._revision = revision

    def forget(self) -> None:
        """Ask for everything anew."""
        with self._lock:
            self._files.clear()
            self._directories.clear()
            self._deeper.clear()
            self._order = None

    def find(self, wanted: Iterable[str]) -> Mapping[str, FileOut | None]:
        """Find files by their paths, neighbours together.

        Args:
            wanted: Paths that a dataset may have.

        Returns:
            Each by its path; None if there is no such file.
        """
        with self._lock:
            found = {path: self._files.get(path) for path in wanted}
            todo = deque(sorted(p for p in found if p not in self._files))
            while todo:
                limit = PAGE if len(todo) > 1 else self._ahead
                self._ahead = min(AHEAD, self._ahead * 2)
                page = self._page(before(todo[0]), limit)
                here = {file.path: file for file in page.items}
                last = page.items[-1].path if page.next and page.items else LAST
                while todo and todo[0] <= last:
                    path = todo.popleft()
                    found[path] = self._files[path] = here.get(path)
                    self._look_below(path, list(here), last)
        return found

    def following(self, path: str, most: int) -> list[FileOut]:
        """Give files that are known and come next in the order of paths."""
        with self._lock:
            if self._order is None:
                self._order = sorted(p for p, file in self._files.items() if file)
            begin = bisect_right(self._order, path)
            near = (self._files[p] for p in self._order[begin : begin + most])
            return [file for file in near if file is not None]

    def is_directory(self, path: str) -> bool:
        """Tell whether any file lies below a path."""
        with self._lock:
            if path in self._directories:
                return not self._directories[path].is_empty
            if path not in self._deeper:
                page = self._page(f"{path}/", 1)
                self._look_below(path, [file.path for file in page.items], LAST)
            return self._deeper[path]

    def directory(self, path: str) -> Directory:
        """List what lies directly in a directory; the dataset's own path is empty."""
        with self._lock:
            if path not in self._directories:
                made, revision = self._list(path), self._revision
                self._directories[path] = made
                if revision != self._revision:  # it changed between two pages
                    del self._directories[path]
                return made
            return self._directories[path]

    def below(self, path: str) -> Iterator[FileOut]:
        """Walk all files below a directory, page by page."""
        prefix = f"{path}/" if path else ""
        after: str | None = prefix or None
        limit = FIRST_PAGE
        while True:
            page = self._page(after, limit)
            for file in page.items:
                if not file.path.startswith(prefix):
                    return
                yield file
            after, limit = page.next, PAGE
            if after is None:
                return

    def _look_below(self, path: str, listed: list[str], last: str) -> None:
        """Note what a page tells of a directory, if it goes so far.

        Args:
            path: Perhaps a directory.
            listed: All there is up to ``last``, in order, from before the path.
            last: How far the page goes.
        """
        at = bisect_left(listed, f"{path}/")
        if at < len(listed):
            self._deeper[path] = listed[at].startswith(f"{path}/")
        elif last > f"{path}/{LAST}":
            self._deeper[path] = False

    def _list(self, path: str) -> Directory:
        prefix = f"{path}/" if path else ""
        files, directories = list[FileOut](), dict[str, None]()
        after: str | None = prefix or None
        limit = FIRST_PAGE
        while True:
            page, inside = self._page(after, limit), ""
            for file in page.items:
                if not file.path.startswith(prefix):
                    return Directory(tuple(files), tuple(directories))
                inside, is_deeper, _ = file.path[len(prefix) :].partition("/")
                if is_deeper:
                    directories[inside] = None
                else:
                    files.append(file)
                    inside = ""
            if page.next is None:
                return Directory(tuple(files), tuple(directories))
            # What else lies in this subdirectory is not asked for.
            after = f"{prefix}{inside}/{LAST}" if inside else page.next
            limit = PAGE

    def _page(self, after: str | None, limit: int) -> FilePage:
        with self._lock:
            page = self._client.files.page(self._dataset, after=after, limit=limit)
            self.note(page.revision)
            if len(self._files) >= MOST:
                self.forget()
            for file in page.items:
                _require_fit(file.path)
                self._files[file.path] = file
            self._order = None
        return page


def before(path: str) -> str:
    """Give a text that a path follows, with no other path in between."""
    last = ord(path[-1])
    # Neither half of a surrogate pair nor a control character may be sent; no path
    # has one either.
    lower = {0xE000: 0xD7FF, ord(" "): ord("\n")}.get(last, last - 1)
    return f"{path[:-1]}{chr(lower)}{LAST}"


def _require_fit(path: str) -> None:
    """Take no name from a server that ``fs.get`` could not write safely."""
    try:
        paths.parse(path)
    except paths.PathError as e:
        raise CorruptDataError(
            f"The server lists what no dataset may hold: {e}. Tell the facility.",
            path=path,
        ) from e

"""Compare what the store lists with what a dataset pins.

A close and a sweep both rest on it. Both sides come sorted by the bytes of the path,
so that one pass with little memory sees everything.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import Final, Protocol
from uuid import UUID

from hutch_api.domain.layout import path_of
from hutch_api.ports.objects import Version


class Oddity(StrEnum):
    """How a key differs from the manifest."""

    ADDED = "added"
    """There is an object that the dataset does not know."""
    OVERWRITTEN = "overwritten"
    """Over the pinned version lies another one."""
    DELETED = "deleted"
    """Over the pinned version lies a delete marker."""
    MISSING = "missing"
    """The pinned version is not there."""
    HIDDEN = "hidden"
    """The pinned version is not listed because a foreign object lies above it."""
    BURIED = "buried"
    """Foreign versions that no reader gets, because they lie below the pinned one."""
    MARKED = "marked"
    """Others' delete marker lies where the dataset has nothing; whatever lies below the
    marker was deleted. On MinIO it still hides what lies below the key."""


NAMED: Final = 100
"""Most differences that are told one by one; the others are counted."""
BATCH: Final = 1_000
"""Versions that are deleted at a time."""
TELL_EVERY: Final = 5_000
"""Each time is a transaction that waits for the disk."""
PASSES: Final = 20
"""So often a listing that still shows too much is gone through again."""


class Pinned(Protocol):
    """A file in the version that a dataset pins."""

    @property
    def path(self) -> str:
        """Its path."""
        ...

    @property
    def version(self) -> str:
        """Its version in the store."""
        ...


@dataclass(frozen=True, slots=True)
class Difference:
    """A key at which store and manifest differ.

    Attributes:
        base: The version that is pinned there; None if the path is not known.
        foreign: The versions there that are not hutch's, the newest first.
    """

    path: str
    oddity: Oddity
    base: str | None = None
    foreign: tuple[Version, ...] = ()


@dataclass(slots=True)
class Comparison:
    """What a pass over a dataset's listing found; it stays small.

    Attributes:
        differences: The first of those that are left.
        marked: The first of those that are only marked as deleted, and are left.
        counts: How many keys differ in which way, and are left.
        taken: How many keys differed in which way, and were taken away.
        removed: How many versions were taken away.
        removed_paths: The first paths where that was done, ``NAMED`` at most.
    """

    differences: list[Difference] = field(default_factory=list)
    marked: list[Difference] = field(default_factory=list)
    counts: Counter[Oddity] = field(default_factory=Counter)
    taken: Counter[Oddity] = field(default_factory=Counter)
    removed: int = 0
    removed_paths: list[str] = field(default_factory=list)


class _Pass:
    """One pass: where it is, and what it has not yet taken away."""

    def __init__(
        self,
        *,
        is_dead: Callable[[str, Version], bool],
        takes: Collection[Oddity],
        remove: Callable[[Sequence[Version]], None],
        named: int,
    ) -> None:
        self.result = Comparison()
        self._is_dead, self._takes, self._remove = is_dead, takes, remove
        self._named = named
        self._waiting: list[Version] = []
        self._added: list[str] = []

    def key(self, path: str, file: Pinned | None, rows: Sequence[Version]) -> None:
        """Compare what is listed of a key with what is pinned there."""
        foreign: list[Version] = []
        above = 0  # foreign versions that lie over the pinned one
        held = False
        for row in rows:
            if file is not None and row.version == file.version and not row.is_marker:
                held, above = True, len(foreign)
            elif self._is_dead(path, row):
                self._take(path, [row])
            else:
                foreign.append(row)
        if file is not None and not held:
            self._note(path, Oddity.MISSING, foreign, file)
        elif above:
            marked = foreign[0].is_marker
            oddity = Oddity.DELETED if marked else Oddity.OVERWRITTEN
            self._note(path, oddity, foreign, file)
        elif file is None and foreign and not foreign[0].is_marker:
            self._added = [*self._near(path), path]
            self._note(path, Oddity.ADDED, foreign)
        elif foreign:
            oddity = Oddity.MARKED if file is None else Oddity.BURIED
            self._note(path, oddity, foreign)

    def absent(self, file: Pinned) -> None:
        """Tell what is gone from what only hides below a foreign object (MinIO)."""
        hidden = any(file.path.startswith(f"{above}/") for above in self._added)
        self._note(file.path, Oddity.HIDDEN if hidden else Oddity.MISSING, (), file)

    def end(self) -> None:
        """Take away what still waits for it."""
        self._remove(self._waiting)
        self._waiting = []

    def _near(self, path: str) -> list[str]:
        """Keep those added objects below which a path from here on may lie."""
        return [added for added in self._added if path < f"{added}0"]  # after "/"

    def _note(
        self,
        path: str,
        oddity: Oddity,
        foreign: Sequence[Version],
        file: Pinned | None = None,
    ) -> None:
        if oddity in self._takes and foreign:
            self.result.taken[oddity] += 1
            self._take(path, foreign)
            if oddity is not Oddity.MISSING:
                return
        if oddity is Oddity.BURIED:
            return
        told = self.result.marked
        if oddity is not Oddity.MARKED:
            self.result.counts[oddity] += 1
            told = self.result.differences
        if len(told) < self._named:
            base = None if file is None else file.version
            told.append(Difference(path, oddity, base, tuple(foreign)))

    def _take(self, path: str, versions: Sequence[Version]) -> None:
        named = self.result.removed_paths
        if len(named) < NAMED and path not in named[-1:]:
            named.append(path)
        self._waiting += versions
        self.result.removed += len(versions)
        if len(self._waiting) >= BATCH:
            self.end()


def compare(
    dataset: UUID,
    files: Iterable[Pinned],
    listed: Iterable[Version],
    *,
    is_dead: Callable[[str, Version], bool],
    remove: Callable[[Sequence[Version]], None],
    takes: Collection[Oddity] = (),
    named: int = NAMED,
    tell: Callable[[int], None] = lambda _: None,
) -> Comparison:
    """Compare a listing with a manifest, and take away what may go.

    Args:
        dataset: Whose they are.
        files: The manifest, in the order of the paths' bytes.
        listed: All versions under the dataset's prefix, sorted by key.
        is_dead: Tells of a version that is not pinned whether it is ours and has no
            use any more; such a version goes without asking.
        remove: Deletes versions; called with a batch now and then.
        takes: In which cases the foreign versions of a key go as well.
        named: Most differences to tell one by one.
        tell: Called now and then with the number of files compared.
    """
    run = _Pass(is_dead=is_dead, takes=takes, remove=remove, named=named)
    pinned = iter(files)
    file = next(pinned, None)
    compared = 0
    for seen, (path, rows) in enumerate(_by_path(dataset, listed), 1):
        while file is not None and file.path < path:
            run.absent(file)
            file = next(pinned, None)
        own = file if file is not None and file.path == path else None
        run.key(path, own, rows)
        if own is not None:
            file = next(pinned, None)
            compared += 1
        if seen % TELL_EVERY == 0:
            tell(compared)
    while file is not None:
        run.absent(file)
        file = next(pinned, None)
    run.end()
    return run.result


def _by_path(
    dataset: UUID, listed: Iterable[Version]
) -> Iterator[tuple[str, list[Version]]]:
    for key, rows in groupby(listed, key=lambda v: v.key):
        yield path_of(dataset, key), list(rows)

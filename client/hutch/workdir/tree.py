"""Write into a working directory without ever following a link in it.

Every directory on the way is opened relative to the one above, as a directory and
not as a link; a file is complete before it gets its name.
"""

import errno
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from hutch.contract.paths import WORKDIR, RelativePath
from hutch.errors import LocalChangesError, LocalFileError, UnreadableFileError
from hutch.workdir.directory import unfit
from hutch.workdir.disk import Disk
from hutch.workdir.drafts import Draft
from hutch.workdir.walk import Stamp

TEMPORARY: Final = "tmp"
TOGETHER: Final = 4
"""Files, or directories, from which on all are brought to the disk by one call."""
SYNCING: Final = 8
"""Files that are brought there at a time where that call cannot be used."""
_NO_DIRECTORY: Final = frozenset({errno.ENOTDIR, errno.ELOOP})
"""What the system says of a file or a link."""
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Placing:
    """A draft that is complete.

    Attributes:
        path: Where it goes; missing directories are made.
        expected: What may be replaced; None means that nothing may be there.
        mtime_ns: Time of last change that it gets, in nanoseconds since 1970.
    """

    draft: Draft
    path: RelativePath
    expected: Stamp | None
    mtime_ns: int


class Tree:
    """The files of a working directory, for writing; usable from several threads."""

    def __init__(self, root: Path) -> None:
        with ExitStack() as opened:
            try:
                self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                opened.callback(os.close, self._root)
                hidden = os.open(WORKDIR, _DIRECTORY, dir_fd=self._root)
                try:
                    with suppress(FileExistsError):
                        os.mkdir(TEMPORARY, dir_fd=hidden)
                    self._temporary = os.open(TEMPORARY, _DIRECTORY, dir_fd=hidden)
                finally:
                    os.close(hidden)
                opened.callback(os.close, self._temporary)
                self.sweep()
            except OSError as e:
                raise unfit(root, e) from e
            self._opened = opened.pop_all()
        self._disk = Disk(self._temporary)
        self._left: set[tuple[str, ...]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        with self._opened:
            self.sweep()

    def sweep(self) -> None:
        """Remove what interrupted runs left; the directory's lock must be held."""
        for name in os.listdir(self._temporary):  # noqa: PTH208 - by descriptor
            with suppress(OSError):
                os.unlink(name, dir_fd=self._temporary)

    def draft(self, size: int) -> Draft:
        """Begin a file of ``size`` bytes.

        Raises:
            OSError: If it cannot be made, as when there is no room for it.
        """
        return Draft(self._temporary, secrets.token_hex(16), size)

    def place(self, files: Sequence[Placing]) -> list[Stamp | LocalFileError]:
        """Give complete drafts their paths, safely on the disk.

        Their bytes are on the disk before the first of them gets its name, and the
        names before this returns: whoever notes them afterwards never notes what a
        power cut could take away. Many together cost little more than one.

        Returns:
            For each the stamp of the file in its place, or why it is not there: what
            was in the way is left alone.
        """
        outcomes: list[Stamp | LocalFileError] = []
        faults = self._synchronised(files)
        with ExitStack() as opened:
            parents: dict[str, int] = {}
            for file, fault in zip(files, faults, strict=True):
                try:
                    outcomes.append(fault or self._place(file, parents, opened))
                except LocalFileError as e:
                    outcomes.append(e)
                except OSError as e:
                    outcomes.append(unwritable(file.path, e))
            if len(parents) < TOGETHER or not self._disk.sync_all():
                for handle in parents.values():
                    # Where a directory cannot be synchronised, it need not be.
                    with suppress(OSError):
                        os.fsync(handle)
        return outcomes

    def _synchronised(
        self, files: Sequence[Placing]
    ) -> list[UnreadableFileError | None]:
        """Bring files to the disk; gives why each of them is not there."""
        faults = [_fault(file, _date) for file in files]
        if len(files) < TOGETHER:
            return [
                fault or _fault(file, _sync)
                for file, fault in zip(files, faults, strict=True)
            ]
        if self._disk.sync_all():
            return faults
        # Begun together and awaited several at a time, they share what the disk does.
        for file in files:
            file.draft.flush()
        with ThreadPoolExecutor(SYNCING) as pool:
            later = list(pool.map(lambda file: _fault(file, _sync), files))
        return [one or other for one, other in zip(faults, later, strict=True)]

    def _place(
        self, file: Placing, parents: dict[str, int], opened: ExitStack
    ) -> Stamp:
        directory, _, last = file.path.rpartition("/")
        if directory not in parents:
            above = directory.split("/") if directory else []
            parents[directory] = opened.enter_context(
                self._parent(file.path, above, make=True)
            )
        parent = parents[directory]
        _require(parent, last, file.path, file.expected)
        try:
            os.rename(
                file.draft.name, last, src_dir_fd=self._temporary, dst_dir_fd=parent
            )
        except IsADirectoryError as e:  # made since, for another file
            raise _in_the_way(file.path) from e
        file.draft.is_placed = True
        return Stamp.of(os.fstat(file.draft.handle))

    def remove(self, path: str, *, expected: Stamp) -> None:
        """Remove a file; ``prune`` removes the directories that this leaves empty.

        Raises:
            FileNotFoundError: If it is gone already.
            LocalChangesError: If it is not what was expected; it is left alone.
        """
        *above, last = path.split("/")
        with self._parent(path, above, make=False) as parent:
            _require(parent, last, path, expected)
            os.unlink(last, dir_fd=parent)
        if above:
            self._left.add(tuple(above))

    def prune(self) -> None:
        """Remove directories that were left empty, when nobody places files."""
        while self._left:
            path = max(self._left, key=len)
            self._left.discard(path)
            *above, last = path
            try:
                with self._parent("/".join(path), above, make=False) as parent:
                    os.rmdir(last, dir_fd=parent)
            except (OSError, LocalChangesError):
                continue  # not empty: it stays, and so does all above it
            if above:
                self._left.add(tuple(above))

    @contextmanager
    def _parent(self, path: str, above: list[str], *, make: bool) -> Iterator[int]:
        handle = os.dup(self._root)
        try:
            for segment in above:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(segment, dir_fd=handle)
                try:
                    below = os.open(segment, _DIRECTORY, dir_fd=handle)
                except OSError as e:
                    if e.errno not in _NO_DIRECTORY:
                        raise
                    raise _blocked(path, segment) from e
                os.close(handle)
                handle = below
            yield handle
        finally:
            os.close(handle)


def _date(file: Placing) -> None:
    file.draft.date(file.mtime_ns)


def _sync(file: Placing) -> None:
    file.draft.sync()


def _fault(
    file: Placing, done: Callable[[Placing], None]
) -> UnreadableFileError | None:
    """Do something with a file; gives why it cannot be done."""
    try:
        done(file)
    except OSError as e:
        return unwritable(file.path, e)
    return None


def _require(parent: int, name: str, path: str, expected: Stamp | None) -> None:
    try:
        here = Stamp.of(os.stat(name, dir_fd=parent, follow_symlinks=False))
    except FileNotFoundError:
        here = None
    # What was expected and is gone needs no protection.
    if here is not None and here != expected:
        raise _in_the_way(path)


def _in_the_way(path: str) -> LocalChangesError:
    return LocalChangesError(
        f"{path!r} is in the way or was changed here, and is left as it is. Move it "
        "away and pull again.",
        path=path,
    )


def _blocked(path: str, segment: str) -> LocalChangesError:
    return LocalChangesError(
        f"{path!r} cannot be written: {segment!r} is no directory here. Move it away "
        "and pull again.",
        path=path,
    )


def unwritable(path: str, cause: OSError) -> UnreadableFileError:
    """Make the error of a file that cannot be written here."""
    return UnreadableFileError(
        f"{path!r} cannot be written: {cause.strerror or cause}. Make it possible, "
        "then run this again.",
        path=path,
    )

"""``pull`` and ``clone``: fetch a dataset into a working directory."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from hutch.client import Client
from hutch.contract.paths import (
    WORKDIR,
    PathError,
    RelativePath,
    ancestors,
    fold,
    parse,
)
from hutch.contract.problems import FileChangedError, HutchError
from hutch.contract.wire.datasets import DatasetOut
from hutch.contract.wire.transfer import FileOut
from hutch.errors import (
    CorruptDataError,
    LocalChangesError,
    ServerAnswerError,
    WorkdirError,
)
from hutch.models import Problem, PullReport
from hutch.progress import Moved, Settled, Tell, ignore, one_by_one, planned
from hutch.transfer import downloads, pipeline
from hutch.transfer.downloads import Arrival, Fetcher, Incoming, Placement, entry_of
from hutch.workdir.directory import (
    Workdir,
    is_bound,
    locked,
    make_workdir,
    open_workdir,
    write_config,
)
from hutch.workdir.journal import Entry, Journal, open_journal
from hutch.workdir.pairs import paired
from hutch.workdir.patterns import chooser
from hutch.workdir.status import Sight, read_sha256, remembered, survey
from hutch.workdir.tree import Tree, unwritable
from hutch.workdir.walk import Fault, Found

ROUNDS: Final = 3
"""What others replace during the fetch is listed again; somebody who never stops
pushing is not waited for."""


def pull(
    workdir: Workdir,
    client: Client,
    *,
    restore: bool = False,
    jobs: int | None = None,
    tell: Tell = ignore,
) -> PullReport:
    """Fetch what changed in the dataset of a working directory.

    A file that was changed here is never overwritten or removed: it is reported as
    ``LocalChangesError`` and the others go on.

    Args:
        workdir: The working directory.
        client: Logged in to the server of the working directory.
        restore: Also fetch what was deleted here.
        jobs: Transfers at a time; None means as many as are found to be good.
        tell: Is told what happens, one event at a time.

    Raises:
        WorkdirBusyError: If another process works in the directory.
        HutchError: Whatever stops the pull as a whole.
    """
    told = one_by_one(tell)
    with (
        locked(workdir),
        open_journal(workdir) as journal,
        Tree(workdir.root) as tree,
    ):
        fetcher = downloads.start(
            client,
            workdir.dataset,
            moved=lambda path, count: told(Moved(path, count)),
            jobs=jobs,
        )
        work = _Pull(workdir, journal, tree, fetcher, told, restore=restore)
        try:
            return work.run()
        finally:
            fetcher.close()


def clone(
    client: Client,
    dataset: DatasetOut,
    directory: Path,
    *,
    include: Sequence[str] = (),
    jobs: int | None = None,
    tell: Tell = ignore,
) -> PullReport:
    """Fetch a dataset into a new working directory.

    Args:
        client: Logged in to the server.
        dataset: As ``client.find`` gave it.
        directory: Is made if needed; must be empty, or hold an unfinished clone of
            the same dataset, which is then continued.
        include: Only paths that match one of these patterns (``*`` and ``?`` stop
            at a slash, ``**`` does not; without a slash they match in every
            directory); empty means all.
        jobs: Transfers at a time; None means as many as are found to be good.
        tell: Is told what happens, one event at a time.

    Raises:
        WorkdirError: If the directory holds something else.
        HutchError: Whatever stops the clone as a whole.
    """
    workdir, report = begin_clone(
        client, dataset, directory, include=include, jobs=jobs, tell=tell
    )
    if not report.problems and not workdir.config.complete:
        write_config(Workdir(workdir.root, replace(workdir.config, complete=True)))
    return report


def begin_clone(
    client: Client,
    dataset: DatasetOut,
    directory: Path,
    *,
    include: Sequence[str] = (),
    jobs: int | None = None,
    tell: Tell = ignore,
) -> tuple[Workdir, PullReport]:
    """Do as ``clone`` does, but leave the clone unfinished, to be continued.

    For those who have more to do before it is whole.
    """
    workdir = _prepare(client, dataset, directory, tuple(include))
    return workdir, pull(workdir, client, restore=True, jobs=jobs, tell=tell)


def _prepare(
    client: Client, dataset: DatasetOut, directory: Path, include: tuple[str, ...]
) -> Workdir:
    if is_bound(directory):
        workdir = open_workdir(directory)
        same = (workdir.dataset, workdir.server) == (dataset.id, client.url)
        if same and workdir.config.include == include and not workdir.config.complete:
            return workdir
        raise WorkdirError(
            f"{directory} is a working directory already. Use 'hutch pull' there, or "
            "clone into another directory."
        )
    try:
        occupied = directory.exists() and any(
            path.name != WORKDIR for path in directory.iterdir()
        )
    except OSError as e:
        raise WorkdirError(f"{directory} cannot be used: {e.strerror}.") from e
    if occupied:
        raise WorkdirError(
            f"{directory} is not empty. Clone into a new or an empty directory."
        )
    return make_workdir(
        directory,
        dataset=dataset.id,
        server=client.url,
        include=include,
        complete=False,
    )


@dataclass(slots=True)
class _Pull:
    workdir: Workdir
    journal: Journal
    tree: Tree
    fetcher: Fetcher
    tell: Tell
    restore: bool = field(kw_only=True)
    fetched: int = 0
    bytes: int = 0
    removed: int = 0
    unchanged: int = 0
    absent: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    again: list[Arrival] = field(default_factory=list)

    def run(self) -> PullReport:
        for chance in range(1, ROUNDS + 1):
            self._round(first=chance == 1, last=chance == ROUNDS)
            if not self.again:
                break
        files = self.fetcher.client.files
        last = files.page(self.workdir.dataset, limit=1)
        self.fetcher.revisions.add(last.revision)
        return PullReport(
            fetched=self.fetched,
            bytes=self.bytes,
            removed=self.removed,
            absent=tuple(self.absent),
            unchanged=self.unchanged,
            problems=tuple(self.problems),
            moved=len(self.fetcher.revisions) > 1,
        )

    def _round(self, *, first: bool, last: bool) -> None:
        """Go through both sides and fetch what differs."""
        self.unchanged, self.absent, self.problems = -self.fetched, [], []
        self.again = []
        work = planned(
            self._wanted(), lambda i: i.file.size, self.tell if first else ignore
        )
        with pipeline.ahead(work) as wanted:
            pipeline.run(
                pipeline.batches(
                    wanted, lambda i: i.file.size, first_files=pipeline.FIRST_FILES
                ),
                Placement(self.fetcher, self.tree, self.journal).drive,
                take=self._settle_all if last else self._take,
                stop=self.fetcher.stop,
            )
        self.tree.prune()

    def _wanted(self) -> Iterator[Incoming]:
        """Choose what to fetch, and remove here what is gone in the dataset."""
        chosen = chooser(self.workdir.config.include)
        blocked: set[str] = set()
        gone: list[str] = []
        here = survey(self.workdir.root, self.journal.entries())
        for file, seen in paired(self._remote(), remembered(self.journal, here)):
            if isinstance(seen, Fault):
                blocked.add(seen.path)
            if file is None:
                entry = seen.entry if isinstance(seen, Sight) else None
                if entry is not None and self._remove(entry):
                    gone.append(entry.path)
                continue
            sight = seen if isinstance(seen, Sight) else Sight(file.path)
            # What was pushed from here belongs here, whatever the clone was limited to.
            if sight.entry is None and not chosen(file.path):
                continue
            if not blocked.isdisjoint([file.path, *ancestors(file.path)]):
                self._conflict(file.path, "something that is no file is in its place")
                continue
            item = self._decide(file, sight)
            if item is not None:
                yield item
        self.journal.forget(gone)  # last: those that were read again are noted late

    def _remote(self) -> Iterator[FileOut]:
        """List the files of the dataset that may be written here.

        A server may lie: a path that leads elsewhere, or onto another file on a disk
        that ignores case, is refused here as it is at push.
        """
        folds: set[int] = set()
        before: str | None = None
        for page in self.fetcher.client.files.pages(self.workdir.dataset):
            self.fetcher.revisions.add(page.revision)
            for file in page.items:
                # Beside those here, one that comes too late would be taken for gone.
                if before is not None and file.path <= before:
                    raise ServerAnswerError(
                        f"The server named {file.path!r} after {before!r}: its list "
                        "is not in order."
                    )
                before = file.path
                try:
                    # Its hash: a million of them take less than their texts would.
                    folded = hash(fold(parse(file.path)))
                except PathError as e:
                    self._refuse(file.path, f"{e}; it is not written")
                    continue
                if folded in folds:
                    self._refuse(
                        file.path,
                        f"{file.path!r} differs from another path only in case; it is "
                        "not written",
                    )
                    continue
                folds.add(folded)
                yield file

    def _refuse(self, path: str, reason: str) -> None:
        error = CorruptDataError(f"The server named a file that cannot be: {reason}.")
        self.problems.append(Problem(path, error))

    def _decide(self, file: FileOut, sight: Sight) -> Incoming | None:
        """Choose what to do with a file; None means that there is nothing to fetch."""
        path = RelativePath(file.path)  # it was checked when it was listed
        entry, mine = sight.entry, sight.found
        if entry is not None and entry.version == file.version:
            if mine is not None:
                self.unchanged += 1
                return None
            if not self.restore:
                self.absent.append(path)
                return None
            return Incoming(path, file)
        if mine is None or sight.is_same:
            return Incoming(path, file, mine.stamp if mine else None)
        if self._is_equal(file, mine):
            self.unchanged += 1
        else:
            self._conflict(path, "it was changed here as well as in the dataset")
        return None

    def _is_equal(self, file: FileOut, mine: Found) -> bool:
        """Take a local file for synchronised if it holds what the dataset holds."""
        now_ns = time.time_ns()
        if mine.stamp.size != file.size:
            return False
        try:
            if read_sha256(self.workdir.root, mine) != file.sha256:
                return False
        except HutchError:
            return False
        self.journal.record([entry_of(file, mine.stamp, now_ns=now_ns)])
        return True

    def _remove(self, entry: Entry) -> bool:
        """Remove here what is gone in the dataset, if it was not changed here."""
        try:
            self.tree.remove(entry.path, expected=entry.stamp)
            self.removed += 1
        except FileNotFoundError:
            pass
        except LocalChangesError:
            self._conflict(entry.path, "it is gone in the dataset, but changed here")
            return False
        except OSError as e:
            self.problems.append(Problem(entry.path, unwritable(entry.path, e)))
            return False
        return True

    def _conflict(self, path: str, reason: str) -> None:
        error = LocalChangesError(
            f"{path!r} is left as it is: {reason}. Rename your copy and pull again, or "
            "push it with --force.",
            path=path,
        )
        self.problems.append(Problem(path, error))

    def _take(self, arrivals: Iterable[Arrival]) -> None:
        """Settle what arrived, or failed for good.

        What others replaced is listed again; a file that met a directory may find
        its place free once all that is gone in the dataset was removed.
        """
        for arrival in arrivals:
            if isinstance(arrival.error, FileChangedError | LocalChangesError):
                self.again.append(arrival)
            else:
                self._settle(arrival)

    def _settle_all(self, arrivals: Iterable[Arrival]) -> None:
        for arrival in arrivals:
            self._settle(arrival)

    def _settle(self, arrival: Arrival) -> None:
        path = arrival.item.path
        if arrival.error is not None:
            self.problems.append(Problem(path, arrival.error))
        else:
            self.fetched += 1
            self.bytes += arrival.item.file.size
        self.tell(Settled(path, arrival.error))

"""``verify``: recompute what the dataset says of itself."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from hutch.client import Client
from hutch.contract.problems import HutchError
from hutch.contract.wire.datasets import DatasetOut, State
from hutch.contract.wire.transfer import Confirmation, ConfirmationsIn, FileOut
from hutch.errors import CorruptDataError, LocalChangesError
from hutch.models import Problem, VerifyReport
from hutch.progress import (
    Moved,
    Planned,
    Settled,
    Tell,
    ignore,
    one_by_one,
    planned,
)
from hutch.transfer import downloads, pipeline
from hutch.transfer.downloads import Fetcher, hash_file
from hutch.transfer.engine import HASHERS
from hutch.transfer.source import hash_whole
from hutch.workdir.directory import Workdir
from hutch.workdir.journal import Journal, open_journal
from hutch.workdir.pairs import paired
from hutch.workdir.patterns import chooser
from hutch.workdir.walk import Found, walk


def verify_workdir(
    workdir: Workdir, client: Client, *, jobs: int | None = None, tell: Tell = ignore
) -> VerifyReport:
    """Read all files of a working directory again and compare with the dataset.

    Args:
        workdir: The working directory.
        client: Logged in to the server of the working directory.
        jobs: Files at a time; None means one for each core, at most four.
        tell: Is told what happens, one event at a time.

    Raises:
        HutchError: Whatever stops it as a whole.
    """
    with (
        open_journal(workdir) as journal,
        ThreadPoolExecutor(jobs or HASHERS) as pool,
    ):
        check = _LocalCheck(workdir, journal, pool, one_by_one(tell))
        pairs = planned(
            check.pairs(client), lambda pair: pair[1].stamp.size, check.tell
        )
        with pipeline.ahead(pairs) as known:
            pipeline.run(
                pipeline.batches(known, lambda pair: pair[1].stamp.size),
                check.drive,
                take=check.problems.extend,
                stop=check.stopped.set,
            )
    return VerifyReport(
        files=check.files,
        bytes=check.bytes,
        confirmed=0,
        problems=tuple(sorted(check.problems, key=lambda p: p.path.encode())),
    )


@dataclass(slots=True)
class _LocalCheck:
    workdir: Workdir
    journal: Journal
    pool: ThreadPoolExecutor
    tell: Tell
    files: int = 0
    bytes: int = 0
    problems: list[Problem] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def pairs(self, client: Client) -> Iterator[tuple[FileOut, Found]]:
        """Bring each file of the dataset together with the one here."""
        chosen = chooser(self.workdir.config.include)
        here = (i for i in walk(self.workdir.root) if isinstance(i, Found))
        for file, found in paired(client.files.iterate(self.workdir.dataset), here):
            if file is not None and found is not None:
                self.files, self.bytes = self.files + 1, self.bytes + found.stamp.size
                yield file, found
            elif file is None and found is not None:
                self._differs(found.path, "is here, but not in the dataset")
            elif file is not None and chosen(file.path):
                self._differs(file.path, "is in the dataset, but not here")

    def _differs(self, path: str, how: str) -> None:
        self.problems.append(_differs(path, how))

    def drive(self, batch: Sequence[tuple[FileOut, Found]]) -> list[Problem]:
        """Compare a batch of files, and tell which are not the same."""
        futures = [self.pool.submit(self.compare, *pair) for pair in batch]
        return [p for f in as_completed(futures) if (p := f.result()) is not None]

    def compare(self, file: FileOut, found: Found) -> Problem | None:
        """Read a file and compare its sum with that of the dataset."""
        problem: Problem | None = None
        try:
            sums = hash_whole(self.workdir.root, found, stopped=self.stopped)
        except HutchError as e:
            problem = Problem(found.path, e)
        else:
            self.tell(Moved(found.path, found.stamp.size))
            if sums.sha256 != file.sha256:
                problem = self._explain(file, found)
        self.tell(Settled(found.path, problem.error if problem else None))
        return problem

    def _explain(self, file: FileOut, found: Found) -> Problem:
        entry = self.journal.entry(found.path)
        untouched = entry is not None and entry.trusts(found.stamp)
        if untouched and entry is not None and entry.version == file.version:
            error = CorruptDataError(
                f"{found.path!r} has other bytes than the dataset, although nothing "
                "wrote to it: the disk may be failing. Remove it, then run "
                "'hutch pull --restore'.",
                path=found.path,
            )
            return Problem(found.path, error)
        return _differs(found.path, "has other bytes here than in the dataset")


def verify_dataset(
    client: Client,
    dataset: DatasetOut,
    *,
    jobs: int | None = None,
    tell: Tell = ignore,
) -> VerifyReport:
    """Fetch all files of a dataset, hash them, and confirm what is as recorded.

    Nothing is written to the disk. Only files of closed datasets become confirmed.

    Args:
        client: Logged in to the server.
        dataset: As ``client.find`` gave it.
        jobs: Transfers at a time; None means as many as are found to be good.
        tell: Is told what happens, one event at a time.

    Raises:
        HutchError: Whatever stops it as a whole.
    """
    told = one_by_one(tell)
    fetcher = downloads.start(
        client,
        dataset.id,
        moved=lambda path, count: told(Moved(path, count)),
        jobs=jobs,
    )
    check = _RemoteCheck(client, dataset, fetcher, told)
    told(Planned(dataset.files, dataset.bytes))
    try:
        pipeline.run(
            pipeline.batches(client.files.iterate(dataset.id), lambda f: f.size),
            check.drive,
            take=check.take,
            stop=fetcher.stop,
        )
    finally:
        fetcher.close()
    return VerifyReport(
        files=check.files,
        bytes=check.bytes,
        confirmed=check.confirmed,
        problems=tuple(sorted(check.problems, key=lambda p: p.path.encode())),
    )


@dataclass(slots=True)
class _RemoteCheck:
    client: Client
    dataset: DatasetOut
    fetcher: Fetcher
    tell: Tell
    files: int = 0
    bytes: int = 0
    confirmed: int = 0
    problems: list[Problem] = field(default_factory=list)

    def drive(
        self, batch: Sequence[FileOut]
    ) -> tuple[list[tuple[FileOut, HutchError | None]], int]:
        """Check a batch and confirm it; gives the outcomes and how many are new."""
        outcomes: list[tuple[FileOut, HutchError | None]] = []
        futures = {}
        for file, request in self.fetcher.sign(batch):
            if isinstance(request, HutchError):
                outcomes.append((file, request))
            else:
                pool = self.fetcher.pool
                futures[pool.submit(hash_file, self.fetcher, file, request)] = file
        for future in as_completed(futures):
            error: HutchError | None = None
            try:
                future.result()
            except HutchError as e:
                error = e
            outcomes.append((futures[future], error))
        return outcomes, self._confirm(f for f, error in outcomes if error is None)

    def _confirm(self, files: Iterable[FileOut]) -> int:
        good = tuple(
            Confirmation(path=f.path, version=f.version, sha256=f.sha256)
            for f in files
            if not f.confirmed
        )
        if not good or self.dataset.state is not State.CLOSED:
            return 0
        answer = self.client.files.confirm(self.dataset.id, ConfirmationsIn(files=good))
        return answer.confirmed

    def take(self, result: tuple[list[tuple[FileOut, HutchError | None]], int]) -> None:
        outcomes, confirmed = result
        self.confirmed += confirmed
        for file, error in outcomes:
            self.files += 1
            self.bytes += file.size
            if error is not None:
                self.problems.append(Problem(file.path, error))
            self.tell(Settled(file.path, error))


def _differs(path: str, how: str) -> Problem:
    error = LocalChangesError(
        f"{path!r} {how}. 'hutch status' and 'hutch pull' show what to do.", path=path
    )
    return Problem(path, error)

"""``push``: send what changed in a working directory."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Final

from hutch.client import Client
from hutch.contract.problems import (
    HutchError,
    PathBusyError,
    UploadGoneError,
    UploadIncompleteError,
    from_problem,
)
from hutch.contract.wire.transfer import FileRef
from hutch.errors import FileChangingError
from hutch.models import Problem, PushReport
from hutch.progress import Moved, Planned, Settled, Tell, ignore, one_by_one, planned
from hutch.transfer import pipeline
from hutch.transfer.engine import Engine, Outcome, Outgoing
from hutch.transfer.session import Session
from hutch.transfer.uploads import drive
from hutch.workdir.directory import Workdir, locked
from hutch.workdir.journal import Entry, Journal, Upload, open_journal
from hutch.workdir.status import Sight, deleted, remembered, survey, survey_paths
from hutch.workdir.walk import Fault, Found, Stamp, look

_AGAIN: Final = (
    FileChangingError,
    PathBusyError,
    UploadGoneError,
    UploadIncompleteError,
)
"""What may go well a moment later gets one more chance, after all the others: a file
that changes, one that somebody else is just pushing, an upload that was ended."""


def push(
    workdir: Workdir,
    client: Client,
    *,
    delete: bool = False,
    checksum: bool = False,
    force: bool = False,
    jobs: int | None = None,
    tell: Tell = ignore,
) -> PushReport:
    """Send what changed in a working directory to its dataset.

    A file that fails is reported and the others go on. Interrupted, it keeps its
    journal, and running it again sends only the rest.

    Args:
        workdir: The working directory.
        client: Logged in to the server of the working directory.
        delete: Also take out of the dataset what was deleted here.
        checksum: Read every file again instead of trusting size and times.
        force: Replace what others changed meanwhile.
        jobs: Transfers at a time; None means as many as are found to be good.
        tell: Is told what happens, one event at a time.

    Raises:
        WorkdirBusyError: If another process works in the directory.
        DatasetClosedError: If the dataset is closed.
        HutchError: Whatever stops the push as a whole.
        KeyboardInterrupt: On Ctrl-C, after the transfers have stopped.
    """
    with _working(workdir, client, force=force, jobs=jobs, tell=tell) as work:
        # First of all: a directory may take the place of a file that is gone.
        if delete:
            work.remove(deleted(workdir.root, work.journal.entries()))
        seen = survey(workdir.root, work.journal.entries(), checksum=checksum)
        report = work.run(seen)
    return replace(report, kept=()) if delete else report


def push_paths(
    workdir: Workdir,
    client: Client,
    paths: Iterable[str],
    *,
    force: bool = False,
    jobs: int | None = None,
    tell: Tell = ignore,
) -> PushReport:
    """Send some files of a working directory, without walking it.

    Args:
        workdir: The working directory.
        client: Logged in to the server of the working directory.
        paths: Relative paths; what is gone or as the dataset has it is left out.
        force: As for ``push``.
        jobs: As for ``push``.
        tell: As for ``push``.

    Raises:
        HutchError: As ``push``.
        KeyboardInterrupt: As ``push``.
    """
    with _working(workdir, client, force=force, jobs=jobs, tell=tell) as work:
        seen = survey_paths(workdir.root, work.journal, sorted(set(paths)))
        return work.run(seen)


@contextmanager
def _working(
    workdir: Workdir, client: Client, *, force: bool, jobs: int | None, tell: Tell
) -> Iterator["_Push"]:
    started_ns = time.time_ns()
    told = one_by_one(tell)
    with locked(workdir), open_journal(workdir) as journal:
        engine = Engine.start(
            workdir.root,
            Session(client, workdir.dataset, journal, force=force),
            journal,
            moved=lambda path, count: told(Moved(path, count)),
            jobs=jobs,
            started_ns=started_ns,
        )
        try:
            work = _Push(engine, told)
            work.end_orphans()
            yield work
        finally:
            engine.close()


@dataclass(slots=True)
class _Push:
    engine: Engine
    tell: Tell
    sent: int = 0
    bytes: int = 0
    removed: int = 0
    unchanged: int = 0
    kept: list[str] = field(default_factory=list)
    again: list[Outcome] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def journal(self) -> Journal:
        """What the working directory remembers."""
        return self.engine.journal

    def run(self, seen: Iterable[Sight | Fault]) -> PushReport:
        """Send what is new or changed among what was seen."""
        work = planned(
            self._outgoing(seen), lambda item: item.found.stamp.size, self.tell
        )
        with pipeline.ahead(work) as items:
            self._send(items, take=self._take)
        self._send(self._anew(), take=self._take_last)
        self._abandon()
        return PushReport(
            sent=self.sent,
            bytes=self.bytes,
            removed=self.removed,
            kept=tuple(self.kept),
            unchanged=self.unchanged,
            problems=tuple(self.problems),
        )

    def _outgoing(self, seen: Iterable[Sight | Fault]) -> Iterator[Outgoing]:
        """Choose what is to be sent, and note the rest."""
        for sight in remembered(self.journal, seen):
            match sight:
                case Fault(path=path, error=error):
                    self.problems.append(Problem(path, error))
                case Sight(is_same=True):
                    self.unchanged += 1
                case Sight(found=None):
                    self.kept.append(sight.path)
                case Sight(found=Found() as found, entry=entry):
                    yield Outgoing(found, entry.version if entry else None)

    def end_orphans(self) -> None:
        """End uploads of an earlier run whose files are gone.

        They would hold their paths, where a directory may be by now, and the close.
        """
        uploads = self.journal.uploads().values()
        self._end([u for u in uploads if look(self.engine.root, u.path) is None])

    def remove(self, entries: Iterable[Entry]) -> None:
        """Take files out of the dataset."""
        for batch in pipeline.batches(entries, lambda _e: 0):
            answer = self.engine.session.remove(
                [FileRef(path=e.path, version=e.version) for e in batch]
            )
            gone = [f.path for f in answer.files if f.problem is None]
            self.journal.forget(gone)
            self.removed += len(gone)
            self.problems += [
                Problem(f.path, from_problem(f.problem))
                for f in answer.files
                if f.problem is not None
            ]

    def _send(
        self, items: Iterable[Outgoing], *, take: Callable[[Iterable[Outcome]], None]
    ) -> None:
        pipeline.run(
            pipeline.batches(
                items,
                lambda i: i.found.stamp.size,
                first_files=pipeline.FIRST_FILES,
            ),
            lambda batch: drive(self.engine, batch),
            take=take,
            stop=self.engine.stop,
        )

    def _take(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            if isinstance(outcome.error, _AGAIN):
                self.again.append(outcome)
            else:
                self._settle(outcome)

    def _take_last(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            self._settle(outcome)

    def _settle(self, outcome: Outcome) -> None:
        found = outcome.item.found
        if outcome.error is not None:
            self.problems.append(Problem(found.path, outcome.error))
        elif outcome.equal:
            self.unchanged += 1
        else:
            self.sent += 1
            self.bytes += found.stamp.size
        self.tell(Settled(found.path, outcome.error))

    def _anew(self) -> Iterator[Outgoing]:
        """Look again at the files that get another chance."""
        for outcome in self.again:
            found = outcome.item.found
            try:
                stamp = Stamp.of(os.lstat(self.engine.root / found.path))
            except OSError:
                self._settle(outcome)
            else:
                self.tell(Planned(0, stamp.size - found.stamp.size))
                yield Outgoing(Found(found.path, stamp), outcome.item.base)

    def _abandon(self) -> None:
        """End the uploads of files that keep changing: they would block the close."""
        changing = {
            p.path for p in self.problems if isinstance(p.error, FileChangingError)
        }
        self._end([u for u in self.journal.uploads().values() if u.path in changing])

    def _end(self, uploads: Sequence[Upload]) -> None:
        for one in {u.push for u in uploads}:
            intents = [u.intent for u in uploads if u.push == one]
            for batch in pipeline.batches(intents, lambda _i: 0):
                with suppress(HutchError):  # the server ends them after a while
                    self.engine.session.abort(one, batch)
        self.journal.end_uploads(u.path for u in uploads)

"""``push``: send what changed in a working directory."""

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
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
from hutch.progress import Moved, Planned, Settled, Tell, ignore, one_by_one
from hutch.transfer import pipeline
from hutch.transfer.engine import Engine, Outcome, Outgoing
from hutch.transfer.session import Session
from hutch.transfer.uploads import drive
from hutch.workdir.directory import Workdir, locked
from hutch.workdir.journal import Entry, Journal, Upload, open_journal
from hutch.workdir.status import Survey, survey
from hutch.workdir.walk import Found, Stamp

ROUNDS: Final = 2
"""What may go well a moment later gets one more chance, after all the others: a file
that changes, one that somebody else is just pushing, an upload that was ended."""
_AGAIN: Final = (
    FileChangingError,
    PathBusyError,
    UploadGoneError,
    UploadIncompleteError,
)


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
        jobs: Transfers at a time; None means eight.
        tell: Is told what happens, one event at a time.

    Raises:
        WorkdirBusyError: If another process works in the directory.
        DatasetClosedError: If the dataset is closed.
        HutchError: Whatever stops the push as a whole.
        KeyboardInterrupt: On Ctrl-C, after the transfers have stopped.
    """
    with locked(workdir), open_journal(workdir) as journal:
        session = Session(client, workdir.dataset, journal, force=force)
        work = _Push(workdir.root, journal, session, one_by_one(tell))
        return work.run(delete=delete, checksum=checksum, jobs=jobs)


@dataclass(slots=True)
class _Push:
    root: Path
    journal: Journal
    session: Session
    tell: Tell
    sent: int = 0
    bytes: int = 0
    equal: int = 0
    again: list[Outcome] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def run(self, *, delete: bool, checksum: bool, jobs: int | None) -> PushReport:
        started_ns = time.time_ns()
        seen = survey(self.root, self.journal.entries(), checksum=checksum)
        self.journal.record(seen.renewed)
        self.problems += [Problem(f.path, f.error) for f in seen.faults]
        self._end(self._orphaned(seen))
        # Deletions first: a directory may take the place of a file that is gone.
        removed = self._remove(seen.deleted) if delete else 0
        items = _outgoing(seen)
        if items:
            self.tell(Planned(len(items), sum(i.found.stamp.size for i in items)))
            self._send(items, jobs=jobs, started_ns=started_ns)
        return PushReport(
            sent=self.sent,
            bytes=self.bytes,
            removed=removed,
            kept=() if delete else tuple(e.path for e in seen.deleted),
            unchanged=len(seen.same) + self.equal,
            problems=tuple(self.problems),
        )

    def _remove(self, entries: Sequence[Entry]) -> int:
        removed = 0
        for batch in pipeline.batches(entries, lambda _e: 0):
            answer = self.session.remove(
                [FileRef(path=e.path, version=e.version) for e in batch]
            )
            gone = [f.path for f in answer.files if f.problem is None]
            self.journal.forget(gone)
            removed += len(gone)
            self.problems += [
                Problem(f.path, from_problem(f.problem))
                for f in answer.files
                if f.problem is not None
            ]
        return removed

    def _send(
        self, items: Sequence[Outgoing], *, jobs: int | None, started_ns: int
    ) -> None:
        engine = Engine.start(
            self.root,
            self.session,
            self.journal,
            moved=lambda path, count: self.tell(Moved(path, count)),
            jobs=jobs,
            started_ns=started_ns,
        )
        try:
            for chance in range(1, ROUNDS + 1):
                pipeline.run(
                    pipeline.batches(items, lambda i: i.found.stamp.size),
                    lambda batch: drive(engine, batch),
                    take=self._take if chance < ROUNDS else self._take_last,
                    stop=engine.stop,
                )
                items = self._anew()
        finally:
            engine.close()
        self._abandon()

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
            self.equal += 1
        else:
            self.sent += 1
            self.bytes += found.stamp.size
        self.tell(Settled(found.path, outcome.error))

    def _anew(self) -> list[Outgoing]:
        """Look again at the files that get another chance."""
        items = []
        for outcome in self.again:
            found = outcome.item.found
            try:
                stamp = Stamp.of(os.lstat(self.root / found.path))
            except OSError:
                self._settle(outcome)
            else:
                self.tell(Planned(0, stamp.size - found.stamp.size))
                items.append(Outgoing(Found(found.path, stamp), outcome.item.base))
        self.again = []
        return items

    def _orphaned(self, seen: Survey) -> list[Upload]:
        """List uploads of an earlier run whose files are gone.

        They would hold their paths, where a directory may be by now, and the close.
        """
        here = {found.path for found in seen.new}
        here |= {found.path for found, _ in seen.changed}
        here |= {fault.path for fault in seen.faults}
        return [u for u in self.journal.uploads().values() if u.path not in here]

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
                    self.session.abort(one, batch)
        self.journal.end_uploads(u.path for u in uploads)


def _outgoing(seen: Survey) -> list[Outgoing]:
    """List what is to be sent, in the order of the paths' bytes."""
    items = [Outgoing(found, None) for found in seen.new]
    items += [Outgoing(found, entry.version) for found, entry in seen.changed]
    return sorted(items, key=lambda item: item.found.path.encode())

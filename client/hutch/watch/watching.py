"""The loop of ``push --watch``: send what is finished, and wait out what is away."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hutch.client import Client
from hutch.contract.problems import (
    DatabaseUnavailableError,
    DatasetBusyError,
    DatasetClosedError,
    DeletedError,
    HutchError,
    InternalError,
    PathBusyError,
    StoppingError,
    StoreError,
    UploadGoneError,
    UploadIncompleteError,
)
from hutch.contract.wire.datasets import State
from hutch.errors import (
    FileChangingError,
    FileOpenError,
    ServerAnswerError,
    ServerUnavailableError,
    TransferError,
    UnreadableFileError,
    WorkdirBusyError,
)
from hutch.models import Problem, PushReport
from hutch.progress import Event, Settled
from hutch.sync.pushing import push_paths
from hutch.watch.backlog import Again, Backlog
from hutch.watch.events import (
    Began,
    Failed,
    GoesOn,
    Sent,
    TellWatch,
    Waits,
    WatchReport,
    Way,
    ignore,
)
from hutch.watch.lookout import Lookout
from hutch.watch.notices import Notices, TooManyWatchesError
from hutch.watch.places import shared_below
from hutch.watch.rounds import Rounds
from hutch.watch.settling import REST_S, SETTLE_S, Settling
from hutch.workdir.directory import Workdir, open_workdir

MOST: Final = 1_000
"""Files of one push: what others do in the directory gets its turn in between."""
ASK_S: Final = 30.0
"""With nothing to send, the server is asked so often whether this goes on."""
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
"""Between attempts while the server, the store or the network is away."""
AGAIN_S: Final = 10.0
"""After so long a file that failed alone is tried again."""
UNREADABLE_S: Final = 60.0
"""As ``AGAIN_S``, for one that cannot be read: somebody has to change that."""
TURN_S: Final = 0.5

_AWAY: Final = (
    DatabaseUnavailableError,
    DatasetBusyError,
    InternalError,
    ServerAnswerError,
    ServerUnavailableError,
    StoppingError,
    StoreError,
    WorkdirBusyError,
)
"""What passes by itself, or by somebody's work elsewhere. A dataset that is being
closed is open again if the close is refused."""
_NOT_TAKEN: Final = (StoreError, TransferError)
"""What each file fails with while the store is away."""
_PASSES: Final = (
    FileChangingError,
    PathBusyError,
    StoreError,
    TransferError,
    UploadGoneError,
    UploadIncompleteError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a watch waits for what, in seconds.

    Attributes:
        settle_s: A file of which no close was seen must stay as it is for so long.
        rest_s: A file that was closed is sent after so long.
        until_idle_s: The watch ends when nothing new came for so long; None: never.
        first_pause_s: Before the second attempt while the server is away.
    """

    settle_s: float = SETTLE_S
    rest_s: float = REST_S
    until_idle_s: float | None = None
    first_pause_s: float = FIRST_PAUSE_S


class Watch:
    """Sends the files of a working directory as they are finished.

    Args:
        workdir: The working directory.
        client: Logged in to its server.
        pace: How long it waits for what.
        poll: Look in rounds, even where the kernel would tell.
        force: Replace what others changed meanwhile.
        jobs: Transfers at a time; None means eight.
        tell: Is told what happens, one event at a time.
    """

    def __init__(
        self,
        workdir: Workdir,
        client: Client,
        *,
        pace: Pace | None = None,
        poll: bool = False,
        force: bool = False,
        jobs: int | None = None,
        tell: TellWatch = ignore,
    ) -> None:
        self._workdir, self._client = workdir, client
        self._pace = pace or Pace()
        self._poll, self._force, self._jobs, self._tell = poll, force, jobs, tell
        self._backlog = Backlog()
        self._lookout: Lookout | None = None
        self._batch: dict[str, bool] = {}
        self._problems: dict[str, Problem] = {}
        self._sent = self._bytes = 0
        self._away_since: float | None = None
        self._is_told = False
        self._pause_s = self._pace.first_pause_s
        self._asked_s = float("-inf")
        self._last_scan = 0

    def run(self) -> WatchReport:
        """Send files until nothing new comes, or ``stop`` is called.

        Raises:
            ExtraMissingError: If the library is not installed that it needs.
            DatasetClosedError: If the dataset was closed.
            HutchError: Whatever else ends it: a right that is lost, a token that was
                revoked, a working directory that is unfit.
            KeyboardInterrupt: On Ctrl-C, after the transfers have stopped; ``report``
                then says what is left.
        """
        kind = shared_below(self._workdir.root)
        if self._poll or kind is not None:
            why = f"{kind} does not tell of all changes" if kind else ""
            return self._run_with(Way.ROUNDS, why or "asked for")
        try:
            return self._run_with(Way.NOTICES, "")
        except TooManyWatchesError:
            self._backlog.recover()
            return self._run_with(
                Way.ROUNDS, "the kernel's fs.inotify.max_user_watches is reached"
            )

    def stop(self) -> None:
        """Have ``run`` return after the push that is under way; from any thread."""
        self._backlog.stop()

    def report(self) -> WatchReport:
        """Say what was done so far, and what is left."""
        view = self._lookout.view if self._lookout else None
        problems = dict(self._problems)
        held = view.held if view else ()
        for path in held:
            error = FileOpenError(
                f"{path!r} is still open for writing; it is sent once it is closed.",
                path=path,
            )
            problems.setdefault(path, Problem(path, error))
        in_work = sum(not is_sent for is_sent in self._batch.values())
        return WatchReport(
            sent=self._sent,
            bytes=self._bytes,
            left=in_work + len(self._backlog) + (view.expected if view else 0),
            open=held,
            scanned=view is not None and view.scans > 0,
            problems=tuple(problems[path] for path in sorted(problems)),
        )

    def _run_with(self, way: Way, why: str) -> WatchReport:
        settling = Settling(
            self._workdir.root,
            settle_s=self._pace.settle_s,
            rest_s=self._pace.rest_s,
        )
        root = self._workdir.root
        lookout = (
            Notices(root, self._backlog, settling)
            if way is Way.NOTICES
            else Rounds(root, self._backlog, settling, every_s=self._pace.settle_s / 2)
        )
        self._lookout = lookout
        self._last_scan = 0
        with lookout:
            self._tell(Began(way, why))
            while not (self._backlog.is_stopped or self._is_idle(lookout)):
                self._turn()
        return self.report()

    def _turn(self) -> None:
        # While something is away one file is enough to see whether it is back.
        most = 1 if self._away_since is not None else MOST
        batch = self._backlog.take(most, seconds=TURN_S)
        for fault in self._backlog.take_faults():
            self._fail(Problem(fault.path, fault.error))
        now = time.monotonic()
        try:
            if batch:
                self._send(batch)
            elif now - self._asked_s >= ASK_S or self._away_since is not None:
                self._require_open()
                self._asked_s = now
                self._go_on()
        except _AWAY as error:
            self._backlog.put(path for path, sent in self._batch.items() if not sent)
            self._batch = {}
            self._asked_s = now
            self._wait(error)

    def _send(self, batch: Sequence[str]) -> None:
        self._batch = dict.fromkeys(batch, False)
        report = push_paths(
            self._workdir,
            self._client,
            sorted(batch),
            force=self._force,
            jobs=self._jobs,
            tell=self._listen,
        )
        failed = {problem.path: problem for problem in report.problems}
        self._batch = {}
        for path in batch:
            if path not in failed:
                self._problems.pop(path, None)
        self._count(report)
        if failed and not report.sent and self._is_away(report):
            self._backlog.put(failed)
            self._wait(report.problems[0].error)
            return
        for problem in report.problems:
            self._try_again(problem)

    def _count(self, report: PushReport) -> None:
        if not report.sent:
            return
        self._sent += report.sent
        self._bytes += report.bytes
        self._asked_s = time.monotonic()
        self._backlog.note_news()
        self._go_on()
        self._tell(Sent(report.sent, report.bytes, len(self._backlog)))

    def _is_away(self, report: PushReport) -> bool:
        return all(isinstance(p.error, _NOT_TAKEN) for p in report.problems)

    def _try_again(self, problem: Problem) -> None:
        self._fail(problem)
        if isinstance(problem.error, FileChangingError):
            again = Again(problem.path, self._pace.settle_s)
        elif isinstance(problem.error, _PASSES):
            again = Again(problem.path, AGAIN_S)
        elif isinstance(problem.error, UnreadableFileError):
            again = Again(problem.path, UNREADABLE_S, is_slow=True)
        else:
            return
        self._backlog.look_again(again)

    def _fail(self, problem: Problem) -> None:
        known = self._problems.get(problem.path)
        self._problems[problem.path] = problem
        if known is None or known.error.code != problem.error.code:
            self._backlog.note_news()
            self._tell(Failed(problem.path, problem.error))

    def _wait(self, error: HutchError) -> None:
        is_first = self._away_since is None
        if self._away_since is None:
            self._away_since = time.monotonic()
        # Who works in the directory has mostly ended before the second attempt.
        if not (self._is_told or (is_first and isinstance(error, WorkdirBusyError))):
            self._is_told = True
            self._tell(Waits(error, len(self._backlog)))
        self._backlog.rest(self._pause_s)
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    def _go_on(self) -> None:
        if self._is_told and self._away_since is not None:
            self._tell(GoesOn(time.monotonic() - self._away_since))
        self._away_since, self._is_told = None, False
        self._pause_s = self._pace.first_pause_s

    def _require_open(self) -> None:
        """Learn of a close, or of a right that is lost, with nothing to send."""
        open_workdir(self._workdir.root)  # gone, it would be watched for ever
        dataset = self._client.datasets.get(self._workdir.dataset)
        if dataset.state is State.CLOSED:
            raise DatasetClosedError(
                f"{dataset.owner}/{dataset.name} was closed, for good. Correct it by "
                "'hutch derive --revision'.",
                dataset=str(dataset.id),
            )
        if dataset.state in {State.DELETING, State.DELETED}:
            raise DeletedError(
                f"{dataset.owner}/{dataset.name} was deleted.", dataset=str(dataset.id)
            )

    def _is_idle(self, lookout: Lookout) -> bool:
        """Tell whether nothing new came for so long, and nothing was overlooked."""
        longest_s, view = self._pace.until_idle_s, lookout.view
        if longest_s is None:
            return False
        if time.monotonic() - self._backlog.news_s < longest_s:
            self._last_scan = 0
            return False
        if view.expected or len(self._backlog):
            return False
        if not self._last_scan:
            self._last_scan = lookout.ask_scan()
        return view.scans >= self._last_scan

    def _listen(self, event: Event) -> None:
        if isinstance(event, Settled) and event.error is None:
            self._batch[event.path] = True
        self._tell(event)

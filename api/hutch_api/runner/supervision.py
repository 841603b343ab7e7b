"""One attempt, from its first container to its end.

Nothing is remembered here that matters: what the database and the executor show is
enough to go on, so that a runner that was killed takes up where it was.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Final, TypeVar

from sqlalchemy.exc import DBAPIError

from hutch.contract.problems import (
    AttemptEndedError,
    DatabaseUnavailableError,
    HutchError,
    StoreUnavailableError,
)
from hutch.contract.wire.runs import Reason, StepKind
from hutch_api.ports.executor import (
    Executor,
    ExecutorUnavailableError,
    Job,
    Phase,
    Sight,
)
from hutch_api.runner.following import Follower
from hutch_api.services import attempts, claims, leases, outputs
from hutch_api.services.attempts import Assignment
from hutch_api.services.outputs import OutputRejectedError
from hutch_api.services.work import Site

_LOG: Final = logging.getLogger("hutch.runner")
LOOK_EVERY: Final = timedelta(seconds=0.2)
RENEW_EVERY: Final = timedelta(seconds=5)
"""So often it is seen that a run was cancelled, or has lost a right; a lease lasts
twelve times as long."""
_REJECTED, _STOPPED = 3, 4
"""Exit codes of hutch's own steps: see ``hutch.step``."""
_MIB: Final = 1024 * 1024
_AWAY: Final = (
    ExecutorUnavailableError,
    StoreUnavailableError,
    DatabaseUnavailableError,
    DBAPIError,
)
LONGEST_AWAY: Final = timedelta(minutes=10)
"""An executor that does not answer for longer has lost the attempt."""

T = TypeVar("T")


class FailedError(Exception):
    """The attempt did not succeed.

    Attributes:
        reason: Why, for the record.
        detail: The same in words.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


@dataclass(slots=True)
class Supervision:
    """What it takes to bring one attempt to its end.

    Attributes:
        site: The site.
        executor: What executes it.
        task: The attempt.
        leaving: Tells whether this process ends.
        takes_along: Then end the attempt too, instead of leaving it to the next one.
    """

    site: Site
    executor: Executor
    task: Assignment
    leaving: Callable[[], bool]
    takes_along: bool = False
    job: Job = field(init=False)
    _renewed: float = field(init=False, default=0.0)
    _began: float | None = field(init=False, default=None)
    _fails: bool = field(init=False, default=False)
    _accepted: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.job = Job(
            attempt=self.task.lease.attempt,
            image=self.task.image,
            argv=self.task.argv,
            mode=self.task.mode,
            resources=self.task.resources,
            has_begun=self.task.has_begun,
        )

    def carry_out(self) -> None:
        """Bring the attempt to its end, and remove what it has made."""
        with suppress(_LeavingError):
            self._decide()
            self._remove()

    def _decide(self) -> None:
        """Execute it, and accept or end it."""
        try:
            if not self.task.is_closing:
                self._execute()
                self._patiently(partial(outputs.accept, self.site, self.task.lease))
            self._accepted = True
            while not self._patiently(
                partial(outputs.finish, self.site, self.task.lease)
            ):
                self._tick()
        except FailedError as failure:
            self._fail(failure.reason, failure.detail)
        except OutputRejectedError as rejection:
            self._fail(Reason.OUTPUT_REJECTED, str(rejection))
        except leases.StoppedError as stopped:
            self._fail(Reason.CANCELLED, str(stopped))
        except AttemptEndedError:
            _LOG.warning("attempt %s was ended by others", self.job.attempt)

    def _execute(self) -> None:
        """Let the steps be executed.

        Raises:
            FailedError: One of them failed, or took too much.
            StoppedError: The run may not go on.
        """
        claim = partial(claims.make_claim, self.site, self.task.lease)
        follower = Follower(self.site, self.executor, self.job, self.task.lease)
        seen: StepKind | None = None
        while True:
            sight = self._patiently(partial(self.executor.proceed, self.job, claim))
            if sight.step is not StepKind.IN and seen in {None, StepKind.IN}:
                self._note_program(sight)
            if sight.step is StepKind.MAIN:
                self._patiently(follower.follow)
                self._require_within_limits(sight)
            elif sight.step is StepKind.OUT and seen is not StepKind.OUT:
                self._note_exit(follower)
            seen = sight.step
            if sight.phase is Phase.GONE:
                detail = sight.detail or f"the container of step {sight.step} is gone"
                raise FailedError(Reason.LOST, detail)
            if sight.phase is Phase.ENDED:
                if sight.exit_code != 0 and sight.step is StepKind.MAIN:
                    self._note_exit(follower, sight.exit_code or 0)
                self._require_good(sight)
                return
            self._tick()

    def _note_program(self, sight: Sight) -> None:
        attempt = self._patiently(
            partial(attempts.note_program, self.site, self.task.lease, node=sight.node)
        )
        self._began = time.monotonic() - attempt.total_seconds()
        self.job = replace(self.job, has_begun=True)

    def _note_exit(self, follower: Follower, exit_code: int = 0) -> None:
        self._patiently(partial(follower.follow, last=True))
        self._patiently(
            partial(
                attempts.note_exit,
                self.site,
                self.task.lease,
                exit_code=exit_code,
            )
        )

    def _require_within_limits(self, sight: Sight) -> None:
        most = self.task.resources
        if sight.phase is not Phase.RUNNING or self._began is None:
            return
        if time.monotonic() - self._began > most.walltime_s:
            raise FailedError(
                Reason.TIMEOUT, f"it took longer than {most.walltime_s} s"
            )
        used = self._patiently(partial(self.executor.used, self.job))
        if used > 2 * most.scratch_mib * _MIB:
            raise FailedError(
                Reason.OUTPUT_REJECTED,
                f"it wrote more than {most.scratch_mib} MiB below /out or /work",
            )

    def _require_good(self, sight: Sight) -> None:
        """Refuse what did not end well.

        Raises:
            FailedError: With the reason.
            StoppedError: The run may not go on.
        """
        if sight.exit_code == 0:
            return
        said = f"step {sight.step}: {sight.detail}"
        if sight.step is not StepKind.MAIN:
            if sight.exit_code == _STOPPED:
                # Of itself it cannot know: the lease may have run out for a while, or
                # the answer to its claim was lost.
                self._patiently(self._renew)
            rejected = sight.step is StepKind.OUT and sight.exit_code == _REJECTED
            raise FailedError(Reason.OUTPUT_REJECTED if rejected else Reason.LOST, said)
        if sight.is_oom:
            raise FailedError(
                Reason.OOM,
                "it was killed, most likely for memory: "
                f"{self.task.resources.memory_mib} MiB are allowed",
            )
        more = f": {sight.detail}" if sight.detail else "; its log says more"
        raise FailedError(
            Reason.ERROR, f"the program ended with exit code {sight.exit_code}{more}"
        )

    def _tick(self) -> None:
        """Wait a moment; keep the lease, and look whether the run may go on."""
        self._require_staying()
        if time.monotonic() - self._renewed >= RENEW_EVERY.total_seconds():
            self._patiently(self._renew)
        time.sleep(LOOK_EVERY.total_seconds())

    def _require_staying(self) -> None:
        """Stop here when this process ends.

        Raises:
            FailedError: The attempt ends with it.
        """
        if not self.leaving() or self._fails:
            return
        if self.takes_along and not self._accepted:
            raise FailedError(Reason.LOST, "its runner was ended")
        raise _LeavingError

    def _renew(self) -> None:
        why = leases.renew(self.site, self.task.lease)
        self._renewed = time.monotonic()
        if why is not None and not self._accepted:
            raise leases.StoppedError(why)

    def _patiently(self, act: Callable[[], T]) -> T:
        """Do something that may have to wait for database, store or executor.

        Raises:
            FailedError: It was away for too long; what was accepted waits for ever.
        """
        began = time.monotonic()
        pause = LOOK_EVERY.total_seconds()
        while True:
            try:
                return act()
            except _AWAY as error:
                _LOG.warning("attempt %s waits: %s", self.job.attempt, _said(error))
                away = time.monotonic() - began > LONGEST_AWAY.total_seconds()
                if away and not self._accepted:
                    raise FailedError(Reason.LOST, _said(error)) from error
            self._require_staying()
            time.sleep(pause)
            pause = min(pause * 2, RENEW_EVERY.total_seconds())
            try:
                self._renew()
            except _AWAY:
                continue

    def _fail(self, reason: Reason, detail: str) -> None:
        """End the containers first: what is ended must not go on."""
        _LOG.info("attempt %s: %s: %s", self.job.attempt, reason, detail)
        self._fails, self._accepted = True, False
        renew = partial(leases.renew, self.site, self.task.lease)
        try:
            self._patiently(renew)  # who has lost it ends nothing of who goes on
            self._patiently(partial(self.executor.end, self.job.attempt))
            self._patiently(
                partial(attempts.end, self.site, self.task.lease, reason, detail)
            )
        except (AttemptEndedError, leases.StoppedError, FailedError) as error:
            _LOG.warning("attempt %s: %s", self.job.attempt, error)

    def _remove(self) -> None:
        """Remove what is left; what fails now is found by the next look around."""
        try:
            if attempts.has_ended(self.site, self.job.attempt):
                self.executor.end(self.job.attempt)
                attempts.clear_if_ended(self.site, self.job.attempt)
        except (*_AWAY, HutchError) as error:
            _LOG.warning("attempt %s is not removed: %s", self.job.attempt, error)


class _LeavingError(Exception):
    """This process ends; the next one goes on with the attempt."""


def _said(error: Exception) -> str:
    if isinstance(error, DBAPIError):
        return f"the database failed: {type(error.orig).__name__}"
    return str(error)

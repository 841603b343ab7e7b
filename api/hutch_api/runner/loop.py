"""Taking runs from the queue, as many at a time as there are slots."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from hutch.contract.problems import HutchError
from hutch_api.ports.executor import Executor, ExecutorUnavailableError
from hutch_api.runner.supervision import Supervision
from hutch_api.services import attempts
from hutch_api.services.attempts import Assignment, Runner
from hutch_api.services.work import Site

_LOG: Final = logging.getLogger("hutch.runner")
TIDY_EVERY: Final = timedelta(seconds=30)


T = TypeVar("T")


class Loop:
    """A runner at work.

    Args:
        site: The site.
        executor: What executes its attempts.
        runner: Who it is.
        slots: Attempts at a time.
        pause: How long to wait when there is nothing to take.
        stop: Ends it: attempts go on without it, for the next process of its name.
        takes_along: End the attempts with it instead; they are tried again.
    """

    def __init__(
        self,
        site: Site,
        executor: Executor,
        runner: Runner,
        *,
        slots: int,
        pause: timedelta,
        stop: threading.Event,
        takes_along: bool = False,
    ) -> None:
        self._site, self._executor, self._runner = site, executor, runner
        self._slots, self._pause, self._stop = slots, pause, stop
        self._takes_along = takes_along
        self._threads: dict[UUID, threading.Thread] = {}
        self._tidied = -TIDY_EVERY.total_seconds()

    def run(self, *, once: bool = False) -> None:
        """Work until ``stop`` is set.

        Args:
            once: End when nothing is left to be done.
        """
        left = self._safely(self._take_over)
        while left is None and not self._stop.wait(self._pause.total_seconds()):
            left = self._safely(self._take_over)
        for task in left or ():
            self._begin(task)
        while not self._stop.is_set():
            self._threads = {a: t for a, t in self._threads.items() if t.is_alive()}
            self._safely(self._tidy)
            taken = None
            if len(self._threads) < self._slots:
                taken = self._safely(self._take)
            if taken is not None:
                self._begin(taken)
            elif once and not self._threads:
                break
            else:
                self._stop.wait(self._pause.total_seconds())
        for thread in self._threads.values():
            thread.join()

    def _take_over(self) -> list[Assignment]:
        return attempts.take_over(self._site, self._runner)

    def _take(self) -> Assignment | None:
        return attempts.take(self._site, self._runner)

    def _begin(self, task: Assignment) -> None:
        supervision = Supervision(
            self._site,
            self._executor,
            task,
            leaving=self._stop.is_set,
            takes_along=self._takes_along,
        )
        attempt = task.lease.attempt
        _LOG.info("attempt %s of run %s", attempt, task.lease.run)
        thread = threading.Thread(target=_carry_out, args=(supervision,))
        self._threads[attempt] = thread
        thread.start()

    def _tidy(self) -> None:
        """Remove what ended attempts have left, here and in hutch."""
        if time.monotonic() - self._tidied < TIDY_EVERY.total_seconds():
            return
        self._tidied = time.monotonic()
        for attempt in self._executor.held() - self._threads.keys():
            if attempts.has_ended(self._site, attempt):
                self._executor.end(attempt)
        attempts.clear_ended(self._site)

    def _safely(self, act: Callable[[], T]) -> T | None:
        """Do something that may fail for a while; the next round tries again."""
        try:
            return act()
        except (HutchError, ExecutorUnavailableError) as error:
            _LOG.warning("%s", error)
        except DBAPIError as error:
            _LOG.warning("the database failed: %s", type(error.orig).__name__)
        return None


def _carry_out(supervision: Supervision) -> None:
    try:
        supervision.carry_out()
    except Exception:  # noqa: BLE001 -- a defect ends this attempt, not the runner
        _LOG.exception("attempt %s: a defect", supervision.job.attempt)

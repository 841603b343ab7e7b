"""The loop of the worker, and how it ends."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Final

from sqlalchemy.exc import DBAPIError

from hutch.contract.problems import (
    DatabaseUnavailableError,
    HutchError,
    StoreUnavailableError,
)

_LOG: Final = logging.getLogger("hutch.worker")
_LONGEST: Final = timedelta(seconds=10)
"""A store that is away is asked so often; people wait for it to come back."""


def work(
    run_once: Callable[[], bool], *, pause: timedelta, stop: threading.Event
) -> None:
    """Do rounds of work until ``stop`` is set; a round is never cut short.

    A store or database that cannot be reached makes the pauses longer, up to ten
    seconds. Any other failure is a defect: it is logged with its traceback, and the
    next round tries again, because the rows still say what is due.

    Args:
        run_once: Does everything that is due and tells whether there was any.
        pause: How long to wait when there was nothing.
        stop: Set it to end the loop; a wait ends at once.
    """
    wait = pause
    while not stop.is_set():
        try:
            busy = run_once()
        except (StoreUnavailableError, DatabaseUnavailableError) as error:
            _LOG.warning("%s", error.detail)
        except HutchError as error:
            _LOG.error("%s: %s", error.code, error.detail)
        except DBAPIError as error:
            _LOG.error("the database failed: %s", type(error.orig).__name__)
        except Exception:  # noqa: BLE001 -- a defect must not end the worker
            _LOG.exception("a round of work failed")
        else:
            wait = pause
            if not busy:
                stop.wait(wait.total_seconds())
            continue
        stop.wait(wait.total_seconds())
        wait = min(wait * 2, _LONGEST)


@contextmanager
def beside(
    run_once: Callable[[], bool], *, pause: timedelta, stop: threading.Event
) -> Iterator[None]:
    """Work in another thread until the block ends, so that neither waits for the other.

    Args:
        run_once: As for ``work``.
        pause: As for ``work``.
        stop: Ends both.
    """
    thread = threading.Thread(
        target=work, args=(run_once,), kwargs={"pause": pause, "stop": stop}
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def ending_on_signals() -> Iterator[threading.Event]:
    """Give an event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        stop.set()

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

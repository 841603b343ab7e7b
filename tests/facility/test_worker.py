"""The loop of the worker: it waits, goes on after failures, and ends when told."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from hutch.contract.problems import StoreUnavailableError
from hutch_api.worker.loop import work

LONG = timedelta(hours=1)
SHORT = timedelta(milliseconds=1)


def rounds(
    outcomes: list[bool | Exception], stop: threading.Event
) -> Callable[[], bool]:
    """Play outcomes in order; the last one sets ``stop``."""
    left = outcomes.copy()

    def once() -> bool:
        outcome = left.pop(0)
        if not left:
            stop.set()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return once


def test_it_goes_on_at_once_while_there_is_work() -> None:
    stop = threading.Event()
    work(rounds([True, True, False], stop), pause=LONG, stop=stop)


def test_a_wait_ends_when_it_is_told_to() -> None:
    stop = threading.Event()
    waiting = threading.Event()

    def idle() -> bool:
        waiting.set()
        return False

    thread = threading.Thread(
        target=work, args=(idle,), kwargs={"pause": LONG, "stop": stop}
    )
    thread.start()
    assert waiting.wait(10)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    "failure", [StoreUnavailableError("away"), RuntimeError("a defect")]
)
def test_it_goes_on_after_a_failure(failure: Exception) -> None:
    stop = threading.Event()
    work(rounds([failure, failure, False], stop), pause=SHORT, stop=stop)


def test_a_defect_is_logged_with_its_place(caplog: pytest.LogCaptureFixture) -> None:
    stop = threading.Event()
    work(rounds([RuntimeError("a defect")], stop), pause=SHORT, stop=stop)
    assert "a defect" in caplog.text
    assert "Traceback" in caplog.text

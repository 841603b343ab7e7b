"""The crash steps: every instant between two writes at which a process may die.

A write is one that outlives the process: a transaction, a call that changes the
store, a line of the journal. The order of the members is the order of the writes;
``docs/explanation/protocol.md`` says what each one leaves behind and who goes on.

The code calls ``reached`` at each step. That does nothing, unless a test has
installed an observer that stops the process there, to kill it or another one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final


class Step(StrEnum):
    """An instant after one write and before the next; named by the write before."""

    PUSH_NOTED = "push-noted"
    INTENTS_WRITTEN = "intents-written"
    UPLOAD_OPENED = "upload-opened"
    UPLOAD_WRITTEN = "upload-written"
    ACCOUNT_WRITTEN = "account-written"
    ACCOUNT_MADE = "account-made"
    ACCOUNT_LIVE = "account-live"
    UPLOADS_NOTED = "uploads-noted"
    FILE_SENT = "file-sent"
    PART_SENT = "part-sent"
    SENT_NOTED = "sent-noted"
    COMPLETING_WRITTEN = "completing-written"
    UPLOAD_COMPLETED = "upload-completed"
    ARRIVAL_SEEN = "arrival-seen"
    FILES_COMMITTED = "files-committed"
    FINISH_ANSWERED = "finish-answered"
    FILES_NOTED = "files-noted"
    FILES_REMOVED = "files-removed"
    ACCOUNT_ENDED = "account-ended"
    ACCOUNT_GONE = "account-gone"
    CLOSING_WRITTEN = "closing-written"
    CLOSE_FENCED = "close-fenced"
    CLOSE_COMPARED = "close-compared"
    CLOSE_DECIDED = "close-decided"
    PIECES_WRITTEN = "pieces-written"
    ABOUT_WRITTEN = "about-written"
    SEAL_WRITTEN = "seal-written"
    CLOSED_WRITTEN = "closed-written"
    DELETING_WRITTEN = "deleting-written"
    DELETE_FENCED = "delete-fenced"
    VERSIONS_DELETED = "versions-deleted"
    DELETED_WRITTEN = "deleted-written"
    ADOPTED_READ = "adopted-read"
    ADOPTED_WRITTEN = "adopted-written"
    DROP_ANNOUNCED = "drop-announced"
    SWEEP_LEASED = "sweep-leased"
    SWEEP_CHECKED = "sweep-checked"
    SWEEP_ANNOUNCED = "sweep-announced"
    SWEEP_REMOVED = "sweep-removed"
    SWEEP_NOTED = "sweep-noted"
    SUPERSEDED_DELETED = "superseded-deleted"
    REMAINS_CLEARED = "remains-cleared"
    ATTEMPT_BEGUN = "attempt-begun"
    STEP_MADE = "step-made"
    STEP_BEGUN = "step-begun"
    LOG_WRITTEN = "log-written"
    OUTPUT_ACCEPTED = "output-accepted"
    RUN_ENDED = "run-ended"
    ATTEMPT_ENDED = "attempt-ended"
    ATTEMPT_CLEARED = "attempt-cleared"
    JOB_REMOVED = "job-removed"


Observer = Callable[[Step], None]
_observers: Final[list[Observer]] = []


def reached(step: Step) -> None:
    """Say that a step is reached; whoever observes may stop the thread here."""
    for observer in _observers:
        observer(step)


@contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Have each step that this process reaches told to an observer."""
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)

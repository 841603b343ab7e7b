"""What all batches of a push share: threads, sockets, journal."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from hutch.contract.problems import (
    DatasetBusyError,
    DatasetClosedError,
    DeletedError,
    ForbiddenError,
    HutchError,
    NotFoundError,
    UnauthenticatedError,
)
from hutch.errors import ServerAnswerError, ServerUnavailableError
from hutch.transfer.carrier import Carrier
from hutch.transfer.crew import Crew
from hutch.transfer.failures import RouteError
from hutch.transfer.session import Session
from hutch.transfer.upload import Progress
from hutch.transfer.width import Width
from hutch.workdir.journal import Entry, Journal, Upload
from hutch.workdir.walk import Found

HASHERS: Final = min(4, os.cpu_count() or 1)

_CONCERNS_ALL: Final = (
    DatasetBusyError,
    DatasetClosedError,
    DeletedError,
    ForbiddenError,
    NotFoundError,
    RouteError,
    ServerAnswerError,
    ServerUnavailableError,
    UnauthenticatedError,
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A file to be sent.

    Attributes:
        base: The version that this working directory knows; None means absent.
    """

    found: Found
    base: str | None


@dataclass(slots=True)
class Outcome:
    """What became of a file.

    Attributes:
        entry: As it now is on both sides; None if it is not.
        error: Why it is not.
        equal: The dataset had the same content already.
    """

    item: Outgoing
    entry: Entry | None = None
    error: HutchError | None = None
    equal: bool = False


@dataclass(slots=True)
class Engine:
    """What all batches of a push share.

    Attributes:
        hashers: Threads that read and hash.
        senders: Threads that send; apart, so that neither waits for the other.
        under_way: What earlier runs have begun, by path.
        started_ns: Before any file was looked at: a file that is as young as that
            may change again unseen, so that it is read again next time.
    """

    root: Path
    session: Session
    journal: Journal
    carrier: Carrier
    moved: Progress
    hashers: Crew
    senders: Crew
    under_way: dict[str, Upload] = field(default_factory=dict)
    started_ns: int = field(default_factory=time.time_ns)

    @classmethod
    def start(
        cls,
        root: Path,
        session: Session,
        journal: Journal,
        *,
        moved: Progress,
        jobs: int | None,
        started_ns: int,
    ) -> Self:
        """Start the threads."""
        carrier = Carrier(jobs)
        return cls(
            root=root,
            session=session,
            journal=journal,
            carrier=carrier,
            moved=moved,
            hashers=Crew(Width(HASHERS), name="hutch-hash"),
            senders=Crew(carrier.width, name="hutch-send"),
            under_way=journal.uploads(),
            started_ns=started_ns,
        )

    def stop(self) -> None:
        """Make every thread end soon."""
        # What is queued runs, and ends at its first look: a cancelled future would
        # leave those hanging who wait for it with as_completed.
        self.carrier.stop()
        self.session.client.hurry()

    def close(self) -> None:
        """Wait for the threads and close the sockets."""
        self.hashers.shutdown()
        self.senders.shutdown()
        self.carrier.close()
        self.session.client.hurry(now=False)


def only_of_file(error: HutchError) -> HutchError:
    """Give back the error of one file; raise what no other file would escape.

    A right that was lost or a dataset that was closed shows when the first sender
    asks for a fresh address: the rest need not find it out one by one.
    """
    if isinstance(error, _CONCERNS_ALL):
        raise error
    return error

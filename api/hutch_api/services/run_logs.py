"""Logs of runs: pieces in the store, which their readers fetch from there."""

import re
from typing import Final
from uuid import UUID

from sqlmodel import col, select

from hutch.contract.problems import NotFoundError
from hutch.contract.steps import Step, reached
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.runs import ENDED, LogChunk, RunLog, RunState
from hutch_api.domain import tokens
from hutch_api.domain.access import Actor
from hutch_api.services import access, leases
from hutch_api.services.leases import Lease
from hutch_api.services.runs import find_run
from hutch_api.services.work import Site
from hutch_api.store.run_tables import Attempt

MOST_BYTES: Final = 10 * 1024 * 1024
"""Of one attempt; what a program says beyond that is not read."""
CHUNK: Final = 256 * 1024
MOST_CHUNKS: Final = 100
_MASK: Final = rb"\1***"
_SECRET: Final = re.compile(
    rb"(X-Amz-(?:Signature|Credential)=)[^&\s\"']{16,200}|"
    + tokens.PATTERN.pattern.encode()
)
_LONGEST: Final = 256
"""Bytes of such a secret, with what stands before it."""
_CONTROL: Final = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-Z\\-_])?"
    rb"|[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]"
)
"""Escape sequences, ECMA-48, and other control characters: a log is shown on terminals,
which would obey them."""


def clean(data: bytes) -> bytes:
    """Take secrets and control characters out of what a program wrote."""
    # Not the other way round: what divides a secret would be taken out of it then.
    return _SECRET.sub(_MASK, _CONTROL.sub(b"", data))


def whole(data: bytes) -> bytes:
    """Leave out the end of a line that goes on, so that no secret is cut in two."""
    if lines := data.rfind(b"\n") + 1:
        return data[:lines]
    if len(data) <= 2 * _LONGEST:
        return data
    cut = len(data) - _LONGEST
    for secret in _SECRET.finditer(data, cut - _LONGEST):
        if secret.start() < cut < secret.end():
            cut = secret.start()
    return data[:cut]


def read_so_far(site: Site, lease: Lease) -> int | None:
    """Tell how many bytes of the program's output were read; None if that is enough."""
    with site.look() as work:
        attempt = work.session.get_one(Attempt, lease.attempt)
    return None if attempt.log_cut else attempt.log_read


def write(site: Site, lease: Lease, data: bytes) -> bool:
    """Add what a program wrote to the log of an attempt; what is too much is dropped.

    The end of a line that is cut is not read yet: it comes again with what follows.
    The object is written before the row counts it, so that nobody is sent to one that
    is not there; one that was not counted is written again.

    Returns:
        Whether there is room for more.

    Raises:
        AttemptEndedError: Others have the run, or it has ended.
    """
    with site.begin() as work:
        run = leases.hold(work, lease, RunState.RUNNING)
        attempt = work.session.get_one(Attempt, lease.attempt)
        room, number = MOST_BYTES - attempt.log_bytes, attempt.log_chunks
        name = name_of(run.id, attempt.number, number)
    data = whole(data)
    kept = clean(data)[:room]
    site.objects.put_record(name, kept)
    reached(Step.LOG_WRITTEN)
    with site.begin() as work:
        leases.hold(work, lease, RunState.RUNNING)
        attempt = work.session.get_one(Attempt, lease.attempt)
        attempt.log_chunks = number + 1
        attempt.log_bytes += len(kept)
        attempt.log_read += len(data)
        # By what was read: a program may write much of which nothing is kept.
        attempt.log_cut = attempt.log_read >= MOST_BYTES
        return not attempt.log_cut


def read_log(
    site: Site, actor: Actor, run: UUID, *, attempt: int | None, after: int
) -> RunLog:
    """Sign requests for the pieces of a log.

    Args:
        site: The site.
        actor: Who asks.
        run: Which run.
        attempt: Number of the attempt; None means the last one.
        after: Number of the last piece that the caller has; -1 means none.

    Raises:
        TokenInsufficientError: The token lacks the scope ``read``.
        NotFoundError: The actor has no such run, or it no such attempt.
    """
    access.require_scope(actor, Scope.READ)
    with site.look() as work:
        row = find_run(work, actor, run)
        number = row.attempts if attempt is None else attempt
        found = work.session.exec(
            select(Attempt).where(Attempt.run_id == run, col(Attempt.number) == number)
        ).first()
    if found is None:
        if attempt is not None:
            raise NotFoundError(f"the run has no attempt {attempt}", attempt=attempt)
        return RunLog(chunks=(), complete=row.state in ENDED)
    first = max(after + 1, 0)
    last = min(found.log_chunks, first + MOST_CHUNKS)
    chunks = tuple(
        LogChunk(
            attempt=number,
            number=n,
            request=site.objects.sign_record(name_of(run, number, n)),
        )
        for n in range(first, last)
    )
    complete = found.ended_at is not None and last == found.log_chunks
    return RunLog(chunks=chunks, complete=complete, truncated=found.log_cut)


def name_of(run: UUID, attempt: int, number: int) -> str:
    """Name the record that holds a piece of a log."""
    return f"logs/{run}/{attempt}/{number:06d}"

"""Leases: who may go on with a run, and for how long.

The attempt's id fences what others do: whoever was slow finds another attempt in the
row, or another holder, and changes nothing any more.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlmodel import col, select

from hutch.contract.problems import (
    AttemptEndedError,
    HutchError,
    UnauthenticatedError,
)
from hutch.contract.wire.accounts import Role
from hutch.contract.wire.datasets import State
from hutch.contract.wire.runs import RunState
from hutch_api.domain.access import Actor
from hutch_api.services import access
from hutch_api.services.work import Site, Work
from hutch_api.store.run_tables import Attempt, Run, RunInput
from hutch_api.store.tables import Dataset, Token, User

LEASE: Final = timedelta(seconds=60)
"""Renewed every few seconds; a runner that is gone for longer has lost its runs."""
HELD: Final = (RunState.RUNNING, RunState.CLOSING)
"""States of a run that somebody goes on with."""


class StoppedError(Exception):
    """A run may not go on; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to go on with a run, as one process has it.

    Attributes:
        attempt: The attempt that it goes on with.
        holder: The process.
    """

    run: UUID
    attempt: UUID
    holder: UUID


def hold(work: Work, lease: Lease, *states: RunState) -> Run:
    """Lock a run for whoever has its lease.

    Args:
        work: The transaction.
        lease: What the caller has.
        states: The states in which it may go on.

    Raises:
        AttemptEndedError: Others have the run, or it has ended.
    """
    row = work.session.exec(
        select(Run)
        .where(Run.id == lease.run)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()
    if (
        row is None
        or row.attempt_id != lease.attempt
        or row.holder != lease.holder
        or row.state not in (states or HELD)
    ):
        raise _ended(lease.attempt)
    return row


def renew(site: Site, lease: Lease) -> str | None:
    """Keep a lease, and look whether the run may still go on.

    Returns:
        Why it must stop, in words; None if it may go on.

    Raises:
        AttemptEndedError: Others have the run, or it has ended.
    """
    with site.begin() as work:
        run = hold(work, lease)
        run.leased_until = work.now + LEASE
        return why_stop(work, run)


def why_stop(work: Work, run: Run) -> str | None:
    """Tell why a run may not go on; None if it may.

    It runs on somebody's rights: with the user, the token or the right to read an
    input it ends.
    """
    if run.cancelled_at is not None:
        return "it was cancelled"
    actor = actor_of(work, run)
    try:
        access.require_active(work, actor)
        require_token(work, run)
        _require_inputs(work, run, actor)
    except HutchError as error:
        return error.detail
    return None


def require_live(work: Work, attempt: UUID) -> None:
    """Refuse a step whose attempt has ended, or whose run may not go on.

    Raises:
        AttemptEndedError: The attempt has no lease (any more), or was cancelled.
        UnauthenticatedError: The token that the run was begun by has ended.
    """
    run = work.session.exec(
        select(Run)
        .join(Attempt, col(Attempt.run_id) == col(Run.id))
        .where(Attempt.id == attempt, Run.attempt_id == attempt)
    ).first()
    if (
        run is None
        or run.state is not RunState.RUNNING
        or run.cancelled_at is not None
        or run.leased_until is None
        or run.leased_until <= work.now
    ):
        raise _ended(attempt)
    require_token(work, run)


def require_token(work: Work, run: Run) -> None:
    """Refuse to go on with a run whose token has ended.

    Raises:
        UnauthenticatedError: It was revoked, or has expired.
    """
    token = None if run.token_id is None else work.session.get(Token, run.token_id)
    if token is None:
        return
    if token.revoked_at is not None or token.expires_at <= work.now:
        raise UnauthenticatedError("the token that the run was begun by has ended")


def actor_of(work: Work, run: Run) -> Actor:
    """Act as the owner of a run, for the attempt that it is in."""
    user = work.session.get_one(User, run.owner_id)
    return Actor(
        user=user.id,
        name=user.name,
        role=Role(user.role),
        request_id=run.request_id,
        token=run.token_id,
        attempt=run.attempt_id,
    )


def _require_inputs(work: Work, run: Run, actor: Actor) -> None:
    wanted = work.session.exec(
        select(RunInput.name, RunInput.dataset_id).where(RunInput.run_id == run.id)
    ).all()
    readable = set(
        work.session.exec(
            select(Dataset.id).where(
                col(Dataset.id).in_([dataset for _, dataset in wanted]),
                Dataset.state == State.CLOSED,
                access.granted(actor),
            )
        )
    )
    for name, dataset in wanted:
        if dataset not in readable:
            raise UnauthenticatedError(
                f"{actor.name} may not read the input {name} any more"
            )


def _ended(attempt: UUID) -> AttemptEndedError:
    return AttemptEndedError(
        "this attempt at the run has ended; what it sends changes nothing",
        attempt=str(attempt),
    )

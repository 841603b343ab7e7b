"""Work that may outlast a request: who may go on with it, and how far it is.

An operation is leased: whoever holds the lease goes on with it, and anybody may
take over when it has run out. Every step is safe to repeat, so that a holder who
was only slow does no harm.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Update, or_, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from hutch.contract.problems import (
    HutchError,
    NotFoundError,
    StoreUnavailableError,
    from_problem,
    to_problem,
)
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import (
    AdoptedOut,
    OperationKind,
    OperationOut,
    OperationState,
    Right,
)
from hutch_api.domain.access import Actor
from hutch_api.services import access
from hutch_api.services.faults import as_database_fault
from hutch_api.services.work import Site, Work
from hutch_api.store.tables import Dataset, Operation, User

LEASE: Final = timedelta(minutes=2)
"""Renewed at every step; far longer than a step takes, a listing page at most."""
INLINE: Final = 1_000
"""Up to so many files an operation is done in the call; above, it is polled."""
RETRY: Final = timedelta(seconds=10)
"""How long a store that failed is left alone."""


DECIDED: Final = "closed_at"
"""Option of a close: when it was decided that the dataset is closed."""


class EndedError(Exception):
    """Others have ended the operation that somebody slow goes on with."""


def get_operation(work: Work, actor: Actor, operation: UUID) -> OperationOut:
    """Tell how far an operation is.

    Raises:
        NotFoundError: There is none, or the actor may not read its dataset.
    """
    access.require_scope(actor, Scope.READ)
    row = work.session.exec(
        select(Operation)
        .join(Dataset, col(Dataset.id) == col(Operation.dataset_id))
        .where(Operation.id == operation, access.granted(actor, Right.READ))
    ).first()
    if row is None:
        raise NotFoundError(
            f"there is no operation {operation}", operation=str(operation)
        )
    return operation_out(row)


def start(
    work: Work,
    actor: Actor,
    kind: OperationKind,
    dataset: Dataset,
    *,
    options: dict[str, Any],
    inline: bool = True,
) -> Operation:
    """Write the row of an operation; a small one is leased to the request itself.

    Args:
        work: The transaction that begins it.
        actor: Who asked.
        kind: What is to be done.
        dataset: To which dataset.
        options: What it needs to know when it is resumed.
        inline: Whether a request may do it, if it is small; it must not be one that
            reads files.
    """
    small = inline and dataset.files <= INLINE
    row = Operation(
        id=uuid4(),
        kind=kind,
        dataset_id=dataset.id,
        actor_id=actor.user,
        request_id=actor.request_id,
        options=options,
        state=OperationState.RUNNING,
        total=dataset.files,
        created_at=work.now,
        updated_at=work.now,
        leased_until=work.now + LEASE if small else None,
    )
    work.session.add(row)
    return row


def carry_out(
    site: Site, operation: Operation, proceed: Callable[[Site, Operation], None]
) -> OperationOut:
    """Do a small operation in the request that began it; a worker does a large one.

    Raises:
        HutchError: The error that it ended with.
    """
    if operation.leased_until is not None:
        try:
            proceed(site, operation)
        except StoreUnavailableError as error:
            hand_over(site, operation.id, error)
        except DBAPIError as error:
            if (cut := as_database_fault(error)) is None:
                raise
            hand_over(site, operation.id, cut)  # by another connection
    return outcome(site, operation.id)


def running(work: Work, dataset: UUID, kind: OperationKind) -> Operation | None:
    """Find the operation of this kind that a dataset is in."""
    return work.session.exec(
        select(Operation).where(
            Operation.dataset_id == dataset,
            Operation.kind == kind,
            Operation.state == OperationState.RUNNING,
        )
    ).first()


def claim(site: Site) -> Operation | None:
    """Take an operation that nobody goes on with; None if there is none."""
    with site.begin() as work:
        row = work.session.exec(
            select(Operation)
            .where(
                Operation.state == OperationState.RUNNING,
                or_(
                    col(Operation.leased_until).is_(None),
                    col(Operation.leased_until) < work.now,
                ),
            )
            .order_by(col(Operation.created_at))
            .with_for_update(skip_locked=True)
        ).first()
        if row is not None:
            row.leased_until = work.now + LEASE
        return row


def _update_running(operation: UUID) -> Update:
    """Begin the update of an operation that must not have ended."""
    return update(Operation).where(
        col(Operation.id) == operation,
        col(Operation.state) == OperationState.RUNNING,
    )


def advance(site: Site, operation: UUID, done: int) -> None:
    """Note how far an operation is, and keep the lease."""
    with site.begin() as work:
        work.session.exec(
            _update_running(operation).values(
                done=done,
                problem=None,
                updated_at=work.now,
                leased_until=work.now + LEASE,
            )
        )


def hand_over(site: Site, operation: UUID, why: HutchError) -> None:
    """Give the lease back, so that a worker goes on after a while.

    Whoever waits for the operation sees why it does not go on.
    """
    with site.begin() as work:
        work.session.exec(
            _update_running(operation).values(
                leased_until=work.now + RETRY, problem=to_problem(why)
            )
        )


def require_running(site: Site, operation: UUID) -> None:
    """Stop whoever goes on with an operation that has ended.

    Raises:
        EndedError: It has.
    """
    with site.look() as work:
        row = work.session.get_one(Operation, operation)
    if row.state is not OperationState.RUNNING:
        raise EndedError


def decided(operation: Operation) -> datetime | None:
    """Tell when it was decided that a dataset is closed; None if it was not yet."""
    at = operation.options.get(DECIDED)
    return None if at is None else datetime.fromisoformat(at)


def lock_running(work: Work, operation: UUID) -> Operation | None:
    """Lock an operation and see it as it is now; None if it has ended."""
    row = work.session.exec(
        select(Operation).where(Operation.id == operation).with_for_update()
    ).one()
    return row if row.state is OperationState.RUNNING else None


def end(
    work: Work, operation: UUID, *, problem: dict[str, Any] | None = None
) -> Operation | None:
    """End an operation, well or with a problem; None if it had ended before."""
    row = lock_running(work, operation)
    if row is None:
        return None
    row.state = OperationState.FAILED if problem else OperationState.DONE
    row.problem = problem
    row.done = row.done if problem else row.total
    row.updated_at = work.now
    row.leased_until = None
    return row


def outcome(site: Site, operation: UUID) -> OperationOut:
    """Tell what an operation came to.

    Raises:
        HutchError: The error that it ended with.
    """
    with site.look() as work:
        row = work.session.get_one(Operation, operation)
    if row.state is OperationState.FAILED:
        raise from_problem(row.problem or {})
    return operation_out(row)


def actor_of(work: Work, operation: Operation) -> Actor:
    """See who began an operation, for the audit rows of its end."""
    user = work.session.get_one(User, operation.actor_id)
    return Actor(
        user=user.id,
        name=user.name,
        role=user.role,
        request_id=operation.request_id,
    )


def operation_out(row: Operation) -> OperationOut:
    """Show an operation on the wire."""
    return OperationOut(
        id=row.id,
        kind=row.kind,
        dataset=row.dataset_id,
        state=row.state,
        done=row.done,
        total=row.total,
        created_at=row.created_at,
        updated_at=row.updated_at,
        problem=row.problem,
        result=None if row.result is None else _adopted(**row.result),
    )


def _adopted(problems: Iterable[dict[str, Any]] = (), **counts: int) -> AdoptedOut:
    return AdoptedOut(problems=tuple(problems), **counts)

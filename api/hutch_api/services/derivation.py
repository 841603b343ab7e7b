"""Deriving: a child names its parents by what they held when it was made."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import col, select

from hutch.contract.problems import (
    DatasetOpenError,
    InternalError,
    NotFoundError,
    ParentOpenError,
    TooLargeError,
)
from hutch.contract.wire.accounts import Scope
from hutch_api.domain import lifecycle
from hutch_api.domain.access import Actor
from hutch_api.services import access
from hutch_api.services.work import Work
from hutch_api.store.tables import Dataset, Input

MOST_PARENTS = 100


def lock_parents(work: Work, actor: Actor, parents: Sequence[UUID]) -> list[Dataset]:
    """Fetch the parents of a child-to-be, and keep them as they are until it exists.

    The rows are locked in the order of their ids, as deletion does, so that two
    transactions never wait for each other. Deleting one of them waits for this
    transaction, or this one sees that it is being deleted.

    Returns:
        The parents, in the order in which they were named.

    Raises:
        TokenInsufficientError: The token lacks the scope ``read``.
        TooLargeError: Too many parents.
        UnauthenticatedError: User or token ended while this waited for a lock.
        NotFoundError: One is not there, or not for the actor.
        ParentOpenError: One is open or being closed.
        DatasetBusyError: One is being deleted.
        DeletedError: One was deleted.
    """
    access.require_scope(actor, Scope.READ)
    if len(parents) > MOST_PARENTS:
        raise TooLargeError(
            f"inputs: {len(parents)}, {MOST_PARENTS} are allowed", field="inputs"
        )
    _readable(work, actor, parents)
    access.lock_datasets(work, parents, shared=True)
    # As in ``access.find``: a right may have gone while this waited.
    access.require_active(work, actor)
    rows = _readable(work, actor, parents)
    for row in rows:
        _require_closed(row)
    return rows


def add_inputs(work: Work, child: UUID, parents: Sequence[Dataset]) -> None:
    """Write the edges from a child to its locked parents.

    Raises:
        InternalError: A closed parent has no digest or seal.
    """
    for position, parent in enumerate(parents):
        if parent.digest is None or parent.seal is None:
            raise InternalError(f"{parent.id} is closed and has no seal")
        work.session.add(
            Input(
                child_id=child,
                position=position,
                parent_id=parent.id,
                digest=parent.digest,
                seal=parent.seal,
            )
        )


def _readable(work: Work, actor: Actor, parents: Sequence[UUID]) -> list[Dataset]:
    query = (
        select(Dataset)
        .where(col(Dataset.id).in_(parents), access.granted(actor))
        .execution_options(populate_existing=True)
    )
    found = {row.id: row for row in work.session.exec(query).all()}
    for parent in parents:
        if parent not in found:
            raise NotFoundError(f"there is no dataset {parent}", dataset=str(parent))
    return [found[parent] for parent in parents]


def _require_closed(row: Dataset) -> None:
    try:
        lifecycle.require_closed(row.state, name=row.name)
    except DatasetOpenError as error:
        raise ParentOpenError(
            error.detail, dataset=str(row.id), **error.facts
        ) from error

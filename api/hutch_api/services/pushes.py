"""A push: one working directory sending what changed."""

from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlmodel import col, select

from hutch.contract.problems import NotFoundError
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import Right
from hutch.contract.wire.transfer import PushOut
from hutch_api.domain.access import Actor
from hutch_api.domain.lifecycle import require_open
from hutch_api.services import access, audit
from hutch_api.services.work import Work
from hutch_api.store.tables import Dataset, Push

USED_EVERY: Final = timedelta(minutes=1)
"""A last use, of a push or of its account, is noted at most this often: each note is a
write."""


def start_push(work: Work, actor: Actor, dataset: UUID) -> PushOut:
    """Begin to send files into an open dataset."""
    row = access.find(
        work, actor, dataset, right=Right.WRITE, scope=Scope.WRITE, lock=True
    )
    require_open(row.state, name=row.name)
    push = Push(
        id=uuid4(),
        dataset_id=row.id,
        actor_id=actor.user,
        token_id=actor.token,
        created_at=work.now,
        used_at=work.now,
    )
    work.session.add(push)
    audit.record(work, actor, "push", row.id, push=str(push.id))
    return PushOut(id=push.id, dataset=row.id, created_at=push.created_at)


def get_push(work: Work, actor: Actor, push: UUID) -> PushOut:
    """Tell about a push of one's own."""
    row, dataset = find_push(work, actor, push)
    return PushOut(id=row.id, dataset=dataset.id, created_at=row.created_at)


def find_push(
    work: Work, actor: Actor, push: UUID, *, lock: bool = False
) -> tuple[Push, Dataset]:
    """Fetch a push of one's own with its dataset, which may be in any state.

    Args:
        work: The transaction.
        actor: Who asks: only the user who started a push can use it.
        push: Which one.
        lock: Keep others from changing the dataset until the transaction ends.

    Raises:
        NotFoundError: There is no such push, it is somebody else's, or its dataset
            is not there for the actor.
        ForbiddenError: The right to write has been lost.
    """
    access.require_scope(actor, Scope.WRITE)
    row = work.session.exec(
        select(Push)
        .join(Dataset, col(Dataset.id) == col(Push.dataset_id))
        .where(Push.id == push, Push.actor_id == actor.user, access.granted(actor))
    ).first()
    if row is None:
        raise NotFoundError(f"there is no push {push}", push=str(push))
    dataset = access.find(
        work, actor, row.dataset_id, right=Right.WRITE, scope=Scope.WRITE, lock=lock
    )
    if lock and work.now - row.used_at > USED_EVERY:
        row.used_at = work.now
    return row, dataset

"""Who reaches which dataset: the one place that decides it.

Single fetches and lists use the same predicate, so that they cannot disagree.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, literal, or_, union_all
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from hutch.contract.problems import (
    ForbiddenError,
    NotFoundError,
    TokenInsufficientError,
    UnauthenticatedError,
)
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import Right
from hutch_api.domain.access import Actor, holds
from hutch_api.services.work import Work
from hutch_api.store.tables import Dataset, Member, Share, Token, User

_ORDER: Final = (Right.READ, Right.WRITE, Right.OWN)


def require_scope(actor: Actor, scope: Scope) -> None:
    """Refuse what the token was not made for.

    This comes before any look at data: the answer is the same whether or not the
    thing exists.

    Raises:
        TokenInsufficientError: The token lacks the scope.
    """
    if scope not in actor.limits.scopes:
        raise TokenInsufficientError(
            f"this token does not carry the scope '{scope}'; log in again or make a "
            f"token with it",
            scope=scope,
        )


def require_run_scope(actor: Actor) -> None:
    """Refuse a token that is not for runs, nor for what they are made of.

    Raises:
        TokenInsufficientError: It lacks the scope ``run``, or reaches certain datasets
            only: what a run makes would not be among them.
    """
    require_scope(actor, Scope.RUN)
    if actor.limits.datasets is not None:
        raise TokenInsufficientError(
            "this token reaches certain datasets only and cannot run anything; use a "
            "token without such a limit"
        )


def granted(actor: Actor, right: Right = Right.READ) -> ColumnElement[bool]:
    """Build the condition under which an actor has a right on a row of ``Dataset``.

    What an attempt at a run fills is there for that attempt only, until it is closed.
    """
    owned = col(Dataset.owner_id) == actor.user
    reached = owned if right is Right.OWN else or_(owned, _shared(actor, right))
    reached = and_(reached, _is_shown(actor))
    if actor.limits.datasets is None:
        return reached
    return and_(reached, col(Dataset.id).in_(actor.limits.datasets))


def reached_at_most(work: Work, actor: Actor, most: int) -> Sequence[UUID] | None:
    """List the datasets that an actor may reach; None if they are more than ``most``.

    It only narrows down where to look: ``granted`` decides. What a token cannot reach
    is not counted: else it would show in what the database is asked next.
    """
    if actor.limits.datasets is not None:
        return sorted(actor.limits.datasets)
    reached = union_all(
        select(Dataset.id).where(Dataset.owner_id == actor.user),
        select(Share.dataset_id).where(Share.user_id == actor.user),
        select(Share.dataset_id).where(col(Share.group_id).in_(_groups(actor))),
    ).limit(most + 1)
    found = [row[0] for row in work.session.connection().execute(reached)]
    return found if len(found) <= most else None


def right_of(actor: Actor) -> ColumnElement[Right | None]:
    """Build the column that tells an actor's strongest right on a dataset."""
    return case(
        *((granted(actor, right), literal(right.value)) for right in reversed(_ORDER)),
        else_=None,
    )


def find(
    work: Work,
    actor: Actor,
    dataset: UUID,
    *,
    right: Right,
    scope: Scope,
    lock: bool = False,
) -> Dataset:
    """Fetch a dataset for somebody who wants to use a right on it.

    Args:
        work: The transaction.
        actor: Who asks.
        dataset: Which one.
        right: What they need on it.
        scope: What their token must be good for.
        lock: Keep others from changing the row until the transaction ends.

    Raises:
        TokenInsufficientError: The token lacks the scope.
        UnauthenticatedError: User or token ended while this waited for the lock.
        NotFoundError: There is none, or the actor may not read it.
        ForbiddenError: The actor may read it, but not do this.
    """
    require_scope(actor, scope)
    row, given = _reached(work, actor, dataset)
    if lock:
        # Not before it is known to be there for the actor: whoever may not read it
        # would hold up those who do, and see by their own waiting that it exists.
        lock_datasets(work, [dataset])
        # A statement that waits for a lock sees the rights of before its wait.
        require_active(work, actor)
        row, given = _reached(work, actor, dataset)
    if not holds(None if given is None else Right(given), right):
        raise ForbiddenError(
            f"you have the right '{given}' on {row.name}; this needs '{right}'",
            dataset=str(dataset),
            right=given,
        )
    return row


def lock_datasets(
    work: Work, datasets: Iterable[UUID], *, shared: bool = False
) -> None:
    """Keep others from changing these rows until the transaction ends.

    Whoever changes a dataset's rights, uploads or store accounts holds this lock;
    it is taken in the order of the ids, so that nobody waits for each other.

    Args:
        work: The transaction.
        datasets: Which ones.
        shared: Let others keep them as they are at the same time.
    """
    work.session.exec(
        select(Dataset.id)
        .where(col(Dataset.id).in_(datasets))
        .order_by(col(Dataset.id))
        .with_for_update(read=shared)
    ).all()


def require_active(work: Work, actor: Actor) -> None:
    """Refuse somebody who was disabled, or whose token ended, since they came.

    Raises:
        UnauthenticatedError: They were, or it did.
    """
    disabled = select(User.disabled_at).where(User.id == actor.user)
    revoked = select(Token.revoked_at).where(Token.id == actor.token)
    if work.session.exec(disabled).one() or work.session.exec(revoked).first():
        raise UnauthenticatedError("this token was revoked; log in again")


def keep_active(work: Work, actor: Actor) -> None:
    """Keep a user from being disabled, and their token from being revoked, for now.

    Until the transaction ends, so that whoever does that afterwards finds what was
    given here. To be taken before the lock of a dataset, as by those who do that.

    Raises:
        UnauthenticatedError: It has happened already.
    """
    for row in (
        select(User.id).where(User.id == actor.user),
        select(Token.id).where(Token.id == actor.token),
    ):
        work.session.exec(row.with_for_update(read=True)).all()
    require_active(work, actor)


def _reached(work: Work, actor: Actor, dataset: UUID) -> tuple[Dataset, Right | None]:
    query = (
        select(Dataset, right_of(actor))
        .where(Dataset.id == dataset, granted(actor))
        .execution_options(populate_existing=True)
    )
    found = work.session.exec(query).first()
    if found is None:
        raise NotFoundError(f"there is no dataset {dataset}", dataset=str(dataset))
    return found


def _is_shown(actor: Actor) -> ColumnElement[bool]:
    shown = col(Dataset.attempt_id).is_(None)
    if actor.attempt is None:
        return shown
    return or_(shown, col(Dataset.attempt_id) == actor.attempt)


def _shared(actor: Actor, right: Right) -> ColumnElement[bool]:
    groups = _groups(actor)
    found = select(Share.id).where(
        col(Share.dataset_id) == col(Dataset.id),
        col(Share.right).in_(_ORDER[_ORDER.index(right) :]),
        or_(col(Share.user_id) == actor.user, col(Share.group_id).in_(groups)),
    )
    # Not EXISTS: PostgreSQL would first gather all that is shared with the groups.
    return found.limit(1).correlate(Dataset).scalar_subquery().is_not(None)


def _groups(actor: Actor) -> SelectOfScalar[UUID]:
    return select(Member.group_id).where(Member.user_id == actor.user)

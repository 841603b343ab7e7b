"""What was done to a dataset, by whom, when."""

from uuid import UUID

from sqlmodel import col, select

from hutch.contract.problems import InvalidInputError
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import AuditOut, AuditPage, Right
from hutch_api.domain.access import Actor
from hutch_api.services import access
from hutch_api.services.catalogue import LONGEST_PAGE
from hutch_api.services.work import Work
from hutch_api.store.tables import Audit, User

SERVER = "server"
"""Who did what no user asked for: sweeps, expiry, commands of the administrator."""
_LARGEST_ID = 2**63 - 1


def list_audit(
    work: Work,
    actor: Actor,
    dataset: UUID,
    *,
    after: str | None = None,
    limit: int = 100,
) -> AuditPage:
    """List the changes of a dataset, the newest first.

    Args:
        work: The transaction.
        actor: Who asks; everybody who may read a dataset may know what became of it.
        dataset: Which one.
        after: Cursor of the page before.
        limit: Longest page, 1 to 1,000.

    Raises:
        TokenInsufficientError: The token lacks the scope ``read``.
        NotFoundError: No such dataset for the actor.
        InvalidInputError: The cursor or the limit is not allowed.
    """
    access.find(work, actor, dataset, right=Right.READ, scope=Scope.READ)
    if not 1 <= limit <= LONGEST_PAGE:
        raise InvalidInputError(
            f"limit: {limit} is not within 1 to {LONGEST_PAGE}", field="limit"
        )
    query = (
        select(Audit, User.name)
        .outerjoin(User, col(User.id) == col(Audit.actor_id))
        .where(Audit.dataset_id == dataset)
        .order_by(col(Audit.id).desc())
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(col(Audit.id) < _number(after))
    rows = work.session.exec(query).all()
    items = rows[:limit]
    return AuditPage(
        items=tuple(
            AuditOut(
                at=row.at,
                actor=name or SERVER,
                action=row.action,
                facts=row.facts,
                request_id=row.request_id,
            )
            for row, name in items
        ),
        next=str(items[-1][0].id) if len(rows) > limit else None,
    )


def _number(after: str) -> int:
    if not (after.isascii() and after.isdigit()) or int(after[:20]) > _LARGEST_ID:
        raise InvalidInputError(
            "after: is not a cursor; give the 'next' of the page before", field="after"
        )
    return int(after)

"""Shares: rights on a dataset, given to users and groups by its owner."""

from uuid import UUID, uuid4

from sqlalchemy import func
from sqlmodel import col, select

from hutch.contract.problems import ConflictError, NotFoundError
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.checks import NAME
from hutch.contract.wire.datasets import (
    PrincipalKind,
    Right,
    ShareIn,
    ShareList,
    ShareOut,
)
from hutch_api.domain import lifecycle
from hutch_api.domain.access import Actor, holds
from hutch_api.services import access, audit, groups, revocation, users
from hutch_api.services.work import Work
from hutch_api.store.tables import Group, Share, User


def share(
    work: Work,
    actor: Actor,
    dataset: UUID,
    *,
    kind: PrincipalKind,
    name: str,
    wanted: ShareIn,
) -> ShareOut:
    """Give a user or a group a right on a dataset, in place of the one they had.

    Raises:
        TokenInsufficientError: The token lacks the scope ``share``.
        NotFoundError: No such dataset, user or group for the actor.
        ForbiddenError: The actor does not own the dataset.
        ConflictError: The user owns the dataset.
        DeletedError: The dataset is gone.
    """
    access.find(work, actor, dataset, right=Right.OWN, scope=Scope.SHARE)
    if kind is PrincipalKind.USER:
        user, group = users.named(work, name).id, None
    else:
        user, group = None, groups.visible_group(work, actor, name, keep=True).id
    row = access.find(
        work, actor, dataset, right=Right.OWN, scope=Scope.SHARE, lock=True
    )
    lifecycle.require_readable(row.state, name=row.name)
    if user == row.owner_id:
        raise ConflictError(f"{name} owns {row.name} and may do everything with it")
    given = work.session.exec(
        select(Share).where(
            Share.dataset_id == dataset, Share.user_id == user, Share.group_id == group
        )
    ).first()
    if given is None:
        given = Share(
            id=uuid4(),
            dataset_id=dataset,
            user_id=user,
            group_id=group,
            right=wanted.right,
            since=work.now,
        )
        before = None
    else:
        before, given.right, given.since = given.right, wanted.right, work.now
    work.session.add(given)
    audit.record(work, actor, "share", dataset, kind=kind, to=name, right=wanted.right)
    work.session.flush()
    if before is not None and not holds(wanted.right, before):
        revocation.write_lost(work, dataset=dataset)
    return ShareOut(kind=kind, name=name, right=wanted.right, since=work.now)


def unshare(
    work: Work, actor: Actor, dataset: UUID, *, kind: PrincipalKind, name: str
) -> None:
    """Take back what was given to a user or a group.

    Raises:
        TokenInsufficientError: The token lacks the scope ``share``.
        NotFoundError: No such dataset for the actor, or no such share.
        ForbiddenError: The actor does not own the dataset.
    """
    row = access.find(
        work, actor, dataset, right=Right.OWN, scope=Scope.SHARE, lock=True
    )
    query = select(Share).where(Share.dataset_id == dataset)
    if kind is PrincipalKind.USER:
        query = query.join(User, col(User.id) == col(Share.user_id)).where(
            User.name == name
        )
    else:
        query = query.join(Group, col(Group.id) == col(Share.group_id)).where(
            Group.name == name
        )
    given = work.session.exec(query).first() if NAME.fullmatch(name) else None
    if given is None:
        raise NotFoundError(f"{row.name} is not shared with {kind} {name[:100]}")
    right = given.right
    work.session.delete(given)
    audit.record(work, actor, "unshare", dataset, kind=kind, to=name, right=right)
    work.session.flush()
    if holds(right, Right.WRITE):
        revocation.write_lost(work, dataset=dataset)
    else:
        revocation.read_lost(work, dataset=dataset)


def list_shares(work: Work, actor: Actor, dataset: UUID) -> ShareList:
    """List who was given what on a dataset, users first, by name.

    Raises:
        TokenInsufficientError: The token lacks the scope ``read``.
        NotFoundError: No such dataset for the actor.
    """
    access.find(work, actor, dataset, right=Right.READ, scope=Scope.READ)
    rows = work.session.exec(
        select(Share, func.coalesce(User.name, Group.name))
        .outerjoin(User, col(User.id) == col(Share.user_id))
        .outerjoin(Group, col(Group.id) == col(Share.group_id))
        .where(Share.dataset_id == dataset)
    ).all()
    found = [
        ShareOut(
            kind=PrincipalKind.GROUP if row.group_id else PrincipalKind.USER,
            name=name,
            right=Right(row.right),
            since=row.since,
        )
        for row, name in rows
    ]
    return ShareList(
        items=tuple(
            sorted(found, key=lambda s: (s.kind is PrincipalKind.GROUP, s.name))
        )
    )

"""Groups: named sets of users, managed by the user who made them.

A group exists for its owner and its members; nobody else sees it or shares with it,
so that a look-alike name made by a stranger is never shared with by mistake.
"""

from collections.abc import Mapping
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, exists, func, or_
from sqlmodel import col, select

from hutch.contract.problems import (
    ForbiddenError,
    NameTakenError,
    NotFoundError,
    TokenInsufficientError,
)
from hutch.contract.wire.accounts import GroupIn, GroupList, GroupOut, Scope
from hutch.contract.wire.checks import NAME
from hutch.contract.wire.datasets import Right
from hutch_api.domain.access import Actor
from hutch_api.services import access, audit, revocation, users
from hutch_api.services.work import Work
from hutch_api.store.conflicts import written
from hutch_api.store.tables import Group, Member, Share, User


def create_group(work: Work, actor: Actor, wanted: GroupIn) -> GroupOut:
    """Make a group; the actor owns it and is its first member.

    Raises:
        NameTakenError: There is such a group, even if the actor cannot see it.
    """
    _require_account(actor)
    taken = NameTakenError(
        f"there is a group {wanted.name} already; choose another name", name=wanted.name
    )
    query = select(Group.id).where(func.lower(Group.name) == wanted.name.lower())
    if work.session.exec(query).first() is not None:
        raise taken
    row = Group(id=uuid4(), name=wanted.name, owner_id=actor.user, created_at=work.now)
    if not written(work.session, row, "name"):
        raise taken
    work.session.add(Member(group_id=row.id, user_id=actor.user))
    audit.record(work, actor, "create-group", group=row.name)
    work.session.flush()
    return _groups_out(work, [row])[0]


def list_groups(work: Work, actor: Actor) -> GroupList:
    """List the groups that the actor owns or belongs to, by name."""
    access.require_scope(actor, Scope.ACCOUNT)
    query = select(Group).where(_visible(actor)).order_by(Group.name)
    rows = list(work.session.exec(query).all())
    return GroupList(items=tuple(_groups_out(work, rows)))


def get_group(work: Work, actor: Actor, name: str) -> GroupOut:
    """Show a group to its owner or a member.

    Raises:
        NotFoundError: There is none, or not for the actor.
    """
    access.require_scope(actor, Scope.ACCOUNT)
    return _groups_out(work, [visible_group(work, actor, name)])[0]


def delete_group(work: Work, actor: Actor, name: str) -> None:
    """Delete a group and every share that it was given.

    Raises:
        NotFoundError: There is none, or not for the actor.
        ForbiddenError: The actor is a member, not the owner.
    """
    _require_account(actor)
    row = _owned(work, actor, name)
    reached = _lock_shared(work, row.id)
    work.session.delete(row)
    writable = sum(right is Right.WRITE for right in reached.values())
    audit.record(work, actor, "delete-group", group=name, shares=writable)
    work.session.flush()
    _tell_lost(work, reached)


def add_member(work: Work, actor: Actor, name: str, user: str) -> GroupOut:
    """Take a user into a group; one who is in it stays in it.

    Raises:
        NotFoundError: There is no such group for the actor, or no such user.
        ForbiddenError: The actor is a member, not the owner.
    """
    _require_account(actor)
    row = _owned(work, actor, name)
    member = users.named(work, user)
    if work.session.get(Member, (row.id, member.id)) is None:
        work.session.add(Member(group_id=row.id, user_id=member.id))
        audit.record(work, actor, "add-member", group=name, user=user)
        work.session.flush()
    return _groups_out(work, [row])[0]


def remove_member(work: Work, actor: Actor, name: str, user: str) -> GroupOut:
    """Take a user out of a group, with all rights that they had through it.

    Raises:
        NotFoundError: There is no such group for the actor, or no such member.
        ForbiddenError: The actor is a member, not the owner.
    """
    _require_account(actor)
    row = _owned(work, actor, name)
    query = (
        select(Member)
        .join(User, col(User.id) == col(Member.user_id))
        .where(Member.group_id == row.id, User.name == user)
    )
    member = work.session.exec(query).first() if NAME.fullmatch(user) else None
    if member is None:
        raise NotFoundError(f"{user[:100]} is not in the group {name}", group=name)
    reached = _lock_shared(work, row.id)
    work.session.delete(member)
    audit.record(work, actor, "remove-member", group=name, user=user)
    work.session.flush()
    _tell_lost(work, reached)
    return _groups_out(work, [row])[0]


def visible_group(work: Work, actor: Actor, name: str, *, keep: bool = False) -> Group:
    """Fetch a group that the actor owns or belongs to.

    Args:
        work: The transaction.
        actor: Who asks.
        name: Of the group.
        keep: Let it neither end nor lose a member until the transaction ends. To be
            taken before the lock of a dataset, as by those who do that.

    Raises:
        NotFoundError: There is none, or not for the actor.
    """
    query = select(Group).where(Group.name == name, _visible(actor))
    if keep:
        query = query.with_for_update(read=True)
    row = work.session.exec(query).first() if NAME.fullmatch(name) else None
    if row is None:
        raise NotFoundError(f"there is no group {name[:100]}", group=name)
    return row


def _require_account(actor: Actor) -> None:
    access.require_scope(actor, Scope.ACCOUNT)
    if actor.limits.datasets is not None:
        raise TokenInsufficientError(
            "this token reaches certain datasets only, and a group may reach others; "
            "use a token without such a limit"
        )


def _visible(actor: Actor) -> ColumnElement[bool]:
    belongs = exists().where(
        col(Member.group_id) == col(Group.id), col(Member.user_id) == actor.user
    )
    return or_(col(Group.owner_id) == actor.user, belongs)


def _owned(work: Work, actor: Actor, name: str) -> Group:
    query = (
        select(Group)
        .where(Group.name == name, _visible(actor))
        .with_for_update(key_share=True)  # shares that refer to it need not wait
    )
    row = work.session.exec(query).first() if NAME.fullmatch(name) else None
    if row is None:
        raise NotFoundError(f"there is no group {name[:100]}", group=name)
    if row.owner_id != actor.user:
        raise ForbiddenError(f"only its owner manages the group {name}", group=name)
    return row


def _lock_shared(work: Work, group: UUID) -> dict[UUID, Right]:
    """Lock the datasets shared with a group, before it or a member goes.

    Whoever changes a right, or makes an account for one, holds its dataset's lock.

    Returns:
        The right that the group was given on each, in the order of the ids.
    """
    shared = (
        select(Share.dataset_id, Share.right)
        .where(Share.group_id == group)
        .order_by(col(Share.dataset_id))
    )
    access.lock_datasets(work, dict(work.session.exec(shared).all()))
    return {d: Right(right) for d, right in work.session.exec(shared).all()}


def _tell_lost(work: Work, reached: Mapping[UUID, Right]) -> None:
    """End what somebody had through a group, on each dataset that it reached."""
    tools = revocation.with_tool_accounts(work, reached)
    for dataset, right in reached.items():
        if right is Right.WRITE:
            revocation.write_lost(work, dataset=dataset)
        elif dataset in tools:
            revocation.read_lost(work, dataset=dataset)


def _groups_out(work: Work, rows: list[Group]) -> list[GroupOut]:
    owners = work.session.exec(
        select(User.id, User.name).where(col(User.id).in_({r.owner_id for r in rows}))
    ).all()
    members = work.session.exec(
        select(Member.group_id, User.name)
        .join(User, col(User.id) == col(Member.user_id))
        .where(col(Member.group_id).in_([r.id for r in rows]))
        .order_by(User.name)
    ).all()
    names = dict(owners)
    return [
        GroupOut(
            name=row.name,
            owner=names[row.owner_id],
            members=tuple(name for group, name in members if group == row.id),
            created_at=row.created_at,
        )
        for row in rows
    ]

"""Datasets: made, described, handed over."""

from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlmodel import col, delete, select

from hutch.contract.problems import (
    DatasetBusyError,
    ForbiddenError,
    InvalidInputError,
    NameTakenError,
    NotFoundError,
    PreconditionFailedError,
    TokenInsufficientError,
)
from hutch.contract.wire.accounts import Role, Scope
from hutch.contract.wire.datasets import (
    DatasetIn,
    DatasetOut,
    DatasetPatch,
    OwnerIn,
    Right,
    State,
)
from hutch_api.domain import attributes, lifecycle, types
from hutch_api.domain.access import Actor
from hutch_api.services import about, access, audit, derivation, revocation, users
from hutch_api.services.catalogue import (
    dataset_out,
    etag,
    get_dataset,
    list_datasets,
)
from hutch_api.services.work import Work
from hutch_api.store.conflicts import written
from hutch_api.store.tables import Dataset, Share, User

__all__ = [
    "create_dataset",
    "dataset_out",
    "etag",
    "get_dataset",
    "give_dataset",
    "list_datasets",
    "patch_dataset",
    "show_made",
]

_TICK: Final = timedelta(microseconds=1)
"""Every change moves ``updated_at``, so that no two states share an ETag."""


def create_dataset(work: Work, actor: Actor, wanted: DatasetIn) -> DatasetOut:
    """Make an empty open dataset; with inputs it is derived from them.

    A beamline account may make one for somebody else and keeps ``write`` by a share,
    which the owner can see and take back.

    Raises:
        TokenInsufficientError: The token lacks ``create`` (and ``read`` to derive),
            or reaches certain datasets only.
        ForbiddenError: Only a beamline account makes datasets for others.
        NotFoundError: No such owner, or a parent is not there or not for the actor.
        NameTakenError: The owner has a dataset of this name, and the actor sees it.
        InvalidInputError: The type or the attributes cannot be stored.
        TooLargeError: The attributes are too large.
        ParentOpenError: A parent is not closed.
        DatasetBusyError: A parent is being deleted.
        DeletedError: A parent was deleted.
    """
    _require_maker(actor)
    owner = _owner(work, actor, wanted.owner)
    owner_name = owner.name
    kind = _type(wanted.type)
    given = attributes.merge({}, wanted.attributes)
    attributes.require_storable(given)
    parents = (
        derivation.lock_parents(work, actor, wanted.inputs) if wanted.inputs else []
    )
    _require_free(work, actor, owner, wanted.name)
    row = Dataset(
        id=uuid4(),
        name=wanted.name,
        name_is_unique=owner.id == actor.user,
        owner_id=owner.id,
        creator_id=actor.user,
        type=kind.name,
        type_version=kind.version,
        attributes=given,
        description=wanted.description,
        keywords=list(wanted.keywords),
        state=State.OPEN,
        correction=wanted.correction,
        created_at=work.now,
        updated_at=work.now,
    )
    if not written(work.session, row, "owner_id", "name"):
        raise _name_taken(owner_name, wanted.name)
    derivation.add_inputs(work, row.id, parents)
    if owner.id != actor.user:
        work.session.add(_share(work, row.id, actor.user, Right.WRITE))
    facts = {"inputs": [str(parent) for parent in wanted.inputs]} if parents else {}
    action = "derive" if parents else "create"
    audit.record(work, actor, action, row.id, name=row.name, owner=owner.name, **facts)
    work.session.flush()
    return dataset_out(work, actor, row)


def show_made(work: Work, actor: Actor, dataset: UUID) -> DatasetOut:
    """Show a dataset again to the one whose repeated request has made it.

    That answer belongs to the scope ``create``, as the first one did.

    Raises:
        TokenInsufficientError: The token could not have made it.
        NotFoundError: It is not for the actor any more.
    """
    _require_maker(actor)
    row = work.session.get_one(Dataset, dataset)
    return dataset_out(work, actor, row)


def patch_dataset(
    work: Work,
    actor: Actor,
    dataset: UUID,
    patch: DatasetPatch,
    *,
    if_match: str | None = None,
) -> DatasetOut:
    """Change what may still change of a dataset.

    Attributes change while it is open, with ``write``. Name, description and
    keywords lie outside the seal: the owner may change them later too.

    Args:
        work: The transaction.
        actor: Who asks.
        dataset: Which one.
        patch: What to change.
        if_match: The ETag that the caller has seen; None or ``*`` means any.

    Raises:
        TokenInsufficientError: The token lacks the scope ``write``.
        NotFoundError: No such dataset for the actor.
        ForbiddenError: The actor lacks the right.
        PreconditionFailedError: The dataset has changed since.
        DatasetClosedError: Attributes of a closed dataset stay as they are.
        DatasetBusyError: It is being closed.
        DeletedError: It is gone.
        NameTakenError: The owner has another dataset of this name.
        InvalidInputError: The attributes cannot be stored.
        TooLargeError: The attributes are too large.
    """
    changed = [
        field
        for field in ("name", "description", "keywords", "attributes")
        if getattr(patch, field) is not None
    ]
    right = Right.WRITE if changed == ["attributes"] else Right.OWN
    row = access.find(work, actor, dataset, right=right, scope=Scope.WRITE, lock=True)
    lifecycle.require_readable(row.state, name=row.name)
    _require_match(row, if_match)
    if patch.name is not None and patch.name != row.name:
        _require_free(work, actor, work.session.get_one(User, actor.user), patch.name)
        row.name_is_unique = actor.limits.datasets is None
    facts = _apply(row, patch)
    if changed:
        _touch(work, row)
        about.changed(work, row)
        if not written(work.session, row, "owner_id", "name"):
            raise NameTakenError(
                f"there is a dataset {patch.name} already; choose another name",
                name=patch.name,
            )
        audit.record(work, actor, "patch", dataset, fields=changed, **facts)
        work.session.flush()
    return dataset_out(work, actor, row)


def give_dataset(
    work: Work, actor: Actor, dataset: UUID, wanted: OwnerIn
) -> DatasetOut | None:
    """Give a dataset to another owner.

    The former owner keeps ``read`` by a share, which the new owner can take back. An
    administrator may give what belongs to a disabled user, without seeing it.

    Returns:
        The dataset as the actor sees it now; None if they may not.

    Raises:
        TokenInsufficientError: The token lacks the scope ``share``.
        NotFoundError: No such dataset for the actor, or no such user.
        ForbiddenError: The actor does not own it.
        DatasetBusyError: It is being closed.
        DeletedError: It is gone.
        NameTakenError: The new owner has a dataset of this name, and the actor sees
            it.
    """
    access.require_scope(actor, Scope.SHARE)
    row, seen = _givable(work, actor, dataset)
    shown = row.name if seen else f"dataset {dataset}"
    lifecycle.require_readable(row.state, name=shown)
    if row.state is State.CLOSING:
        raise DatasetBusyError(
            f"{shown} is being closed; give it away when that is over",
            state=row.state,
        )
    receiver = users.named(work, wanted.owner)
    if receiver.id != row.owner_id:
        if seen:
            _require_free(work, actor, receiver, row.name)
        _hand_over(work, actor, row, receiver)
    try:
        return dataset_out(work, actor, row)
    except NotFoundError:
        return None


def _hand_over(work: Work, actor: Actor, row: Dataset, receiver: User) -> None:
    former, new = row.owner_id, receiver.name
    old = work.session.get_one(User, former).name
    row.owner_id = receiver.id
    row.name_is_unique = False  # whether it is, only the new owner may know
    _touch(work, row)
    about.changed(work, row)
    work.session.exec(
        delete(Share).where(
            col(Share.dataset_id) == row.id,
            col(Share.user_id).in_([former, receiver.id]),
        )
    )
    if former == actor.user:
        work.session.add(_share(work, row.id, former, Right.READ))
    audit.record(work, actor, "give", row.id, old=old, new=new)
    work.session.flush()
    revocation.write_lost(work, dataset=row.id)


def _apply(row: Dataset, patch: DatasetPatch) -> dict[str, str]:
    if patch.attributes is not None:
        lifecycle.require_open(row.state, name=row.name)
        row.attributes = attributes.merge(row.attributes, patch.attributes)
        attributes.require_storable(row.attributes)
    if patch.description is not None:
        row.description = patch.description
    if patch.keywords is not None:
        row.keywords = list(patch.keywords)
    if patch.name is None:
        return {}
    facts = {"old_name": row.name, "new_name": patch.name}
    row.name = patch.name
    return facts


def _type(name: str) -> types.Type:
    found = types.latest(name)
    if found is None:
        known = ", ".join(sorted({known for known, _ in types.TYPES}))
        raise InvalidInputError(
            f"type: there is no type {name[:100]!r}; known are {known}", field="type"
        )
    return found


def _owner(work: Work, actor: Actor, name: str | None) -> User:
    if name is None or name == actor.name:
        return work.session.get_one(User, actor.user)
    if actor.role is not Role.BEAMLINE:
        raise ForbiddenError(
            "only a beamline account makes datasets for others; make it yourself and "
            "hand it over with 'hutch give'"
        )
    return users.named(work, name)


def _givable(work: Work, actor: Actor, dataset: UUID) -> tuple[Dataset, bool]:
    """Find what the actor may give away, and whether they see it."""
    try:
        row = access.find(
            work, actor, dataset, right=Right.OWN, scope=Scope.SHARE, lock=True
        )
    except (NotFoundError, ForbiddenError):
        if actor.role is not Role.ADMIN or not actor.limits.reaches(dataset):
            raise
        orphan = work.session.exec(
            select(Dataset)
            .join(User, col(User.id) == col(Dataset.owner_id))
            .where(
                Dataset.id == dataset,
                col(User.disabled_at).is_not(None),
                col(Dataset.attempt_id).is_(None),
            )
            .with_for_update(of=Dataset)
        ).first()
        if orphan is None:
            raise
        return orphan, False
    return row, True


def _require_maker(actor: Actor) -> None:
    access.require_scope(actor, Scope.CREATE)
    if actor.limits.datasets is not None:
        raise TokenInsufficientError(
            "this token reaches certain datasets only and cannot make another one; "
            "use a token without such a limit"
        )


def _require_free(work: Work, actor: Actor, owner: User, name: str) -> None:
    """Refuse a name that another dataset of the owner has, if the actor sees that one.

    To be refused because of one they do not see would tell them that it exists.
    """
    query = select(Dataset.id).where(
        Dataset.owner_id == owner.id,
        Dataset.name == name,
        col(Dataset.state) != State.DELETED,
        access.granted(actor),
    )
    if work.session.exec(query).first() is not None:
        raise _name_taken(owner.name, name)


def _touch(work: Work, row: Dataset) -> None:
    row.updated_at = max(work.now, row.updated_at + _TICK)


def _require_match(row: Dataset, if_match: str | None) -> None:
    if if_match is None or if_match.strip() == "*":
        return
    if etag(row) not in {seen.strip() for seen in if_match.split(",")}:
        raise PreconditionFailedError(
            f"{row.name} has changed since you looked; look again and repeat",
            dataset=str(row.id),
        )


def _name_taken(owner: str, name: str) -> NameTakenError:
    return NameTakenError(
        f"{owner} has a dataset {name} already; choose another name", name=name
    )


def _share(work: Work, dataset: UUID, user: UUID, right: Right) -> Share:
    return Share(
        id=uuid4(), dataset_id=dataset, user_id=user, right=right, since=work.now
    )

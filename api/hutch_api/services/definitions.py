"""Definitions: programs that were registered once, and never change."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import tuple_
from sqlmodel import col, func, select

from hutch.contract.manifest import canonical_json
from hutch.contract.problems import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NameTakenError,
    NotFoundError,
)
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.definitions import (
    DefinitionIn,
    DefinitionList,
    DefinitionOut,
    InputType,
    OutputType,
    Resources,
    Target,
)
from hutch_api.domain import parameters, system, types
from hutch_api.domain.access import Actor
from hutch_api.services import access, audit, images
from hutch_api.services.work import Work
from hutch_api.store.conflicts import written
from hutch_api.store.run_tables import Definition
from hutch_api.store.tables import User

HUTCH: Final = "hutch"
"""Who is named as the owner of what came with hutch."""
_MOST_LISTED: Final = 1_000


def add_definition(work: Work, actor: Actor, wanted: DefinitionIn) -> DefinitionOut:
    """Register a program: the next version under its name.

    What is there already in the newest version is given as it is.

    Raises:
        TokenInsufficientError: The token lacks the scope ``run``, or reaches certain
            datasets only.
        NameTakenError: The name belongs to somebody else.
        InvalidInputError: A type does not exist, or the parameters are no schema.
        ConflictError: Somebody added a version at the same time.
    """
    access.require_run_scope(actor)
    for kind in (wanted.output.type, *(i.type for i in wanted.inputs.values())):
        _require_type(kind)
    parameters.require_schema(wanted.parameters)
    newest = newest_of(work, wanted.name)
    if newest is not None and newest.owner_id != actor.user:
        raise NameTakenError(
            f"there is a definition {wanted.name} of somebody else; choose another "
            "name",
            name=wanted.name,
        )
    row = Definition(
        id=uuid4(),
        version=1 if newest is None else newest.version + 1,
        owner_id=actor.user,
        created_at=work.now,
        **_values(wanted),
    )
    if newest is not None and is_same(newest, row):
        return definition_out(work, newest)
    if not written(work.session, row, "name", "version"):
        raise ConflictError(
            f"somebody adds {wanted.name} at this moment; look at it and try again"
        )
    audit.record(
        work,
        actor,
        "add-definition",
        name=row.name,
        version=row.version,
        image=row.image,
    )
    return definition_out(work, row)


def list_definitions(work: Work, actor: Actor) -> DefinitionList:
    """List the newest version of each definition that is not retired, by name."""
    access.require_scope(actor, Scope.READ)
    newest = (
        select(Definition.name, func.max(Definition.version))
        .where(col(Definition.retired_at).is_(None))
        .group_by(Definition.name)
        .order_by(Definition.name)
        .limit(_MOST_LISTED)
    )
    rows = work.session.exec(
        select(Definition)
        .where(tuple_(col(Definition.name), col(Definition.version)).in_(newest))
        .order_by(Definition.name)
    ).all()
    return DefinitionList(items=_definitions_out(work, rows))


def get_definition(
    work: Work, actor: Actor, name: str, version: int | None = None
) -> DefinitionOut:
    """Show a definition.

    Args:
        work: The transaction.
        actor: Who asks.
        name: Its name.
        version: None means the newest.

    Raises:
        TokenInsufficientError: The token lacks the scope ``read``.
        NotFoundError: There is none.
    """
    access.require_scope(actor, Scope.READ)
    return definition_out(work, find_definition(work, name, version))


def retire_definition(work: Work, actor: Actor, name: str) -> None:
    """Let a definition start no more runs, in all of its versions; again is fine.

    Raises:
        TokenInsufficientError: The token lacks the scope ``run``, or reaches certain
            datasets only.
        NotFoundError: There is none.
        ForbiddenError: It belongs to somebody else.
    """
    access.require_run_scope(actor)
    newest = find_definition(work, name, None)
    if newest.owner_id != actor.user:
        whose = "hutch itself" if newest.owner_id is None else "somebody else"
        raise ForbiddenError(f"{name} belongs to {whose}; only its owner retires it")
    rows = work.session.exec(
        select(Definition)
        .where(Definition.name == name, col(Definition.retired_at).is_(None))
        .with_for_update()
    ).all()
    for row in rows:
        row.retired_at = work.now
    if rows:
        audit.record(work, actor, "retire-definition", name=name)


def find_definition(work: Work, name: str, version: int | None) -> Definition:
    """Fetch a definition by name; the newest version if none is named.

    Raises:
        NotFoundError: There is none.
    """
    row = newest_of(work, name, version)
    if row is None:
        which = name if version is None else f"{name}@{version}"
        raise NotFoundError(
            f"there is no definition {which}; 'hutch definition list' shows those "
            "there are",
            definition=which,
        )
    return row


def definition_out(work: Work, row: Definition) -> DefinitionOut:
    """Render a definition."""
    return _definitions_out(work, [row])[0]


def _definitions_out(
    work: Work, rows: Sequence[Definition]
) -> tuple[DefinitionOut, ...]:
    """Render definitions; never a query for each."""
    approved = images.approved_among(work, {row.image for row in rows})
    named = select(User.id, User.name).where(
        col(User.id).in_({row.owner_id for row in rows})
    )
    owners: dict[UUID | None, str] = {None: HUTCH}
    owners.update(work.session.exec(named).all())
    return tuple(
        _definition_out(
            row,
            owners[row.owner_id],
            approved=is_system(row) or row.image in approved,
        )
        for row in rows
    )


def _definition_out(row: Definition, owner: str, *, approved: bool) -> DefinitionOut:
    return DefinitionOut(
        name=row.name,
        version=row.version,
        title=row.title,
        image=row.image,
        argv=tuple(row.argv),
        mode=row.mode,
        inputs={name: InputType(type=kind) for name, kind in row.inputs.items()},
        output=None if row.output_type is None else OutputType(type=row.output_type),
        parameters=row.parameters,
        resources=Resources(**row.resources),
        retries=row.retries,
        approved=approved,
        owner=owner,
        target=row.target,
        created_at=row.created_at,
        retired_at=row.retired_at,
    )


def label_of(row: Definition) -> str:
    """Name a definition in its version: ``name@version``."""
    return f"{row.name}@{row.version}"


def is_system(row: Definition) -> bool:
    """Tell whether a definition is one of hutch itself, whose programs need no image.

    All three have to agree: nobody else has made it, and it makes no dataset.
    """
    return (
        row.owner_id is None
        and row.image == system.IMAGE
        and row.target is Target.PREVIEWS
    )


def newest_of(work: Work, name: str, version: int | None = None) -> Definition | None:
    """Fetch the newest version under a name, or a certain one, if there is one."""
    query = select(Definition).where(Definition.name == name)
    if version is not None:
        query = query.where(Definition.version == version)
    return work.session.exec(query.order_by(col(Definition.version).desc())).first()


def _require_type(name: str) -> None:
    if types.latest(name) is None:
        known = ", ".join(sorted({known for known, _ in types.TYPES}))
        raise InvalidInputError(
            f"type: there is no type {name[:100]!r}; known are {known}", field="type"
        )


def _values(wanted: DefinitionIn) -> dict[str, Any]:
    return {
        "name": wanted.name,
        "title": wanted.title,
        "image": wanted.image,
        "argv": list(wanted.argv),
        "mode": wanted.mode,
        "inputs": {name: kind.type for name, kind in wanted.inputs.items()},
        "output_type": wanted.output.type,
        "parameters": dict(wanted.parameters),
        "resources": asdict(wanted.resources),
        "retries": wanted.retries,
    }


def is_same(one: Definition, other: Definition) -> bool:
    """Tell whether two versions say the same."""
    apart = {"id", "version", "created_at", "owner_id", "retired_at"}
    said = [
        canonical_json(row.model_dump(mode="json", exclude=apart))
        for row in (one, other)
    ]
    return one.retired_at is None and said[0] == said[1]

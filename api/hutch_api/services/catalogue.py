"""What may be seen of datasets: one, or pages of many.

Never a query per row: a page takes two, however long it is.
"""

import re
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, or_
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from hutch.contract.problems import InvalidInputError, NotFoundError
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import (
    DatasetOut,
    DatasetPage,
    InputOut,
    Right,
    State,
)
from hutch_api.domain import types
from hutch_api.domain.access import Actor
from hutch_api.domain.cursors import Cursor
from hutch_api.services import access
from hutch_api.services.work import Work
from hutch_api.store.tables import Dataset, Input, User

LONGEST_PAGE: Final = 1_000
LONGEST_QUERY: Final = 200
_HEX_DIGITS: Final = 32
_FEW: Final = 2_000
"""Up to so many datasets it is faster to go through all that somebody reaches than
through all that there are, newest first, until a page is full."""


def get_dataset(work: Work, actor: Actor, dataset: UUID) -> DatasetOut:
    """Show a dataset, or its tombstone.

    Raises:
        TokenInsufficientError: The token lacks the scope ``read``.
        NotFoundError: There is none, or not for the actor.
    """
    access.require_scope(actor, Scope.READ)
    return _one(work, actor, dataset)


def dataset_out(work: Work, actor: Actor, row: Dataset) -> DatasetOut:
    """Render a dataset for somebody who may read it.

    Raises:
        NotFoundError: The actor may not.
    """
    work.session.flush()
    return _one(work, actor, row.id)


def etag(dataset: Dataset | DatasetOut) -> str:
    """Compute the ETag of a dataset: it changes with whatever is shown of it."""
    moment = dataset.updated_at.strftime("%Y%m%dT%H%M%S%f")
    read = dataset.scrubbed_at
    seen = "" if read is None else f".{read:%Y%m%dT%H%M%S%f}"
    seen += f".{dataset.faults}" if dataset.faults else ""
    return f'"{dataset.revision}.{State(dataset.state).value}.{moment}{seen}"'


def list_datasets(
    work: Work,
    actor: Actor,
    *,
    owner: str | None = None,
    name: str | None = None,
    state: State | None = None,
    type_name: str | None = None,
    query: str | None = None,
    prefix: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> DatasetPage:
    """List the datasets that an actor may read, the newest first.

    Args:
        work: The transaction.
        actor: Who asks.
        owner: Only those of this user.
        name: Only those of exactly this name.
        state: Only those in this state; None means all that are not deleted.
        type_name: Only those of this type or one that inherits from it.
        query: Text in the name, the description or a keyword, in any case.
        prefix: Start of the id, with or without dashes.
        after: Cursor of the page before.
        limit: Longest page, 1 to 1,000.

    Raises:
        TokenInsufficientError: The token lacks the scope ``read``.
        InvalidInputError: A filter, the cursor or the limit is not allowed.
    """
    access.require_scope(actor, Scope.READ)
    if not 1 <= limit <= LONGEST_PAGE:
        raise InvalidInputError(
            f"limit: {limit} is not within 1 to {LONGEST_PAGE}", field="limit"
        )
    few = access.reached_at_most(work, actor, _FEW)
    wanted: list[ColumnElement[bool]] = [_in_state(state, few)]
    if owner is not None:
        named = select(User.id).where(User.name == _plain("owner", owner))
        wanted.append(col(Dataset.owner_id) == named.scalar_subquery())
    if name is not None:
        wanted.append(col(Dataset.name) == _plain("name", name))
    if type_name is not None:
        wanted.append(col(Dataset.type).in_(types.below(type_name)))
    if query is not None:
        wanted.append(_mentions(work, _plain("query", query)))
    if prefix is not None:
        wanted.append(_begins(prefix))
    if after is not None:
        wanted.append(_older(Cursor.parse(after)))
    if few is not None:
        wanted.append(col(Dataset.id).in_(few))
    rows = _select(work, actor, and_(*wanted), limit=limit + 1)
    items = rows[:limit]
    last = Cursor(items[-1].created_at, items[-1].id) if len(rows) > limit else None
    return DatasetPage(items=tuple(items), next=None if last is None else last.text())


def inputs_of(work: Work, children: Sequence[UUID]) -> dict[UUID, list[InputOut]]:
    """Fetch the edges to the parents of datasets, in the order they were named."""
    found: dict[UUID, list[InputOut]] = {child: [] for child in children}
    rows = work.session.exec(
        select(Input)
        .where(col(Input.child_id).in_(children))
        .order_by(col(Input.child_id), col(Input.position))
    ).all()
    for row in rows:
        found[row.child_id].append(
            InputOut(id=row.parent_id, digest=row.digest, seal=row.seal)
        )
    return found


def _one(work: Work, actor: Actor, dataset: UUID) -> DatasetOut:
    found = _select(work, actor, col(Dataset.id) == dataset, limit=1)
    if not found:
        raise NotFoundError(f"there is no dataset {dataset}", dataset=str(dataset))
    return found[0]


def _select(
    work: Work, actor: Actor, wanted: ColumnElement[bool], *, limit: int
) -> list[DatasetOut]:
    owner, creator = aliased(User), aliased(User)
    rows = work.session.exec(
        select(Dataset, access.right_of(actor), owner.name, creator.name)
        .join(owner, col(owner.id) == col(Dataset.owner_id))
        .join(creator, col(creator.id) == col(Dataset.creator_id))
        .where(access.granted(actor), wanted)
        .order_by(col(Dataset.created_at).desc(), col(Dataset.id).desc())
        .limit(limit)
    ).all()
    inputs = inputs_of(work, [row.id for row, *_ in rows])
    return [
        _render(row, right, owned_by, made_by, tuple(inputs[row.id]))
        for row, right, owned_by, made_by in rows
    ]


def _render(
    row: Dataset,
    right: Right | None,
    owner: str,
    creator: str,
    inputs: tuple[InputOut, ...],
) -> DatasetOut:
    return DatasetOut(
        id=row.id,
        name=row.name,
        owner=owner,
        creator=creator,
        type=row.type,
        type_version=row.type_version,
        attributes=row.attributes,
        description=row.description,
        keywords=tuple(row.keywords),
        state=State(row.state),
        revision=row.revision,
        files=row.files,
        bytes=row.bytes,
        inputs=inputs,
        correction=row.correction,
        right=Right.READ if right is None else Right(right),
        created_at=row.created_at,
        updated_at=row.updated_at,
        digest=row.digest,
        seal=row.seal,
        closed_at=row.closed_at,
        deleted_at=row.deleted_at,
        tools_since=row.tools_since,
        scrubbed_at=row.scrubbed_at,
        faults=row.faults,
        run=row.run,
    )


def _in_state(state: State | None, few: Sequence[UUID] | None) -> ColumnElement[bool]:
    if state is None:
        return col(Dataset.state) != State.DELETED
    if few is None:
        return col(Dataset.state) == state
    # Not as the index has it: SQLite would go through all that are in this state.
    return func.lower(col(Dataset.state)) == state.value


def _plain(field: str, text: str) -> str:
    # A null character would be an error of the database, not of the request.
    if len(text) > LONGEST_QUERY or not text.isprintable():
        raise InvalidInputError(
            f"{field}: give at most {LONGEST_QUERY} printable characters", field=field
        )
    return text


def _mentions(work: Work, text: str) -> ColumnElement[bool]:
    column: Any = col(Dataset.keywords)
    on_postgresql = work.session.get_bind().dialect.name == "postgresql"
    each = func.jsonb_array_elements_text if on_postgresql else func.json_each
    keyword = each(column).table_valued("value", name="keyword")
    return or_(
        col(Dataset.name).icontains(text, autoescape=True),
        col(Dataset.description).icontains(text, autoescape=True),
        exists()
        .select_from(keyword)
        .where(keyword.c.value.icontains(text, autoescape=True)),
    )


def _begins(prefix: str) -> ColumnElement[bool]:
    text = prefix.lower()
    digits = text.replace("-", "")
    if not re.fullmatch("[0-9a-f]{1,32}", digits) or not (
        text == digits or str(UUID(digits.ljust(_HEX_DIGITS, "0"))).startswith(text)
    ):
        raise InvalidInputError(
            "prefix: is not the start of a dataset's id", field="prefix"
        )
    return col(Dataset.id).between(
        UUID(digits.ljust(_HEX_DIGITS, "0")), UUID(digits.ljust(_HEX_DIGITS, "f"))
    )


def _older(cursor: Cursor) -> ColumnElement[bool]:
    return or_(
        col(Dataset.created_at) < cursor.at,
        and_(col(Dataset.created_at) == cursor.at, col(Dataset.id) < cursor.id),
    )

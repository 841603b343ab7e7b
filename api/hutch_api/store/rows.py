"""Rows as plain values, read and written many at a time.

A batch has a thousand files. An object of the mapper for each costs ten times what
the database does with its row, so that these paths use the tables themselves.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar, cast
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    ColumnElement,
    Select,
    Table,
    TableValuedAlias,
    any_,
    bindparam,
    column,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped
from sqlmodel import Session, SQLModel

from hutch.contract.wire.datasets import Fault
from hutch_api.store.tables import File, Intent, IntentState, Verb

_T = TypeVar("_T")


class Upload(Protocol):
    """What an intent says of its upload, whether it is a value or an object."""

    @property
    def id(self) -> UUID:
        """Its id, which the store keeps with the object."""
        ...

    @property
    def dataset_id(self) -> UUID:
        """Where the file is to be."""
        ...

    @property
    def path(self) -> str:
        """Path of the file."""
        ...

    @property
    def verb(self) -> Verb:
        """How the bytes travel."""
        ...

    @property
    def size(self) -> int:
        """Length in bytes."""
        ...

    @property
    def crc64nvme(self) -> str | None:
        """Of the whole file; None until it is known."""
        ...

    @property
    def upload(self) -> str | None:
        """Id of the multipart upload; None if there is none, or it is not known."""
        ...

    @property
    def version(self) -> str | None:
        """Version of the file that it became."""
        ...


@dataclass(frozen=True, slots=True)
class IntentRow:
    """A row of ``intents``; its fields are the columns."""

    id: UUID
    dataset_id: UUID
    push_id: UUID
    actor_id: UUID
    path: str
    fold: str
    verb: Verb
    state: IntentState
    size: int
    part_size: int | None
    base: str | None
    force: bool
    crc64nvme: str | None
    sha256: str | None
    upload: str | None
    cleared: bool
    version: str | None
    created_at: datetime
    touched_at: datetime


@dataclass(frozen=True, slots=True)
class FileRow:
    """A row of ``files``; its fields are columns."""

    path: str
    fold: str
    size: int
    sha256: str
    crc64nvme: str
    version: str
    intent_id: UUID
    confirmed: bool
    confirmed_at: datetime | None
    fault: Fault | None
    committed_at: datetime
    committed_by: UUID


def table_of(kind: type[SQLModel]) -> Table:
    """Give the table behind a class of the mapper."""
    return cast("Table", kind.__table__)  # type: ignore[attr-defined]


def _columns(table: type[SQLModel], kind: type[Any]) -> list[ColumnElement[Any]]:
    return [table_of(table).c[field.name] for field in fields(kind)]


_INTENT: Final = tuple(field.name for field in fields(IntentRow))
INTENTS: Final[Select[Any]] = select(*_columns(Intent, IntentRow))
"""Selects what ``read_intents`` reads."""
FILES: Final[Select[Any]] = select(*_columns(File, FileRow))
"""Selects what ``read_files`` reads."""


def read_intents(session: Session, query: Select[Any]) -> list[IntentRow]:
    """Read intents; the query begins with ``INTENTS``."""
    return [IntentRow(*row) for row in session.connection().execute(query)]


def read_files(session: Session, query: Select[Any]) -> list[FileRow]:
    """Read files; the query begins with ``FILES``."""
    return [FileRow(*row) for row in session.connection().execute(query)]


def values_of(row: IntentRow) -> dict[str, Any]:
    """Give the values of an intent by column."""
    return {name: getattr(row, name) for name in _INTENT}


def insert_rows(
    session: Session, table: type[SQLModel], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows by one statement; all name the same columns, none of them JSON."""
    if not rows:
        return
    into = insert(table_of(table))
    if not _on_postgresql(session):
        session.connection().execute(into, list(rows))
        return
    given = _given(table, rows)
    session.connection().execute(into.from_select(list(given), select(*given.values())))


def update_rows(
    session: Session,
    table: type[SQLModel],
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Collection[str],
) -> None:
    """Update rows by one statement, each to values of its own.

    Args:
        session: The transaction; it has locked them.
        table: Which table.
        rows: The values, by the same columns in each.
        key: The columns that name a row; all others are set.
    """
    if not rows:
        return
    columns = table_of(table).c
    statement = update(table_of(table))
    if not _on_postgresql(session):
        # A parameter may not be called like a column that is set.
        new = {n: bindparam(f"_{n}", type_=columns[n].type) for n in rows[0]}
        each = [{f"_{n}": row[n] for n in row} for row in rows]
        statement = statement.where(*(columns[n] == new[n] for n in key))
        statement = statement.values({n: new[n] for n in new if n not in key})
        session.connection().execute(statement, each)
        return
    given = _given(table, rows)
    session.connection().execute(
        statement.where(*(columns[n] == given[n] for n in key)).values(
            {n: value for n, value in given.items() if n not in key}
        )
    )


def among(
    session: Session, of: Mapped[_T], values: Iterable[_T]
) -> ColumnElement[bool]:
    """Tell whether a column has one of many values.

    ``column IN (…)`` is written anew for each number of values, and read anew by
    PostgreSQL; there it is one parameter.
    """
    if _on_postgresql(session):
        kind = cast("Column[_T]", of).type
        return of == any_(bindparam(None, list(values), type_=ARRAY(kind)))
    return of.in_(list(values))


def _given(
    table: type[SQLModel], rows: Sequence[Mapping[str, Any]]
) -> Mapping[str, ColumnElement[Any]]:
    """Make rows parameters of one statement, on PostgreSQL; gives their columns.

    Each column is an array; one that is the same in all rows is a single value. A
    statement that is executed for each row costs the database three times as much.
    """
    types = {name: table_of(table).c[name].type for name in rows[0]}
    values = {name: [row[name] for row in rows] for name in types}
    first = next(iter(types))  # one array has to say how many rows there are
    same = {n for n, items in values.items() if n != first and _are_same(items)}
    given = func.unnest(
        *(
            bindparam(None, values[name], type_=ARRAY(types[name]))
            for name in types
            if name not in same
        )
    ).table_valued(*(column(n, types[n]) for n in types if n not in same))
    single = {
        n: bindparam(None, values[n][0], type_=types[n]) for n in types if n in same
    }
    return {**given.render_derived(name="given").c, **single}


def _are_same(items: Sequence[Any]) -> bool:
    return all(item == items[0] for item in items)


def _on_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def texts(session: Session, items: Iterable[str]) -> TableValuedAlias:
    """Make a table of texts, with the column ``value``, of one parameter.

    A list of values in the statement would have to be written anew for each call.
    """
    given = bindparam(None, list(items), type_=JSON())
    on_postgresql = _on_postgresql(session)
    each = func.json_array_elements_text if on_postgresql else func.json_each
    return each(given).table_valued("value")

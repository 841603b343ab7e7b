"""Rows as plain values, read and written many at a time.

A batch has a thousand files. An object of the mapper for each costs ten times what
the database does with its row, so that these paths use the tables themselves.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Protocol, cast
from uuid import UUID

from sqlalchemy import (
    JSON,
    ColumnElement,
    Select,
    Table,
    TableValuedAlias,
    bindparam,
    func,
    insert,
    select,
    update,
)
from sqlmodel import Session, SQLModel

from hutch.contract.wire.datasets import Fault
from hutch_api.store.tables import File, Intent, IntentState, Verb


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
    """Insert rows by one statement; all name the same columns."""
    if rows:
        session.connection().execute(insert(table_of(table)), list(rows))


def update_rows(
    session: Session,
    table: type[SQLModel],
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Collection[str],
    where: Iterable[ColumnElement[bool]] = (),
) -> None:
    """Update rows by one statement, each to values of its own.

    Args:
        session: The transaction.
        table: Which table.
        rows: The values, by the same columns in each.
        key: The columns that name a row; all others are set.
        where: What must hold of a row besides.
    """
    if not rows:
        return
    columns = table_of(table).c
    # A parameter may not be called like a column that is set.
    named = {name: bindparam(f"_{name}", type_=columns[name].type) for name in rows[0]}
    statement = (
        update(table_of(table))
        .where(*(columns[name] == named[name] for name in key), *where)
        .values({name: named[name] for name in rows[0] if name not in key})
    )
    session.connection().execute(
        statement, [{f"_{name}": row[name] for name in row} for row in rows]
    )


def texts(session: Session, items: Iterable[str]) -> TableValuedAlias:
    """Make a table of texts, with the column ``value``, of one parameter.

    A list of values in the statement would have to be written anew for each call.
    """
    given = bindparam(None, list(items), type_=JSON())
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    each = func.json_array_elements_text if on_postgresql else func.json_each
    return each(given).table_valued("value")

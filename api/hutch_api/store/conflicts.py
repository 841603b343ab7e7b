"""Writes that may meet a unique index: the only exact answer is the database's."""

from typing import Any

from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, SQLModel


def written(session: Session, row: SQLModel, *columns: str) -> bool:
    """Write a new or changed row; False if these columns were already in the table.

    A look before gives the better message, but only the index decides between two
    who looked at the same time. After False the transaction is over: the caller
    raises its error, without another query.

    Args:
        session: The transaction.
        row: What to write; all that was added before is written with it.
        columns: The columns of the unique index, in its order.

    Raises:
        IntegrityError: If another rule was broken.
    """
    session.add(row)
    try:
        session.flush()
    except IntegrityError as error:
        if _broke_unique(error, inspect(type(row)).local_table, columns):
            return False
        raise
    return True


def _broke_unique(error: IntegrityError, table: Any, columns: tuple[str, ...]) -> bool:
    # PostgreSQL names the broken index, SQLite its columns.
    diagnosis = getattr(error.orig, "diag", None)
    if diagnosis is None:
        said = ", ".join(f"{table.name}.{column}" for column in columns)
        return str(error.orig).endswith(f"UNIQUE constraint failed: {said}")
    names = {str(i.name) for i in table.indexes if tuple(i.columns.keys()) == columns}
    names.add(f"{table.name}_{'_'.join(columns)}_key")
    return diagnosis.constraint_name in names

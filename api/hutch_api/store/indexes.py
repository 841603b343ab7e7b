"""Indexes of some rows of a table, and the conditions that find them.

Nearly all intents are done and have left nothing in the store. Those that matter have
indexes of their own, which stay small. A query has to name the condition as the index
does: with a parameter in it neither database sees that the index holds all it wants.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, Index, literal_column, text

LIVE: Final = "state in ('new', 'url', 'completing')"
ENDED: Final = "state in ('done', 'aborted')"
UNCLEARED: Final = "not cleared"
MULTIPART: Final = "verb = 'multipart'"


def _is(condition: str, column: str) -> ColumnElement[Any]:
    # Of no type: of a truth value SQLAlchemy would ask SQLite whether it is 1.
    return literal_column(condition.replace(column, f"intents.{column}"))


IS_LIVE: Final = _is(LIVE, "state")
IS_ENDED: Final = _is(ENDED, "state")
IS_UNCLEARED: Final = _is(UNCLEARED, "cleared")
IS_MULTIPART: Final = _is(MULTIPART, "verb")


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Declare an index of the rows that fulfil a condition."""
    only = text(where)
    return Index(
        name, *columns, unique=unique, sqlite_where=only, postgresql_where=only
    )

"""How a database finds what it is asked for, in tables as they are after years."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, event, inspect, text

MANY: Final = 100_000
"""Rows of a table that is no longer small, and too few to make each way clear."""


@contextmanager
def explained(engine: Engine) -> Iterator[list[str]]:
    """Have the database tell how it does each statement of the block, line by line."""
    told: list[str] = []
    sqlite = engine.dialect.name == "sqlite"

    def explain(
        connection: Connection, cursor: Any, statement: str, *more: Any
    ) -> None:
        if statement.split(maxsplit=1)[0] in {"SELECT", "UPDATE", "DELETE"}:
            parameters, _, many = more
            how = "EXPLAIN QUERY PLAN" if sqlite else "EXPLAIN"
            cursor.execute(f"{how} {statement}", parameters[0] if many else parameters)
            told.extend(row[3 if sqlite else 0] for row in cursor.fetchall())

    event.listen(engine, "before_cursor_execute", explain)
    try:
        yield told
    finally:
        event.remove(engine, "before_cursor_execute", explain)


def multiply(
    connection: Connection, table: str, fresh: Mapping[str, str], count: int = MANY
) -> None:
    """Copy a table's only row, on PostgreSQL; nobody looks whether it all fits.

    Args:
        connection: Within a transaction.
        table: Which one.
        fresh: What differs from copy to copy: by column an expression of ``n``.
        count: Number of copies.
    """
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    names = [c["name"] for c in inspect(connection).get_columns(table)]
    values = ", ".join(fresh.get(name, f'"{name}"') for name in names)
    connection.execute(
        text(
            f"INSERT INTO {table} SELECT {values} "  # noqa: S608 -- names of ours
            f"FROM {table}, generate_series(1, {count}) AS n"
        )
    )
    connection.execute(text(f"ANALYZE {table}"))

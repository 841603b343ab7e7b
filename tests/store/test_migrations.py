"""Migrations lead to exactly the tables that the program declares."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Thread
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text
from sqlmodel import SQLModel

import hutch_api.store.requests
import hutch_api.store.run_tables
import hutch_api.store.tables  # noqa: F401 - they fill the metadata
from hutch_api.store.migration import is_current, migrate
from tests.conftest import opened
from tests.servers import DatabaseServer

SQLITE = """
    SELECT 'column', m.name, c.name, c.type, c."notnull", c.pk, c.dflt_value
      FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'
    UNION ALL
    SELECT 'key', m.name, k."from", k."table", k."to", k.on_delete, k.id
      FROM sqlite_master m, pragma_foreign_key_list(m.name) k
      WHERE m.type = 'table'
    UNION ALL
    SELECT 'index', m.name, group_concat(i.name), l.origin, l."unique", l.partial,
      (SELECT substr(x.sql, instr(x.sql, 'WHERE')) FROM sqlite_master x
       WHERE x.name = l.name AND l.partial)
      FROM sqlite_master m, pragma_index_list(m.name) l, pragma_index_info(l.name) i
      WHERE m.type = 'table' GROUP BY m.name, l.name
"""
POSTGRESQL = """
    SELECT table_name, column_name, data_type, is_nullable, collation_name,
      character_maximum_length::text, is_identity || coalesce(column_default, '')
      FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL
    SELECT tablename, indexname, indexdef, '', '', '', '' FROM pg_indexes
      WHERE schemaname = 'public'
    UNION ALL
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid),
      '', '', '', '' FROM pg_constraint WHERE connamespace = 'public'::regnamespace
"""

NewDatabase = Callable[[], AbstractContextManager[Engine]]


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> NewDatabase:
    """Make a database without any table, on each kind of server."""

    @contextmanager
    def sqlite() -> Iterator[Engine]:
        with opened(f"sqlite:///{tmp_path / uuid4().hex}.sqlite") as engine:
            yield engine

    @contextmanager
    def postgresql() -> Iterator[Engine]:
        server: DatabaseServer = request.getfixturevalue("postgresql")
        name = f"m_{uuid4().hex}"
        with opened(server.create(name)) as engine:
            yield engine
        with server.connect() as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    return sqlite if request.param == "sqlite" else postgresql


def described(engine: Engine) -> list[tuple[str, ...]]:
    """List all that the database knows of its tables, but for alembic's own."""
    query = SQLITE if engine.dialect.name == "sqlite" else POSTGRESQL
    with engine.connect() as connection:
        rows = [tuple(map(str, row)) for row in connection.execute(text(query))]
    return sorted(row for row in rows if "alembic" not in "".join(row))


def test_migrations_and_tables_agree(new_database: NewDatabase) -> None:
    with new_database() as declared, new_database() as migrated:
        SQLModel.metadata.create_all(declared)
        migrate(migrated)
        assert described(migrated) == described(declared)


def test_a_partial_index_and_a_collation_are_compared(
    new_database: NewDatabase,
) -> None:
    with new_database() as engine:
        migrate(engine)
        words = " ".join(map(" ".join, described(engine)))
        assert "WHERE" in words
        if engine.dialect.name == "postgresql":
            assert " C " in words


def test_a_database_is_current_only_after_migrating(new_database: NewDatabase) -> None:
    with new_database() as engine:
        assert not is_current(engine)
        migrate(engine)
        assert is_current(engine)


def test_migrating_again_changes_nothing(new_database: NewDatabase) -> None:
    with new_database() as engine:
        migrate(engine)
        before = described(engine)
        migrate(engine)
        assert described(engine) == before


def test_two_may_migrate_at_once(new_database: NewDatabase) -> None:
    with new_database() as engine:
        failed: list[BaseException] = []

        def run() -> None:
            try:
                migrate(engine)
            except BaseException as error:  # noqa: BLE001 - shown by the assert below
                failed.append(error)

        threads = [Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert is_current(engine)


def test_a_failed_migration_leaves_nothing_behind(new_database: NewDatabase) -> None:
    with new_database() as engine:
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE intents (id INTEGER)"))
        before = described(engine)
        with pytest.raises(Exception, match="intents"):
            migrate(engine)
        assert described(engine) == before
        assert not is_current(engine)

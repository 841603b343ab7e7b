"""Bringing a database to the tables of this program."""

from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

_LOCK: Final = 0x6875746368
"""Key of PostgreSQL's advisory lock: ``hutch`` in ASCII."""


def migrate(engine: Engine) -> None:
    """Make all tables, or change those of an older version; again is fine.

    All of it happens in one transaction, and two that start at once go one after
    the other: SQLite's transactions take the write lock when they begin, PostgreSQL
    is asked for a lock.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK}
            )
        command.upgrade(_config(connection), "head")


def is_current(engine: Engine) -> bool:
    """Tell whether a database has the tables of exactly this version."""
    with engine.connect().execution_options(hutch_readonly=True) as connection:
        heads = MigrationContext.configure(connection).get_current_heads()
    script = ScriptDirectory.from_config(_config(None))
    return set(heads) == set(script.get_heads())


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", "hutch_api.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config

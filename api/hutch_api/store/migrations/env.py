"""Runs inside alembic: hands it the connection that ``store.migration`` has opened."""

from alembic import context
from sqlmodel import SQLModel

import hutch_api.store.requests
import hutch_api.store.run_tables
import hutch_api.store.tables  # noqa: F401 - they fill the metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    compare_type=True,
    # SQLite changes tables by copying them, and can do so within a transaction.
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
    # The caller's transaction is the only one: all or nothing.
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()

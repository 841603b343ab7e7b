"""The history of the tables, for alembic; ``hutch_api.store.migration`` runs it."""

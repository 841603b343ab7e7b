"""The database: tables, engine, migrations. It decides nothing."""

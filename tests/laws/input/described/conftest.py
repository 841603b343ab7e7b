"""The application of the HTTP tests: a database in a file, a store in memory."""

from tests.http.conftest import app, client, line, site, store

__all__ = ["app", "client", "line", "site", "store"]

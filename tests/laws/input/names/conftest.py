"""The application of the HTTP tests, and the client's whole hutch."""

from tests.client.conftest import anna, live
from tests.http.conftest import ada, app, client, line, site, store

__all__ = ["ada", "anna", "app", "client", "line", "live", "site", "store"]

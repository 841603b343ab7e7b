"""Sites over each store, and ways to damage what they keep behind hutch's back."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.adapters.ready import set_up
from tests.client.live import hutch_on
from tests.conftest import shared_database
from tests.laws.integrity.damage import Damage
from tests.laws.integrity.family import Family, make_family
from tests.servers import DatabaseServer, StoreServer
from tests.transfer.conftest import (  # noqa: F401 -- fixtures
    engine,
    flow,
    foreign,
    http_client,
    pytest_generate_tests,
    real,
    site,
    stage,
)

_set_up = cache(set_up)
"""One bucket pair for each store that this test worker started."""


@pytest.fixture(scope="session")
def postgresql_engine(
    postgresql: DatabaseServer, _postgresql_template: str
) -> Iterator[Engine]:
    with shared_database(
        postgresql, _postgresql_template, "integrity"
    ) as opened_engine:
        yield opened_engine


@pytest.fixture
def family(
    sqlite_engine: Engine, store_server: StoreServer, tmp_path: Path
) -> Iterator[Family]:
    """A whole hutch with a parent and a child, both closed."""
    ready = _set_up(store_server)
    server = ready.client(ready.server)  # the identity that the server itself has
    with hutch_on(sqlite_engine, ready, tmp_path) as live, live.person() as client:
        damage = Damage(live.site, server, ready.data)
        yield make_family(live, client, damage, tmp_path)
    server.close()
    live.end_accounts()

"""Sites over each store, and ways to damage what they keep behind hutch's back."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.adapters.ready import set_up
from tests.client.live import Live, make_site, serving
from tests.conftest import opened
from tests.laws.integrity.damage import Damage
from tests.laws.integrity.family import Family, make_family
from tests.line import counting
from tests.servers import DatabaseServer, StoreServer
from tests.transfer.conftest import (  # noqa: F401 -- fixtures
    engine,
    flow,
    foreign,
    http_client,
    pytest_generate_tests,
    site,
    stage,
)

_set_up = cache(set_up)
"""One bucket pair for each store that this test worker started."""


@pytest.fixture(scope="session")
def postgresql_engine(
    postgresql: DatabaseServer, _postgresql_template: str
) -> Iterator[Engine]:
    """One database for all tests here: emptying it is faster than copying another."""
    with postgresql.connect() as connection:
        connection.execute(f"CREATE DATABASE integrity TEMPLATE {_postgresql_template}")
    with opened(postgresql.url("integrity")) as opened_engine:
        yield opened_engine


@pytest.fixture
def family(
    sqlite_engine: Engine, store_server: StoreServer, tmp_path: Path
) -> Iterator[Family]:
    """A whole hutch with a parent and a child, both closed."""
    ready = _set_up(store_server)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with counting(ready.place.endpoint) as line:
        site = make_site(sqlite_engine, ready, line.url)
        server = ready.client(ready.server)  # the identity that the server itself has
        with serving(site) as url:
            live = Live(site, url, line, scratch)
            damage = Damage(site, server, ready.data)
            with live.person() as client:
                yield make_family(live, client, damage, tmp_path)
    server.close()
    for key_id in list(site.accounts.key_ids()):
        site.accounts.delete(key_id)

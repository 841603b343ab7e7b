"""The client against a running API and a real store."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Engine

from hutch import Client
from tests.adapters.ready import set_up
from tests.agreement import disagreements
from tests.client.live import Live, hutch_on
from tests.servers import StoreServer

_set_up = cache(set_up)
"""One bucket pair for each store that this test worker started."""


@pytest.fixture
def live(
    sqlite_engine: Engine, store_server: StoreServer, tmp_path: Path
) -> Iterator[Live]:
    """Run a whole hutch, and compare database and store afterwards."""
    with hutch_on(sqlite_engine, _set_up(store_server), tmp_path) as live:
        yield live
    assert disagreements(live.site) == []
    live.end_accounts()


@pytest.fixture
def anna(live: Live) -> Iterator[Client]:
    with live.person() as client:
        yield client


@pytest.fixture
def ben(live: Live) -> Iterator[Client]:
    with live.person() as client:
        yield client

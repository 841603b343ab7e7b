"""The client against a running API and a real store."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Engine

from hutch import Client
from tests.adapters.ready import set_up
from tests.agreement import disagreements
from tests.client.live import Live, make_site, serving
from tests.line import counting
from tests.servers import StoreServer

_set_up = cache(set_up)
"""One bucket pair for each store that this test worker started."""


@pytest.fixture
def live(
    sqlite_engine: Engine, store_server: StoreServer, tmp_path: Path
) -> Iterator[Live]:
    """Run a whole hutch, and compare database and store afterwards."""
    ready = _set_up(store_server)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with counting(ready.place.endpoint) as line:
        site = make_site(sqlite_engine, ready, line.url)
        with serving(site) as url:
            yield Live(site, url, line, scratch)
    assert disagreements(site) == []
    for key_id in list(site.accounts.key_ids()):
        site.accounts.delete(key_id)


@pytest.fixture
def anna(live: Live) -> Iterator[Client]:
    with live.person() as client:
        yield client


@pytest.fixture
def ben(live: Live) -> Iterator[Client]:
    with live.person() as client:
        yield client

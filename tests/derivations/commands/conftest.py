"""A running hutch with SeaweedFS, and somebody who may run a definition on a scan."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from tests.adapters.ready import Ready, set_up
from tests.client.live import make_site, serving
from tests.derivations.commands.playing import Hall, LiveBoard
from tests.e2e.stage import Person
from tests.servers import StoreServer


@pytest.fixture(scope="module")
def ready(seaweedfs: StoreServer) -> Ready:
    return set_up(seaweedfs)


@pytest.fixture
def hall(sqlite_engine: Engine, ready: Ready, tmp_path: Path) -> Iterator[Hall]:
    site = make_site(sqlite_engine, ready, ready.place.endpoint)
    with serving(site) as url, httpx.Client(trust_env=False) as client:
        yield Hall(LiveBoard(site, client), url, tmp_path)
    for key_id in list(site.accounts.key_ids()):
        site.accounts.delete(key_id)


@pytest.fixture
def anna(hall: Hall) -> Person:
    """Somebody with a closed scan and a definition that copies it."""
    person = hall.person()
    hall.board.scan(hall.actor(person))
    hall.board.define(hall.actor(person), **_parameters(), retries=1)
    return person


def _parameters() -> dict[str, Any]:
    described = {"centre": {"type": "number", "default": 320.5}}
    return {"parameters": {"type": "object", "properties": described}}

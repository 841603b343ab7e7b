"""Both stores, each with the database it stands beside in real life."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agreement import disagreements
from tests.conftest import Clock
from tests.conftest import opened as opened_engine
from tests.laws.attack.world import World, opened
from tests.servers import StoreServer


@pytest.fixture
def world(
    store_server: StoreServer,
    clock: Clock,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[World]:
    """SeaweedFS beside SQLite, MinIO beside PostgreSQL; both compared afterwards."""
    beside = "postgresql" if store_server.kind == "minio" else "sqlite"
    database = request.getfixturevalue(f"{beside}_database")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    foreign = request.node.get_closest_marker("foreign") is not None
    with (
        opened_engine(database.url) as engine,
        opened(store_server, engine, clock, scratch) as world,
    ):
        yield world
        assert disagreements(world.site, foreign=foreign) == []

"""The two real stores with their databases, for the walks."""

import pytest

from tests.transfer.conftest import (  # noqa: F401 -- fixtures are found by their names
    engine,
    foreign,
    http_client,
    postgresql_engine,
    real,
    stage,
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Walk in memory, on SeaweedFS with SQLite, and on MinIO with PostgreSQL."""
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", ["memory", "seaweedfs", "minio"], scope="session")

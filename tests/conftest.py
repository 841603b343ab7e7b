"""What all tests may ask for: servers, databases, stores, a clock.

A server that is not installed is a failure where ``CI`` is set. On a laptop the
tests that need it are left out, and the last lines of the run say so.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from hutch_api.store import migration
from hutch_api.store.engine import make_engine
from tests import servers
from tests.programs import MissingServerError
from tests.servers import DatabaseServer, StoreServer

# A busy machine is no defect: examples have no time limit. What CI tries is the same
# every time; laptops try something new.
settings.register_profile(
    "hutch",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("hutch")

_Server = TypeVar("_Server")
_LEFT_OUT = "left out: "
_SERVERS = ("seaweedfs", "minio", "postgresql")


class Clock:
    """The time, which stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        """Let time pass."""
        self.now += by


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[StoreServer]:
    with _required(servers.seaweedfs) as server:
        yield server


@pytest.fixture(scope="session")
def minio() -> Iterator[StoreServer]:
    with _required(servers.minio) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[DatabaseServer]:
    with _required(servers.postgresql) as server:
        yield server


@pytest.fixture(scope="session", params=["seaweedfs", "minio"])
def store_server(request: pytest.FixtureRequest) -> StoreServer:
    """Run the test on each store."""
    server: StoreServer = request.getfixturevalue(request.param)
    return server


@dataclass(frozen=True, slots=True)
class Database:
    """An empty database with all tables, of this test alone."""

    kind: Literal["sqlite", "postgresql"]
    url: str


@pytest.fixture
def sqlite_database(tmp_path: Path, _sqlite_template: Path) -> Database:
    file = tmp_path / "hutch.sqlite"
    shutil.copyfile(_sqlite_template, file)
    return Database("sqlite", f"sqlite:///{file}")


@pytest.fixture
def postgresql_database(
    postgresql: DatabaseServer, _postgresql_template: str
) -> Iterator[Database]:
    name = f"t_{uuid4().hex}"
    with postgresql.connect() as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE {_postgresql_template}')
    yield Database("postgresql", postgresql.url(name))
    with postgresql.connect() as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def shared_database(
    server: DatabaseServer, template: str, name: str
) -> Iterator[Engine]:
    """Make one database for many tests: emptying it is faster than copying another."""
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    with opened(server.url(name)) as engine:
        yield engine


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """Run the test on each database."""
    found: Database = request.getfixturevalue(f"{request.param}_database")
    return found


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    """Run the test on each database, with all tables and no rows."""
    with opened(database.url) as engine:
        yield engine


@pytest.fixture
def sqlite_engine(sqlite_database: Database) -> Iterator[Engine]:
    with opened(sqlite_database.url) as engine:
        yield engine


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """Open an engine and close its connections."""
    engine = make_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _stay_in_memory)
    try:
        yield engine
    finally:
        engine.dispose()


def _stay_in_memory(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Not wait for the disk: durability is for data that somebody wants back."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "hutch.sqlite"
    _make_tables(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def _postgresql_template(postgresql: DatabaseServer) -> str:
    with postgresql.connect() as connection:
        connection.execute("CREATE DATABASE template_hutch")
    _make_tables(postgresql.url("template_hutch"))
    return "template_hutch"


def _make_tables(url: str) -> None:
    with opened(url) as engine:
        migration.migrate(engine)


@contextmanager
def _required(
    start: Callable[[], AbstractContextManager[_Server]],
) -> Iterator[_Server]:
    with ExitStack() as stack:
        try:
            server = stack.enter_context(start())
        except MissingServerError as error:
            if os.environ.get("CI"):
                pytest.fail(f"not installed: {error}")
            pytest.skip(f"{_LEFT_OUT}{error} is not installed")
        yield server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests with the servers they ask for."""
    for item in items:
        wanted = set(getattr(item, "fixturenames", ()))
        if callspec := getattr(item, "callspec", None):
            wanted.update(str(value) for value in callspec.params.values())
        for name in _SERVERS:
            if name in wanted:
                item.add_marker(name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was left out."""
    reasons = [
        report.longrepr[2].partition(_LEFT_OUT)[2]
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and _LEFT_OUT in report.longrepr[2]
    ]
    for reason in sorted(set(reasons)):
        terminalreporter.write_line(
            f"LEFT OUT: {reasons.count(reason)} tests, because {reason}",
            red=True,
            bold=True,
        )

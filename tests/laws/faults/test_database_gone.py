"""PostgreSQL goes away and comes back under a running API and worker."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import Engine, text

from hutch.cli.exits import Exit
from tests.e2e.stage import tree, write
from tests.laws.faults.faulty import Fault
from tests.laws.faults.hall import Hall, live, opened, ready_of
from tests.servers import DatabaseServer, StoreServer, wait_until

pytestmark = [
    pytest.mark.parametrize("store_server", ["seaweedfs"], indirect=True),
    pytest.mark.parametrize("database", ["postgresql"], indirect=True),
]


@pytest.fixture
def hall(engine: Engine, store_server: StoreServer, tmp_path: Path) -> Iterator[Hall]:
    name = engine.url.database
    with engine.begin() as connection:
        # The cluster of the tests forgets the last moments in a crash; no other does.
        connection.execute(text(f'ALTER DATABASE "{name}" SET synchronous_commit = on'))
    engine.dispose()
    with opened(engine, ready_of(store_server), tmp_path, strict=False) as one:
        yield one


def crash(server: DatabaseServer) -> None:
    """Kill PostgreSQL from within; it recovers and takes connections again."""

    def answers(connection: psycopg.Connection) -> bool:
        try:
            connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def is_back() -> bool:
        try:
            server.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    with server.connect() as victim, server.connect() as other:
        # The death of one process makes it end all others and recover.
        os.kill(victim.info.backend_pid, signal.SIGKILL)
        wait_until(lambda: not answers(other), what="the end of all connections")
    wait_until(is_back, seconds=60, what="the recovery of PostgreSQL")


@pytest.mark.parametrize("line", ["api", "inner"])
def test_a_crash_of_the_database_at_every_operation_loses_nothing(
    hall: Hall, postgresql: DatabaseServer, line: str
) -> None:
    chosen = {
        "POST pushes/finish",
        "POST datasets/close",
        "POST datasets/downloads",
        "POST uploadId",
        "GET versions",
        "POST delete",
    }
    crashes: list[str] = []

    def plan(operation: str, n: int) -> Fault | None:
        if operation in chosen and n == 0:
            crashes.append(operation)
            crash(postgresql)
        return None

    live(hall, *(plan if one == line else None for one in ("api", "store", "inner")))
    assert len(crashes) == 3, crashes


@contextmanager
def gone(server: DatabaseServer, database: str) -> Iterator[None]:
    """Have nobody reach a database."""
    with server.connect() as connection:
        connection.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [database],
        )
        try:
            yield
        finally:
            connection.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')


def test_a_database_that_is_gone_is_named_and_nothing_is_lost(
    hall: Hall, engine: Engine, postgresql: DatabaseServer
) -> None:
    person = hall.person
    root = person.pushed("d", {"a": b"1"})
    write(root, {"a": b"2", "b": os.urandom(1_000)})
    with gone(postgresql, str(engine.url.database)):
        for words in (
            ["push", str(root)],
            ["clone", "d", uuid4().hex],
            ["pull", str(root)],
            ["close", "d"],
            ["rm", "d", "--yes"],
        ):
            told = hall.attempt(*words)
            assert told.exit == Exit.UNREACHABLE, (words, told)
            assert told.code == "database-unavailable"
    hall.require_kept(root)
    person.hutch("push", where=root)
    person.hutch("clone", "d", "copy")
    assert tree(person.home / "copy") == tree(root)
    person.hutch("close", where=root)
    hall.require_kept(root, is_open=False)
    person.hutch("rm", "d", "--yes")

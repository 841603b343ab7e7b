"""A disk is full: at the client, in its journal, at the store, at the database."""

import errno
import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from hutch.cli.exits import Exit
from hutch.contract.parts import MIB
from tests.e2e.stage import tree, write
from tests.laws.faults.hall import Hall, codes_of, opened, ready_of
from tests.servers import StoreServer

FILES: dict[str, bytes | str] = {f"f{n}": os.urandom(100_000) for n in range(8)}
ROOM = 350_000
"""Bytes that fit on the disk: some of the files, not all."""


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the client write so many bytes and no more; empty means no limit."""
    room: list[int] = []
    write_there = os.pwrite

    def pwrite(handle: int, block: bytes, at: int) -> int:
        if room:
            room[0] -= len(block)
            if room[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_there(handle, block, at)

    monkeypatch.setattr(os, "pwrite", pwrite)
    return room


@pytest.mark.parametrize("store_server", ["seaweedfs"], indirect=True)
def test_a_full_disk_stops_a_clone_and_it_goes_on(hall: Hall, disk: list[int]) -> None:
    person = hall.person
    root = person.pushed("d", FILES)
    disk.append(ROOM)
    told = hall.attempt("clone", "d", "copy")
    assert told.exit == Exit.SOME_FAILED
    assert "unreadable-file" in told.out
    assert "No space left" in told.out
    disk.clear()
    report = person.json("clone", "d", "copy")
    assert 0 < report["fetched"] < len(FILES)
    assert tree(person.home / "copy") == tree(root)
    person.hutch("verify", where=person.home / "copy")


@pytest.mark.parametrize("store_server", ["seaweedfs"], indirect=True)
def test_a_full_disk_under_the_journal_stops_a_push_and_it_goes_on(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = hall.person
    root = person.dataset("d", {f"{'long' * 50}/{n}": str(n) for n in range(300)})
    connect = sqlite3.connect

    def full_connect(path: object, **more: Any) -> sqlite3.Connection:
        made: sqlite3.Connection = connect(str(path), **more)
        if str(path).endswith("journal.sqlite"):
            made.execute("PRAGMA max_page_count = 20")
        return made

    monkeypatch.setattr(sqlite3, "connect", full_connect)
    told = hall.attempt("push", where=root)
    assert told.exit == Exit.USAGE
    assert "make room" in told.err
    monkeypatch.setattr(sqlite3, "connect", connect)
    hall.require_kept(root)
    person.hutch("push", where=root)
    hall.require_kept(root)
    person.hutch("close", where=root)
    assert person.json("info", "d")["files"] == 300


@pytest.mark.parametrize("store_server", ["minio"], indirect=True)
def test_a_full_disk_of_the_store_refuses_and_forgets_nothing(
    hall: Hall, store_server: StoreServer
) -> None:
    root = hall.person.pushed("d", {"before": os.urandom(100_000)})
    write(root, {"large": os.urandom(4 * MIB)})
    soft, hard = resource.prlimit(store_server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(store_server.pid, resource.RLIMIT_FSIZE, (MIB, hard))
    try:
        told = hall.attempt("push", where=root)
        assert told.exit == Exit.SOME_FAILED
        assert codes_of(told) == {"transfer-failed"}
        hall.require_kept(root)
        hall.person.hutch("clone", "d", "copy")
    finally:
        resource.prlimit(store_server.pid, resource.RLIMIT_FSIZE, (soft, hard))
    hall.person.hutch("push", where=root)
    hall.person.hutch("close", where=root)
    hall.require_kept(root, is_open=False)


@pytest.mark.parametrize("store_server", ["seaweedfs"], indirect=True)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_a_full_disk_of_the_database_refuses_and_forgets_nothing(
    engine: Engine, store_server: StoreServer, tmp_path: Path
) -> None:
    with opened(engine, ready_of(store_server), tmp_path, strict=False) as hall:
        root = hall.person.pushed("d", {"before": b"1"})
        write(root, {f"{'long' * 50}/{n}": str(n) for n in range(300)})
        with full(engine):
            told = hall.attempt("push", where=root)
            assert told.exit == Exit.UNREACHABLE
            assert told.code == "database-unavailable"
            hall.require_kept(root)
            hall.person.hutch("clone", "d", "copy")
        hall.person.hutch("push", where=root)
        hall.person.hutch("close", where=root)
        hall.require_kept(root, is_open=False)


@contextmanager
def full(engine: Engine) -> Iterator[None]:
    """Have the database take nothing that needs more room."""

    def limit(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # SQLite never goes below what is there; so there is no room for more.
        connection.cursor().execute("PRAGMA max_page_count = 1")

    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", limit)
        engine.dispose()
        yield
        event.remove(engine, "connect", limit)
        engine.dispose()
        return
    with engine.begin() as connection:
        connection.execute(text(_REFUSE))
        connection.execute(text(_REFUSE_ROWS))
    yield
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER refuse ON audit"))


_REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
END $$"""
_REFUSE_ROWS = """
CREATE TRIGGER refuse BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION refuse()"""
"""Each change writes a row there."""

"""A cast over a store in memory, put back to how it was before each call."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from hutch_api.adapters.memory import MemoryStore
from hutch_api.http.app import create_app
from tests.conftest import Clock, opened
from tests.laws.rights.world import Cast, make_cast
from tests.transfer.stage import in_memory

_KEPT = ("_objects", "_records", "_uploads", "accounts")


@dataclass
class Backdrop:
    """Database and store of a cast: what they hold, what is asked of them.

    Attributes:
        statements: SQL that was sent since somebody emptied the list.
        calls: Methods of the store that were called, likewise.
    """

    cast: Cast
    file: Path
    store: MemoryStore
    statements: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def look(self) -> tuple[bytes, dict[str, Any]]:
        """Everything that database and store hold."""
        with closing(sqlite3.connect(self.file)) as database:
            # Bytes 18 and 19 say "with a log beside it", which no copy in memory has.
            rows = database.serialize()
            rows = rows[:18] + b"\x01\x01" + rows[20:]
        return rows, deepcopy({name: getattr(self.store, name) for name in _KEPT})

    def audited(self) -> int:
        """How many rows the audit has."""
        with closing(sqlite3.connect(self.file)) as database:
            [(rows,)] = database.execute("SELECT count(*) FROM audit")
        return int(rows)

    def put_back(self, held: tuple[bytes, dict[str, Any]]) -> None:
        """Make database and store hold what they held."""
        rows, objects = held
        with (
            closing(sqlite3.connect(":memory:")) as before,
            closing(sqlite3.connect(self.file)) as database,
        ):
            before.deserialize(rows)
            before.backup(database)
        for name, value in objects.items():
            setattr(self.store, name, deepcopy(value))

    def asked(self) -> tuple[list[str], list[str]]:
        """What was asked of database and store; the lists are empty after it."""
        found = (list(self.statements), list(self.calls))
        self.statements.clear()
        self.calls.clear()
        return found


@pytest.fixture(scope="module")
def backdrop(
    tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path
) -> Iterator[Backdrop]:
    file = tmp_path_factory.mktemp("rights") / "hutch.sqlite"
    shutil.copyfile(_sqlite_template, file)
    with opened(f"sqlite:///{file}") as engine:
        stage = in_memory(engine, Clock())
        store = stage.site.objects
        assert isinstance(store, MemoryStore)
        app = create_app(stage.site)
        with TestClient(app, follow_redirects=False) as client:
            cast = make_cast(stage.site, client, stage.send)
            made = Backdrop(cast, file, store)
            store.before = made.calls.append
            event.listen(
                engine,
                "before_cursor_execute",
                lambda *a: made.statements.append(a[2]),
            )
            yield made


@pytest.fixture
def cast(backdrop: Backdrop) -> Iterator[Cast]:
    """The cast as it was made, whatever the tests before have done."""
    held = backdrop.look()
    yield backdrop.cast
    backdrop.put_back(held)

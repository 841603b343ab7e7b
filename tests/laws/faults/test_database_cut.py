"""The connection between API and PostgreSQL is cut at a byte."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.conftest import opened
from tests.e2e.stage import tree, write
from tests.laws.conftest import Count
from tests.laws.faults import hall as halls
from tests.laws.faults.hall import Hall, ready_of
from tests.line import Line, counting
from tests.servers import DatabaseServer, StoreServer, scratch

pytestmark = [
    pytest.mark.parametrize("store_server", ["seaweedfs"], indirect=True),
    pytest.mark.parametrize("database", ["postgresql"], indirect=True),
]
FILES: dict[str, bytes | str] = {"a": "first", "b/c": "second", "d": b""}
SOCKET = ".s.PGSQL.5432"


@pytest.fixture
def there() -> Iterator[Path]:
    """Where the API finds PostgreSQL."""
    with scratch("line") as directory:
        yield directory


@pytest.fixture
def line(postgresql: DatabaseServer, there: Path) -> Iterator[Line]:
    """The way there, which the worker does not take."""
    with counting(postgresql.directory / SOCKET, at=there / SOCKET) as one:
        yield one


@pytest.fixture
def hall(
    engine: Engine, line: Line, there: Path, store_server: StoreServer, tmp_path: Path
) -> Iterator[Hall]:
    assert line.carried == 0
    far = engine.url.update_query_dict({"host": str(there)})
    with (
        opened(far.render_as_string(hide_password=False)) as cut,
        halls.opened(
            cut, ready_of(store_server), tmp_path, strict=False, worker=engine
        ) as one,
    ):
        yield one


@pytest.mark.parametrize("way", ["cut_after", "cut_answer_after"])
def test_a_cut_at_any_byte_loses_nothing(
    hall: Hall, line: Line, way: str, count: Count, scaled: Callable[[int, int], int]
) -> None:
    carried = {"cut_after": "sent", "cut_answer_after": "received"}[way]
    lengths: dict[str, int] = {}
    failures = 0

    def step(round_: int, *words: str, where: Path) -> None:
        nonlocal failures
        hall.site.engine.dispose()  # each connection counts its own bytes
        before = getattr(line, carried)
        if round_:
            dice = random.Random(f"{way} {round_} {words}")  # noqa: S311 - no secret
            setattr(line, way, dice.randrange(lengths[words[0]]))
        failures += hall.insist(*words, where=where)
        if round_ == 0:  # nothing is cut yet: how long are they?
            lengths[words[0]] = getattr(line, carried) - before
        setattr(line, way, None)

    for n in range(1 + scaled(2, 20)):
        name, files = f"d{n}", {**FILES, "own": str(n)}
        root = hall.person.home / name
        write(root, files)
        step(n, "init", name, "--name", name, where=hall.person.home)
        step(n, "push", where=root)
        hall.require_kept(root)
        write(root, {"a": "replaced, so in parts"})
        step(n, "push", where=root)
        step(n, "close", where=root)
        hall.require_kept(root, is_open=False)
        hall.person.hutch("clone", name, f"copy of {name}")
        assert tree(hall.person.home / f"copy of {name}") == tree(root)
    assert line.cuts >= n, line.cuts
    count("connections to PostgreSQL that were cut", line.cuts)
    count("commands that had to be run again", failures)

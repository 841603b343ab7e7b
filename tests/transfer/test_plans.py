"""What a push, a close and the worker ask of the database is found by an index."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event, inspect, text

from hutch_api.services import upkeep
from tests.transfer.flow import Flow

MANY = 100_000
"""Rows of a table that is no longer small, and too few to make each way clear."""
BIG = b"x" * (17 * 1024**2)
LARGE = {"intents", "files", "superseded"}
"""Tables with a row for every file."""


@pytest.fixture
def plans(flow: Flow) -> Iterator[Callable[[], set[str]]]:
    """Have SQLite tell how it finds what each statement asks for."""
    told: set[str] = set()

    def explain(
        connection: Connection, cursor: Any, statement: str, *more: Any
    ) -> None:
        if statement.split(maxsplit=1)[0] in {"SELECT", "UPDATE", "DELETE"}:
            parameters, _, many = more
            cursor.execute(
                f"EXPLAIN QUERY PLAN {statement}", parameters[0] if many else parameters
            )
            told.update(row[3] for row in cursor.fetchall())

    event.listen(flow.site.engine, "before_cursor_execute", explain)
    yield lambda: told
    event.remove(flow.site.engine, "before_cursor_execute", explain)


@pytest.mark.rules
def test_nothing_goes_through_all_files_or_intents(
    flow: Flow, plans: Callable[[], set[str]]
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1", "d/b": b"2", "big": BIG})
    flow.push(ada, dataset, {"a": b"3"}, force=True)
    flow.announce(ada, flow.start(ada, dataset), {"left": BIG, "too": b"4"})
    upkeep.run_once(flow.site)
    flow.close(ada, dataset, abandon=True)
    upkeep.run_once(flow.site)
    walked = {
        plan
        for plan in plans()
        if plan.split()[0] == "SCAN" and LARGE & set(plan.split())
    }
    # The worker looks at all that is superseded or left over: what waits for it.
    assert {plan for plan in walked if "INDEX" not in plan} == set()
    assert any("intents_live" in plan for plan in plans())


@pytest.mark.parametrize("busy_flow", ["postgresql"], indirect=True)
def test_postgresql_reads_the_rows_of_a_push_and_no_others(busy_flow: Flow) -> None:
    flow, ada = busy_flow, busy_flow.user("ada")
    flow.push(ada, flow.dataset(ada, "earlier").id, {"a": b"1"})
    with flow.site.engine.begin() as connection:
        _multiply(connection, MANY)
    told: list[str] = []

    def explain(
        connection: Connection, cursor: Any, statement: str, *more: Any
    ) -> None:
        if statement.split(maxsplit=1)[0] in {"SELECT", "UPDATE", "DELETE"}:
            cursor.execute(f"EXPLAIN {statement}", more[0])
            told.extend(row[0] for row in cursor.fetchall())

    event.listen(flow.site.engine, "before_cursor_execute", explain)
    try:
        dataset = flow.dataset(ada).id
        for part in range(2):
            flow.push(ada, dataset, {f"{part}/{n}": b"%d" % n for n in range(500)})
    finally:
        event.remove(flow.site.engine, "before_cursor_execute", explain)
        with flow.site.engine.begin() as connection:
            for table in ("intents", "files"):
                connection.execute(text(f"DELETE FROM {table} WHERE path LIKE 'copy%'"))  # noqa: S608 -- names of ours
    assert any("intents_pkey" in line for line in told)
    walked = re.compile(rf"Seq Scan on ({'|'.join(LARGE - {'superseded'})})")
    assert [line for line in told if walked.search(line)] == []
    # Neighbours are not looked for among all files of the dataset.
    assert [
        line for line in told if re.search(r"Filter.*fold\)::text [<>]", line)
    ] == []


def _multiply(connection: Connection, count: int) -> None:
    """Copy the only intent and the only file, as many pushes would have made them."""
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    for table, fresh in (
        ("intents", {"id": "gen_random_uuid()", "path": "'copy' || n"}),
        ("files", {"path": "'copy' || n", "fold": "'copy' || n"}),
    ):
        names = [c["name"] for c in inspect(connection).get_columns(table)]
        values = ", ".join(fresh.get(name, f'"{name}"') for name in names)
        connection.execute(
            text(
                f"INSERT INTO {table} SELECT {values} "  # noqa: S608 -- names of ours
                f"FROM {table}, generate_series(1, {count}) AS n"
            )
        )
        connection.execute(text(f"ANALYZE {table}"))

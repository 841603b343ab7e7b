"""What a push, a close and the worker ask of the database is found by an index."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event

from hutch_api.services import upkeep
from tests.transfer.flow import Flow

pytestmark = pytest.mark.rules
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

"""What a push, a close and the worker ask of the database is found by an index."""

import re

import pytest
from sqlalchemy import text

from hutch_api.services import upkeep
from tests.plans import explained, multiply
from tests.transfer.flow import Flow

BIG = b"x" * (17 * 1024**2)
LARGE = {"intents", "files", "superseded"}
"""Tables with a row for every file."""


@pytest.mark.rules
def test_nothing_goes_through_all_files_or_intents(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    with explained(flow.site.engine) as plans:
        flow.push(ada, dataset, {"a": b"1", "d/b": b"2", "big": BIG})
        flow.push(ada, dataset, {"a": b"3"}, force=True)
        flow.announce(ada, flow.start(ada, dataset), {"left": BIG, "too": b"4"})
        upkeep.run_once(flow.site)
        flow.close(ada, dataset, abandon=True)
        upkeep.run_once(flow.site)
    walked = {
        plan
        for plan in plans
        if plan.split()[0] == "SCAN" and LARGE & set(plan.split())
    }
    # The worker looks at all that is superseded or left over: what waits for it.
    assert {plan for plan in walked if "INDEX" not in plan} == set()
    assert any("intents_live" in plan for plan in plans)


@pytest.mark.parametrize("busy_flow", ["postgresql"], indirect=True)
def test_postgresql_reads_the_rows_of_a_push_and_no_others(busy_flow: Flow) -> None:
    flow, ada = busy_flow, busy_flow.user("ada")
    flow.push(ada, flow.dataset(ada, "earlier").id, {"a": b"1"})
    with flow.site.engine.begin() as connection:
        path = "'copy' || n"
        multiply(connection, "intents", {"id": "gen_random_uuid()", "path": path})
        multiply(connection, "files", {"path": path, "fold": path})
    try:
        dataset = flow.dataset(ada).id
        with explained(flow.site.engine) as told:
            for part in range(2):
                flow.push(ada, dataset, {f"{part}/{n}": b"%d" % n for n in range(500)})
    finally:
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

"""The table of the kill matrix: a cell that was not tried is seen."""

from hutch.contract.steps import Step
from tests.laws.kills import table
from tests.laws.kills.cells import CELLS, PROCESSES

WHOLE = {f"{step} {victim} {store}" for step, victim in CELLS for store in table.STORES}


def test_the_matrix_has_every_step_process_and_store() -> None:
    assert len(Step) >= 16
    assert {(s, p) for s in Step for p in PROCESSES} <= set(CELLS)
    assert table.empty(WHOLE) == []
    assert "EMPTY" not in "\n".join(table.lines(WHOLE))


def test_an_empty_cell_is_named() -> None:
    missing = f"{Step.SEAL_WRITTEN} worker minio"
    assert table.empty(WHOLE - {missing}) == [missing]
    (row,) = (r for r in table.lines(WHOLE - {missing}) if "EMPTY" in r)
    assert row.startswith(Step.SEAL_WRITTEN)

"""The tables of the kill matrices: a cell that was not tried is seen."""

import pytest

from hutch.contract.steps import Step
from tests.laws.kills import runs, table
from tests.laws.kills.cells import PROCESSES
from tests.laws.kills.table import MATRICES, OF_DATASETS, OF_RUNS, Matrix
from tests.steps import OF_RUNS as STEPS_OF_RUNS


def whole(matrix: Matrix) -> set[str]:
    return {table.name_of(*cell) for cell in matrix.cells}


def test_the_matrix_has_every_step_process_and_store() -> None:
    assert len(Step) >= 16
    assert {step for m in MATRICES for step, _ in m.cells} == set(Step)
    assert set(OF_DATASETS.cells) >= {
        (step, f"{process}/{store}")
        for step in Step
        if step not in STEPS_OF_RUNS
        for process in PROCESSES
        for store in table.STORES
    }
    assert set(OF_RUNS.cells) == {(s, w) for s in STEPS_OF_RUNS for w in runs.WAYS}


@pytest.mark.parametrize("matrix", MATRICES, ids=lambda matrix: matrix.property)
def test_a_whole_matrix_has_no_empty_cell(matrix: Matrix) -> None:
    assert matrix.empty(whole(matrix)) == []
    assert "EMPTY" not in "\n".join(matrix.lines(whole(matrix)))


def test_an_empty_cell_is_named() -> None:
    missing = f"{Step.SEAL_WRITTEN} worker/minio"
    left = whole(OF_DATASETS) - {missing}
    assert OF_DATASETS.empty(left) == [missing]
    (row,) = (r for r in OF_DATASETS.lines(left) if "EMPTY" in r)
    assert row.startswith(Step.SEAL_WRITTEN)

"""The tables of the kill matrices, at the end of a run: of datasets and of runs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import pytest

from hutch.contract.steps import Step
from tests.laws.kills import cells, runs

STORES: Final = ("minio", "seaweedfs")
_WIDTH: Final = 20


class Note(Protocol):
    """Notes that a cell was tried and went well."""

    def __call__(self, step: Step, column: str) -> None:
        """Note the kill of a process at a step."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Kills that a whole run must have tried.

    Attributes:
        title: What stands above the table.
        property: Name of the property by which a test reports the cell that it tried.
        columns: Who is killed, on what.
        cells: Steps and columns that are asked for.
    """

    title: str
    property: str
    columns: tuple[str, ...]
    cells: tuple[tuple[Step, str], ...]

    def tried(self, reports: Iterable[pytest.TestReport]) -> set[str]:
        """Read from the reports of a run which cells were tried and went well."""
        return {
            str(value)
            for report in reports
            if report.passed
            for name, value in report.user_properties
            if name == self.property
        }

    def empty(self, tried: set[str]) -> list[str]:
        """List the cells that a whole run must have, and this one has not."""
        wanted = [name_of(step, column) for step, column in self.cells]
        return [name for name in wanted if name not in tried]

    def lines(self, tried: set[str]) -> Iterator[str]:
        """Draw it: x for a kill that lost nothing, - where none is asked for."""
        yield " " * _WIDTH + " ".join(self.columns)
        for step in dict.fromkeys(step for step, _ in self.cells):
            marks = []
            for column in self.columns:
                if name_of(step, column) in tried:
                    mark = "x"
                else:
                    mark = "EMPTY" if (step, column) in self.cells else "-"
                marks.append(mark.center(len(column)))
            yield f"{step:<{_WIDTH}}" + " ".join(marks)


def name_of(step: Step, column: str) -> str:
    """Name a cell, as it is reported."""
    return f"{step} {column}"


OF_DATASETS: Final = Matrix(
    title="kill matrix: step by process by store",
    property="kill",
    columns=tuple(
        f"{victim}/{store}"
        for store in STORES
        for victim in (*cells.PROCESSES, "store")
    ),
    cells=tuple(
        (step, f"{victim}/{store}") for step, victim in cells.CELLS for store in STORES
    ),
)
OF_RUNS: Final = Matrix(
    title="kill matrix of runs: step by process",
    property="kill of a run",
    columns=runs.WAYS,
    cells=runs.CELLS,
)
MATRICES: Final = (OF_DATASETS, OF_RUNS)

"""The table step by process by store of the kill matrix, at the end of a run."""

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

import pytest

from hutch.contract.steps import Step
from tests.laws.kills.cells import CELLS, PROCESSES

PROPERTY: Final = "kill"
"""Name of the property by which a test reports the cell that it tried."""
STORES: Final = ("minio", "seaweedfs")
_VICTIMS: Final = (*PROCESSES, "store")
_WIDTH: Final = 20


class Note(Protocol):
    """Notes that a cell was tried and went well."""

    def __call__(self, step: Step, victim: str, store: str) -> None:
        """Note the kill of a process at a step, on a store."""
        ...


def tried(reports: Iterable[pytest.TestReport]) -> set[str]:
    """Read from the reports of a run which cells were tried and went well."""
    return {
        str(value)
        for report in reports
        if report.passed
        for name, value in report.user_properties
        if name == PROPERTY
    }


def empty(cells: set[str]) -> list[str]:
    """List the cells that a whole run must have, and this one has not."""
    return [
        f"{step} {victim} {store}"
        for step, victim in CELLS
        for store in STORES
        if f"{step} {victim} {store}" not in cells
    ]


def lines(cells: set[str]) -> Iterator[str]:
    """Draw the table: x for a kill that lost nothing, - where none is asked for."""
    heads = [f"{victim}/{store}" for store in STORES for victim in _VICTIMS]
    yield " " * _WIDTH + " ".join(heads)
    for step in Step:
        marks = []
        for store in STORES:
            for victim in _VICTIMS:
                if f"{step} {victim} {store}" in cells:
                    mark = "x"
                else:
                    mark = "EMPTY" if (step, victim) in CELLS else "-"
                marks.append(mark.center(len(f"{victim}/{store}")))
        yield f"{step:<{_WIDTH}}" + " ".join(marks)

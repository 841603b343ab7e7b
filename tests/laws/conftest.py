"""The proofs of the laws: how much is tried, and what was counted.

``make laws`` tries what CI has time for, ``make soak`` much more (``HUTCH_SOAK=1``).
What a proof counts goes into the report: one JSON line a figure, appended by all
workers of the run to the file that ``HUTCH_FIGURES`` names.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from tests.laws.kills.table import MATRICES, Matrix

SOAK = bool(os.environ.get("HUTCH_SOAK"))


class Count(Protocol):
    """Notes a figure for the report."""

    def __call__(self, what: str, figure: float, unit: str = "") -> None:
        """Note that so many of something were tried or seen."""
        ...


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Count:
    """Note figures for the report, under the name of the test."""

    def note(what: str, figure: float, unit: str = "") -> None:
        line = {
            "area": Path(request.node.path).parent.name,
            "test": request.node.name,
            "what": what,
            "figure": figure,
            "unit": unit,
        }
        if file := os.environ.get("HUTCH_FIGURES"):
            with Path(file).open("a") as report:
                report.write(json.dumps(line) + "\n")

    return note


@pytest.fixture(scope="session")
def scaled() -> Callable[[int, int], int]:
    """Choose between what CI has time for and what a soak run tries."""
    return lambda ci, soak: soak if SOAK else ci


def _asked_for_all(config: pytest.Config) -> bool:
    """Whether nobody asked for a part of the proofs only."""
    chosen = config.option.keyword or config.option.markexpr or config.option.lf
    return not chosen and all(Path(a).is_dir() for a in config.args)


def _cells(config: pytest.Config, matrix: Matrix) -> set[str]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return matrix.tried(reporter.stats.get("passed", [])) if reporter else set()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a whole run in which a cell of a kill matrix stayed empty."""
    for matrix in MATRICES:
        cells = _cells(session.config, matrix)
        if cells and _asked_for_all(session.config) and matrix.empty(cells):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print each kill matrix of which anything was run."""
    for matrix in MATRICES:
        if cells := _cells(terminalreporter.config, matrix):
            terminalreporter.section(matrix.title)
            for line in matrix.lines(cells):
                terminalreporter.write_line(line)
            left = matrix.empty(cells)
            terminalreporter.write_line(f"{len(cells)} cells, {len(left)} empty")

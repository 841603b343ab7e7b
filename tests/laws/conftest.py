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

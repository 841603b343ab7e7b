"""The kill matrix of runs: runner, API and engine, at each step of a run."""

import pytest

from hutch.contract.steps import Step
from tests.laws.kills import runs
from tests.laws.kills.run_world import RunWorld
from tests.laws.kills.table import Note


@pytest.mark.parametrize(("step", "way"), runs.CELLS)
def test_a_kill_leaves_one_outcome(
    runs_world: RunWorld, note_run: Note, step: Step, way: str
) -> None:
    runs.run(runs_world, step, way)
    note_run(step, way)

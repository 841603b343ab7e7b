"""The kill matrix on SeaweedFS and SQLite: each process, at each step."""

import pytest

from hutch.contract.steps import Step
from tests.laws.kills import cells
from tests.laws.kills.table import Note
from tests.laws.kills.world import Role, World


@pytest.mark.parametrize(("step", "victim"), cells.CELLS)
def test_a_kill_loses_nothing(
    seaweedfs_world: World, note: Note, step: Step, victim: Role
) -> None:
    cells.run(seaweedfs_world, step, victim)
    note(step, f"{victim}/seaweedfs")

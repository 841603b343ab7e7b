"""The model's machine on the real stores: seeded walks, and the laws after each."""

from collections.abc import Callable

import pytest

from tests.conftest import Clock
from tests.laws.conftest import Count
from tests.laws.model.walk import Walk
from tests.transfer.stage import Stage

STEPS = 30
WALKS = {"memory": (20, 60), "seaweedfs": (5, 25), "minio": (3, 12)}
"""In CI and in a soak run; MinIO takes longer to make accounts."""


@pytest.mark.timeout(20_000)
def test_the_laws_hold_whatever_people_servers_and_late_requests_do(
    stage: Stage,
    clock: Clock,
    count: Count,
    scaled: Callable[[int, int], int],
    kind: str,
) -> None:
    late = crashes = steps = 0
    walks = scaled(*WALKS[kind])
    for seed in range(walks):
        walk = Walk(stage, clock, seed)
        for _ in range(STEPS):
            walk.step()
        walk.end()
        late, crashes = late + walk.late, crashes + walk.crashes
        steps += len(walk.done)
    count("walks", walks)
    count("steps", steps)
    count("late requests", late)
    count("crashes", crashes)
    assert late
    assert crashes

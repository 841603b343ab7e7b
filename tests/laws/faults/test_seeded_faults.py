"""Faults of all kinds on all lines at once, chosen by a seed."""

import pytest

from tests.laws.conftest import SOAK, Count
from tests.laws.faults.faulty import seeded
from tests.laws.faults.hall import Hall, live

SEEDS = 60 if SOAK else 6
RATE = 0.15


@pytest.mark.parametrize("seed", range(SEEDS))
def test_faults_everywhere_lose_nothing(hall: Hall, seed: int, count: Count) -> None:
    failures = live(hall, *(seeded(seed + 1_000 * n, rate=RATE) for n in range(3)))
    done = sum((line.done for line in hall.lines), start=type(hall.api.done)())
    count("faults", done.total())
    count("commands that had to be run again", failures)

"""Random kills on minio."""

import os
from collections.abc import Callable

import pytest

from tests.laws.conftest import Count
from tests.laws.kills.havoc import Havoc, draw
from tests.laws.kills.world import World


@pytest.mark.timeout(20_000)
def test_kills_at_random_lose_nothing(
    minio_world: World, scaled: Callable[[int, int], int], count: Count
) -> None:
    havoc = Havoc(minio_world)
    kills = scaled(25, 500)
    begin = int(os.environ.get("HUTCH_SEED", "0"))
    for seed in range(begin, begin + kills):
        plan = draw(seed)
        try:
            havoc.run(plan)
        except BaseException as error:
            error.add_note(f"HUTCH_SEED={seed}: {plan}")
            raise
    count("kills at random", kills, "kills")

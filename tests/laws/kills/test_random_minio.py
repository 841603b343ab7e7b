"""Random kills on minio."""

from collections.abc import Callable

import pytest

from tests.laws.conftest import Count
from tests.laws.kills.havoc import wreak
from tests.laws.kills.world import World


@pytest.mark.timeout(20_000)
def test_kills_at_random_lose_nothing(
    minio_world: World, scaled: Callable[[int, int], int], count: Count
) -> None:
    kills = scaled(25, 500)
    wreak(minio_world, kills)
    count("kills at random", kills, "kills")

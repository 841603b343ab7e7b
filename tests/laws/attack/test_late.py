"""Thousands of requests after a close, from every position, by every trick."""

import random
from collections.abc import Callable

import pytest

from hutch_api.services.sweep import sweep
from tests.laws.attack.firing import judge, volley
from tests.laws.attack.loot import positions, pushed
from tests.laws.attack.world import World, neighbours, watch
from tests.laws.conftest import Count

pytestmark = pytest.mark.timeout(7_200)  # a soak run fires ten times as much
SEED = 20_261_122


def test_late_requests_change_nothing_and_read_nothing(
    world: World, count: Count, scaled: Callable[[int, int], int]
) -> None:
    others = neighbours(world)
    made = pushed(world, seed=SEED)
    canaries = watch(world, made.dataset)
    before = positions(world, made, others)
    world.flow.close(made.owner, made.dataset, abandon=True)
    world.require_exact(made.reader, made.dataset, made.files)
    rng = random.Random(SEED)  # noqa: S311 -- the same attack every time
    own = list(made.files.values())
    outcomes = judge(volley(rng, before, scaled(1_000, 10_000)), own)
    for what, figure in sorted(outcomes.items()):
        count(what, figure, "requests")
    assert [what for what in outcomes if "landed" in what] == []
    canaries.require_untouched()
    assert sweep(world.site, made.dataset).missing == 0
    world.require_exact(made.reader, made.dataset, made.files)


def test_while_pushing_only_the_own_dataset_is_within_reach(
    world: World, count: Count, scaled: Callable[[int, int], int]
) -> None:
    """The account is alive, and its id is known: the most that a pusher can have."""
    others = neighbours(world)
    made = pushed(world, seed=SEED)
    canaries = watch(world, made.dataset)
    rng = random.Random(SEED + 1)  # noqa: S311 -- the same attack every time
    loot = positions(world, made, others)
    own = list(made.files.values())
    outcomes = judge(volley(rng, loot, scaled(300, 3_000)), own)
    for what, figure in sorted(outcomes.items()):
        count(f"while open: {what}", figure, "requests")
    canaries.require_untouched()
    world.require_readable(made.reader, made.dataset, made.files)
    landed = world.foreign(made.dataset)
    count("while open: versions that landed", len(landed), "versions")
    world.flow.close(made.owner, made.dataset, abandon=True, drop=True)
    world.require_exact(made.reader, made.dataset, made.files)

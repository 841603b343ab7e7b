"""No old account generation comes back to life, whatever the order of events."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from hutch.contract.wire.transfer import SignedRequest
from hutch_api.domain.layout import key_of
from tests.adapters.subject import send
from tests.conftest import Clock
from tests.laws.attack.generations import ACTS, History, Unreliable
from tests.laws.attack.world import World
from tests.laws.conftest import Count
from tests.transfer.flow import Flow, crc
from tests.transfer.stage import in_memory

pytestmark = pytest.mark.timeout(7_200)  # a soak run tries all orders of three
SEED = 4
BEGIN = ("sign",)
"""Without a key that was handed out there is nothing that could come back."""


def test_every_short_order_of_events(
    sqlite_engine: Engine,
    clock: Clock,
    count: Count,
    scaled: Callable[[int, int], int],
) -> None:
    made = in_memory(sqlite_engine, clock)
    accounts = Unreliable(made.site.accounts)
    site = replace(made.site, accounts=accounts)
    flow = Flow(site, made.send)
    actor = flow.user("ada")
    length = scaled(2, 3)
    rng = random.Random(SEED)  # noqa: S311 -- the same orders every time
    orders: list[Sequence[str]] = [*product(ACTS, repeat=length)]
    longer = [rng.choices(sorted(ACTS), k=6) for _ in range(scaled(60, 1_000))]
    for order in [*orders, *longer]:
        dataset = flow.dataset(actor, uuid4().hex).id
        history = History(site, clock, accounts, flow, actor, dataset)
        play(history, [*BEGIN, *order])
        history.settle_down()
    count(f"orders of {length} events after a first key", len(orders), "orders")
    count("orders of 6 events after a first key", len(longer), "orders")


def play(history: History, order: Sequence[str]) -> None:
    """Let events happen, and look after each."""
    for act in order:
        ACTS[act](history)
        try:
            history.check()
        except AssertionError as error:
            error.add_note(f"after {act!r} in {order}")
            raise


def test_urls_of_old_generations_stay_dead_on_the_store(
    world: World, count: Count, scaled: Callable[[int, int], int]
) -> None:
    rng = random.Random(SEED)  # noqa: S311 -- the same orders every time
    ada = world.person("ada")
    accounts = Unreliable(world.site.accounts)
    site = replace(world.site, accounts=accounts)
    flow = replace(world.flow, site=site)
    refused = 0
    for _ in range(scaled(6, 30)):
        dataset = flow.dataset(ada, uuid4().hex).id
        history = History(site, world.clock, accounts, flow, ada, dataset)
        play(history, ["sign", *rng.choices(sorted(ACTS), k=5)])
        history.settle_down()
        urls = [_signed(history, number) for number in range(len(history.handed))]
        assert {send(url, b"late").status for url in urls} == {403}
        assert world.listed(f"d/{dataset}/") == {}
        refused += len(urls)
    count("URLs of ended generations, refused", refused, "requests")


def _signed(history: History, number: int) -> SignedRequest:
    return history.site.objects.sign_put(
        key_of(history.dataset, f"late-{number}"),
        size=4,
        crc64nvme=crc(b"late"),
        intent=uuid4(),
        account=history.handed[number],
    )

"""A site on each database, and people on it."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from hutch_api.domain.access import Actor
from hutch_api.domain.keys import ServerKeys
from hutch_api.services.work import Site
from tests.conftest import Clock, Database, opened
from tests.services.world import World, memory


@pytest.fixture
def site(engine: Engine, clock: Clock) -> Site:
    return make_site(engine, clock)


@pytest.fixture
def busy_world(postgresql_database: Database, clock: Clock) -> Iterator[World]:
    """A world on PostgreSQL, where two transactions really meet."""
    with opened(postgresql_database.url) as engine:
        yield World(make_site(engine, clock))


def make_site(engine: Engine, clock: Clock) -> Site:
    """Make a site on a database, with a store in memory."""
    objects, accounts = memory()
    return Site(
        engine=engine,
        objects=objects,
        accounts=accounts,
        keys=ServerKeys({1: bytes(range(32))}),
        instance=uuid4(),
        clock=clock,
    )


@pytest.fixture
def world(site: Site) -> World:
    return World(site)


@pytest.fixture
def anna(world: World) -> Actor:
    return world.user("anna")


@pytest.fixture
def ben(world: World) -> Actor:
    return world.user("ben")


@pytest.fixture
def cara(world: World) -> Actor:
    return world.user("cara")

"""A board on each database."""

import pytest
from sqlalchemy import Engine

from hutch_api.domain.access import Actor
from tests.conftest import Clock
from tests.derivations.board import Board
from tests.services.conftest import make_site
from tests.services.world import World


@pytest.fixture
def board(engine: Engine, clock: Clock) -> Board:
    return Board(World(make_site(engine, clock)))


@pytest.fixture
def anna(board: Board) -> Actor:
    return board.world.user("anna")


@pytest.fixture
def ben(board: Board) -> Actor:
    return board.world.user("ben")

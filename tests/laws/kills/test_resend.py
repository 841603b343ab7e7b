"""A push that is killed sends again what was on its way, and no more."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hutch.contract.parts import MIB, PART_SIZE
from tests import servers
from tests.laws.conftest import Count
from tests.laws.kills.world import World, world
from tests.line import Line, counting
from tests.servers import DatabaseServer
from tests.steps import Steps
from tests.zygote import Zygote

THREADS = 2
FILES = 4


@pytest.fixture
def counted(
    forks: Zygote, steps: Steps, postgresql: DatabaseServer
) -> Iterator[tuple[World, Line]]:
    """A world in which clients reach the store over a line that counts."""
    with (
        servers.scratch("resend") as home,
        servers.killable("minio") as store,
        counting(store.server.url) as line,
        world(
            forks, steps, store, home, database=postgresql, public_url=line.url
        ) as made,
    ):
        yield made, line


def write_large(file: Path, size: int) -> None:
    """Write random bytes, a block at a time, no two blocks alike."""
    block = bytearray(secrets.token_bytes(MIB))
    with file.open("wb") as handle:
        for number in range(size // MIB):
            block[:8] = number.to_bytes(8, "big")
            handle.write(block)


@pytest.mark.timeout(3_600)
def test_a_push_killed_at_sixty_percent_resends_what_was_on_its_way(
    counted: tuple[World, Line], scaled: Callable[[int, int], int], count: Count
) -> None:
    made, line = counted
    each = scaled(4, 32) * PART_SIZE
    root = made.workdir(files=0)
    for number in range(FILES):
        write_large(root / f"{number}.raw", each)
    whole = FILES * each
    pushing = made.hutch("push", "--jobs", str(THREADS), where=root)
    made.until(lambda: line.sent >= 0.6 * whole, "60 % of the bytes")
    pushing.kill()
    assert line.sent < whole, "it was killed too late"
    made.must("push", "--jobs", str(THREADS), where=root)
    again = line.sent - whole
    assert again <= THREADS * PART_SIZE + whole // 100
    count("bytes sent again by a push killed at 60 %", again / MIB, "MiB")
    count("bytes of that push", whole / MIB, "MiB")
    made.require_same(root)

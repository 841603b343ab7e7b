"""The store is killed while it puts an upload together: every outcome ends well."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests import servers
from tests.laws.conftest import Count
from tests.laws.kills.line import DeadlyLine
from tests.laws.kills.world import World, world, write
from tests.line import opened
from tests.servers import DatabaseServer, StoreKind
from tests.steps import Steps
from tests.zygote import Zygote

FILES = 4
"""Files that are put together at once; the store dies in the midst of them."""
_OFFSETS = (0, 1, 2, 4, 8, 16, 32, 64)
"""Writes that the store may still do; a Complete of four files takes about so many."""


@pytest.fixture(scope="module", params=["minio", "seaweedfs"])
def behind(
    request: pytest.FixtureRequest, forks: Zygote, steps: Steps
) -> Iterator[tuple[World, DeadlyLine]]:
    kind: StoreKind = request.param
    database: DatabaseServer | None = None
    if kind == "minio":
        database = request.getfixturevalue("postgresql")
    with (
        servers.scratch("complete") as home,
        servers.killable(kind) as store,
        opened(DeadlyLine(store.server.url)) as line,
        world(
            forks, steps, store, home, database=database, internal_url=line.url
        ) as made,
    ):
        yield made, line


@pytest.mark.timeout(20_000)
def test_every_outcome_of_a_complete_cut_short_ends_well(
    behind: tuple[World, DeadlyLine], scaled: Callable[[int, int], int], count: Count
) -> None:
    made, line = behind
    root = made.pushed(files=FILES)
    found: Counter[str] = Counter()
    for number in range(scaled(len(_OFFSETS), 4 * len(_OFFSETS))):
        for path in made.files(root):
            write(root / path)
        pushing = made.hutch("push", where=root)
        line.arm(made.store.server.pid, after=_OFFSETS[number % len(_OFFSETS)])
        line.wait()
        pushing.kill()  # so that nobody goes on before the outcome is seen
        made.store.stop()
        made.store.start()
        found += made.outcomes(root)
        made.must("push", where=root)
        made.require_exact(root)
    assert found.total() > 0
    for outcome, files in found.items():
        count(f"a Complete cut short left {outcome}", files, "files")
    count("kills of the store before it answered a Complete", line.kills, "kills")

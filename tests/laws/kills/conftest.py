"""Processes to kill: forks of one that has imported everything."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from hutch.contract.steps import Step
from tests import servers, zygote
from tests.conftest import _required
from tests.derivations.real.podman import build
from tests.laws.conftest import Count
from tests.laws.kills import table
from tests.laws.kills.run_world import RunWorld, executing
from tests.laws.kills.table import Note
from tests.laws.kills.world import World
from tests.laws.kills.world import world as run_world
from tests.servers import DatabaseServer
from tests.steps import Steps, watched
from tests.zygote import Zygote


@pytest.fixture(scope="session")
def forks() -> Iterator[Zygote]:
    with zygote.zygote() as one:
        yield one


@pytest.fixture(scope="session")
def steps() -> Iterator[Steps]:
    with servers.scratch("steps") as directory, watched(directory / "s") as one:
        yield one


@contextmanager
def _world(
    kind: servers.StoreKind, forks: Zygote, steps: Steps, server: DatabaseServer | None
) -> Iterator[World]:
    with (
        servers.scratch("world") as home,
        servers.killable(kind) as store,
        run_world(forks, steps, store, home, database=server) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def minio_world(
    forks: Zygote, steps: Steps, postgresql: DatabaseServer
) -> Iterator[World]:
    """MinIO and PostgreSQL, as in a facility."""
    with _world("minio", forks, steps, postgresql) as made:
        yield made


@pytest.fixture(scope="module")
def seaweedfs_world(forks: Zygote, steps: Steps) -> Iterator[World]:
    """SeaweedFS and SQLite, as on one person's machine."""
    with _world("seaweedfs", forks, steps, None) as made:
        yield made


@pytest.fixture(scope="module")
def runs_world(minio_world: World) -> Iterator[RunWorld]:
    """MinIO, PostgreSQL and Podman, as in a facility."""
    with _required(_built) as images, executing(minio_world, images) as made:
        yield made


@contextmanager
def _built() -> Iterator[dict[str, str]]:
    yield build("step", "probe")


@pytest.fixture
def note(record_property: Callable[[str, object], None], count: Count) -> Note:
    """Note a cell of the kill matrix that was tried and went well."""

    def one(step: Step, column: str) -> None:
        record_property(table.OF_DATASETS.property, table.name_of(step, column))
        count("kills at a step", 1, "kills")

    return one


@pytest.fixture
def note_run(record_property: Callable[[str, object], None], count: Count) -> Note:
    """Note a cell of the kill matrix of runs that was tried and went well."""

    def one(step: Step, column: str) -> None:
        record_property(table.OF_RUNS.property, table.name_of(step, column))
        count("kills at a step of a run", 1, "kills")

    return one

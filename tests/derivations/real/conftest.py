"""One hutch with real containers for the run; people are new in each test."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from hutch_api.domain.tokens import PATTERN
from tests.conftest import _required
from tests.derivations.real.podman import build, podman
from tests.derivations.real.stage import Person, Stage, runner
from tests.e2e.stage import Server, up
from tests.programs import find_weed


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs on SeaweedFS."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("seaweedfs")


@pytest.fixture(scope="session")
def images() -> Iterator[dict[str, str]]:
    with _required(_built) as found:
        yield found


@pytest.fixture(scope="session")
def engine(images: dict[str, str]) -> Iterator[str]:
    with podman() as url:
        yield url


@pytest.fixture(scope="session")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with _required(_weed):
        pass
    with up(tmp_path_factory.mktemp("real") / "hutch", store="seaweedfs") as server:
        yield server


@pytest.fixture(scope="session")
def stage(real_server: Server, engine: str, images: dict[str, str]) -> Iterator[Stage]:
    """Run a hutch with a runner; nothing of it is left, and nothing secret told."""
    log = real_server.directory / "runner.log"
    one = Stage(real_server, engine, images, log)
    with one.clients:
        with runner(real_server, engine, images["step"], log):
            yield one
        assert one.containers.left() == []
    told = log.read_text()
    assert "Traceback" not in told
    assert not re.search(PATTERN, told)


@pytest.fixture(autouse=True)
def tidy(stage: Stage) -> Iterator[None]:
    """See after each test that nothing of its runs is left."""
    yield
    stage.require_tidy()


@pytest.fixture
def neighbour(stage: Stage, anna: Person, scan: UUID) -> Iterator[None]:
    """Somebody's well-behaved run meanwhile, which notices nothing."""
    run = stage.start(anna, scan, "good")
    yield
    assert stage.wait(anna, run).end == ("succeeded", None)


@pytest.fixture(scope="session")
def anna(stage: Stage) -> Person:
    return stage.person("anna")


@pytest.fixture(scope="session")
def scan(stage: Stage, anna: Person, tmp_path_factory: pytest.TempPathFactory) -> UUID:
    """A closed dataset of Anna's."""
    files: dict[str, bytes | str] = {
        "a.txt": "the first\n",
        "raw/b.bin": bytes(range(256)) * 40,
    }
    return stage.closed(anna, tmp_path_factory.mktemp("scan"), files)


@contextmanager
def _built() -> Iterator[dict[str, str]]:
    yield build("step", "probe")


@contextmanager
def _weed() -> Iterator[str]:
    yield find_weed()

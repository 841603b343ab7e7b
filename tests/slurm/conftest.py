"""One cluster and one hutch for the run, with a runner that submits to the cluster."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from hutch_api.domain.tokens import PATTERN
from tests.conftest import _required
from tests.derivations.real.podman import build, podman
from tests.derivations.real.stage import Person, Stage
from tests.e2e.stage import Server, up
from tests.programs import find_weed
from tests.slurm.cluster import Cluster, cluster
from tests.slurm.runner import runner


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs on Slurm and SeaweedFS."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("seaweedfs")
            item.add_marker("slurm")


@pytest.fixture(scope="session")
def images() -> Iterator[dict[str, str]]:
    with _required(_built) as found:
        yield found


@pytest.fixture(scope="session")
def slurm() -> Iterator[Cluster]:
    with _required(cluster) as one:
        yield one


@pytest.fixture(scope="session")
def engine(images: dict[str, str]) -> Iterator[str]:
    """Podman's service: by it tests see what is left, which runs do not need."""
    with podman() as url:
        yield url


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with _required(_weed):
        pass
    with up(tmp_path_factory.mktemp("slurm") / "hutch", store="seaweedfs") as one:
        yield one


@pytest.fixture(scope="session")
def stage(
    server: Server,
    slurm: Cluster,
    engine: str,
    images: dict[str, str],
) -> Iterator[Stage]:
    """Run a hutch with a runner; nothing of it is left, and nothing secret told."""
    log = server.directory / "runner.log"
    one = Stage(server, engine, images, log)
    with one.clients:
        with runner(server, slurm, images["step"], log):
            yield one
        assert one.containers.left() == []
        assert slurm.ask("squeue", "--noheader") == ""
        assert list(slurm.shared.iterdir()) == []
    told = log.read_text()
    assert "Traceback" not in told
    assert not re.search(PATTERN, told)


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
    yield build("step", "probe", "tomo")


@contextmanager
def _weed() -> Iterator[str]:
    yield find_weed()

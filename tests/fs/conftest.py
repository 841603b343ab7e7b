"""A whole hutch on each store, datasets with files, and file systems that read them."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hutch import Client, Workdir, push
from hutch.connection import Connection
from hutch.contract.wire.datasets import CloseIn
from hutch.fs import HutchFileSystem
from tests.adapters.ready import set_up
from tests.agreement import disagreements
from tests.client.live import Live, hutch_on, write
from tests.conftest import opened
from tests.servers import StoreServer

_set_up = cache(set_up)

TREE = {
    "a-b": b"beside",
    "a/b/c": b"deep",
    "a/d": b"",
    "a.txt": b"0123456789",
    "a0": b"after",
    "µ/ü.csv": b"x,y\n1,2\n3,4\n",
}


@dataclass
class Shown:
    """A dataset with files.

    Attributes:
        root: The dataset as the file system names it.
    """

    root: str
    workdir: Workdir
    client: Client

    def put(self, files: Mapping[str, bytes]) -> None:
        """Push files, replacing those that are there."""
        write(self.workdir.root, files)
        assert not push(self.workdir, self.client).problems

    def close(self) -> None:
        """Close the dataset."""
        datasets = self.client.datasets
        datasets.wait(datasets.close(self.workdir.dataset, CloseIn(empty=True)))


NewShown = Callable[..., Shown]


@dataclass
class Asked:
    """What the server of the API was asked."""

    all: list[str] = field(default_factory=list)

    def take(self) -> list[str]:
        """Give what was asked since the last call."""
        taken, self.all = self.all, []
        return taken

    def signings(self) -> int:
        """How often, since the last ``take``, files were to be signed."""
        return sum(one.endswith("/downloads") for one in self.all)


@pytest.fixture(scope="session")
def hutches(
    _sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[StoreServer], Live]]:
    """Run a whole hutch on each store that is asked for, until the end."""
    with ExitStack() as running:

        @cache
        def on(server: StoreServer) -> Live:
            directory = tmp_path_factory.mktemp("fs")
            shutil.copyfile(_sqlite_template, file := directory / "hutch.sqlite")
            engine = running.enter_context(opened(f"sqlite:///{file}"))
            ready = _set_up(server)
            return running.enter_context(hutch_on(engine, ready, directory))

        yield on


@pytest.fixture(scope="module")
def live(
    hutches: Callable[[StoreServer], Live], store_server: StoreServer
) -> Iterator[Live]:
    """A hutch for people and datasets of this module; then database and store agree."""
    live = hutches(store_server)
    yield live
    assert disagreements(live.site) == []
    live.end_accounts()


@pytest.fixture(scope="module")
def anna(live: Live) -> Iterator[Client]:
    with live.person() as client:
        yield client


@pytest.fixture(scope="module")
def ben(live: Live) -> Iterator[Client]:
    with live.person() as client:
        yield client


@pytest.fixture(scope="module")
def shown(live: Live, anna: Client) -> NewShown:
    """Make datasets of Anna's."""

    def make(files: Mapping[str, bytes] | None = None, *, closed: bool = True) -> Shown:
        workdir = live.workdir(anna)
        row = anna.datasets.get(workdir.dataset)
        made = Shown(f"{row.owner}/{row.name}", workdir, anna)
        made.put(TREE if files is None else files)
        if closed:
            made.close()
        return made

    return make


@pytest.fixture(scope="module")
def tree(shown: NewShown) -> str:
    """A closed dataset with a tree, as the file system names it."""
    return shown().root


def fs_of(client: Client, **more: Any) -> HutchFileSystem:
    """Make a file system that reads as somebody."""
    token = client._connection.token
    return HutchFileSystem(
        url=client.url, token=token, skip_instance_cache=True, **more
    )


@pytest.fixture
def fs(anna: Client) -> HutchFileSystem:
    return fs_of(anna)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Count what is asked of the server."""
    seen, send = Asked(), Connection.send

    def counted(self: Connection, method: str, path: str, **how: Any) -> Any:
        seen.all.append(f"{method} {path}")
        return send(self, method, path, **how)

    monkeypatch.setattr(Connection, "send", counted)
    return seen

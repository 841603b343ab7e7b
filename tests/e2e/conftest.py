"""One server for the run; people and datasets are new in each test."""

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest

from hutch.contract.wire.accounts import Role
from hutch_api.embedded.errors import ProgramMissingError
from hutch_api.embedded.stores import find_minio
from tests.agreement import disagreements
from tests.e2e.stage import Person, Server, up

NewPerson = Callable[..., Person]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs on MinIO."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("minio")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    try:
        find_minio(os.environ)
    except ProgramMissingError as error:
        if os.environ.get("CI"):
            pytest.fail(f"not installed: {error}")
        pytest.skip(f"left out: {error}")
    with up(tmp_path_factory.mktemp("e2e") / "server") as running:
        yield running


@pytest.fixture
def new_person(server: Server, tmp_path: Path) -> Iterator[NewPerson]:
    """Make people; in the end what they did is compared in database and store."""
    numbers = count(1)
    names: list[str] = []

    def make(*, role: Role = Role.USER, logged_in: bool = True) -> Person:
        name = f"p{next(numbers)}-{uuid4().hex[:8]}"
        home = tmp_path / name
        home.mkdir()
        person = Person(name, f"secret of {name}", home, server.url)
        names.append(name)
        server.add(person.name, person.password, role=role)
        if logged_in:
            person.log_in()
        return person

    yield make
    assert disagreements(server.site, owners=names) == []


@pytest.fixture
def anna(new_person: NewPerson) -> Person:
    return new_person()


@pytest.fixture
def ben(new_person: NewPerson) -> Person:
    return new_person()

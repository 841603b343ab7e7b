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
from tests.e2e.stage import Person, Server
from tests.e2e.watching import found_about, watched
from tests.leaks import Issued

NewPerson = Callable[..., Person]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs on MinIO."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("minio")


@pytest.fixture(scope="session")
def issued() -> Issued:
    """Every token, password and signature of the run."""
    return Issued()


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, issued: Issued
) -> Iterator[Server]:
    """Run a server; in the end nothing that it issued is found anywhere."""
    try:
        find_minio(os.environ)
    except ProgramMissingError as error:
        if os.environ.get("CI"):
            pytest.fail(f"not installed: {error}")
        pytest.skip(f"left out: {error}")
    with watched(tmp_path_factory.mktemp("e2e") / "server", issued) as one:
        yield one


@pytest.fixture
def new_person(
    server: Server, issued: Issued, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[NewPerson]:
    """Make people; in the end what they did is compared in database and store.

    Nothing secret is left in their working directories or on their screens either.
    """
    numbers = count(1)
    people: list[Person] = []

    def make(*, role: Role = Role.USER, logged_in: bool = True) -> Person:
        name = f"p{next(numbers)}-{uuid4().hex[:8]}"
        home = tmp_path / name
        home.mkdir()
        person = Person(name, f"secret of {name}", home, server.url)
        people.append(person)
        server.add(person.name, person.password, role=role)
        if logged_in:
            person.log_in()
        return person

    yield make
    foreign = request.node.get_closest_marker("foreign") is not None
    owners = [p.name for p in people]
    assert disagreements(server.site, foreign=foreign, owners=owners) == []
    assert [line for p in people for line in found_about(issued, p)] == []


@pytest.fixture
def anna(new_person: NewPerson) -> Person:
    return new_person()


@pytest.fixture
def ben(new_person: NewPerson) -> Person:
    return new_person()

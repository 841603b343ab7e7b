"""An application on a database in a file and a store in memory, and its users."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import uuid4

import pytest
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.testclient import TestClient

from hutch.contract.problems import StoreUnavailableError
from hutch.contract.wire.accounts import Scope
from hutch_api.adapters.memory import MemoryStore
from hutch_api.adapters.memory_accounts import MemoryAccounts
from hutch_api.domain import instance, layout
from hutch_api.domain.keys import ServerKeys
from hutch_api.http.app import create_app
from hutch_api.ports.accounts import StoreAccounts
from hutch_api.ports.objects import ObjectStore
from hutch_api.services.work import Site
from hutch_api.store.tables import Instance
from tests.conftest import Clock
from tests.http.people import Person, add_person, issue_token


@dataclass
class Line:
    """The way to the store, which a test may cut."""

    cut: bool = False


class _Behind:
    """Passes calls on while the line holds."""

    def __init__(self, line: Line, store: MemoryStore | MemoryAccounts) -> None:
        self._line, self._store = line, store

    def __getattr__(self, name: str) -> Any:
        if self._line.cut:
            raise StoreUnavailableError("the store cannot be reached; try again")
        return getattr(self._store, name)


@dataclass(frozen=True)
class Limited:
    """Ada with weaker tokens."""

    site: Site
    ada: Person

    def __call__(self, *scopes: Scope, **limits: Any) -> Person:
        token = issue_token(self.site, self.ada.id, scopes=scopes, **limits)
        return replace(self.ada, token=token)


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def site(sqlite_engine: Engine, clock: Clock, store: MemoryStore, line: Line) -> Site:
    site = Site(
        engine=sqlite_engine,
        objects=cast(ObjectStore, _Behind(line, store)),
        accounts=cast(StoreAccounts, _Behind(line, MemoryAccounts(store))),
        keys=ServerKeys({1: bytes(range(32))}),
        instance=uuid4(),
        clock=clock,
        portable_paths=False,  # every character that a path may hold
    )
    with site.begin() as work:
        work.session.add(Instance(id=site.instance, created_at=work.now))
    store.put_record(layout.INSTANCE, instance.encode(site.instance))
    return site


@pytest.fixture
def app(site: Site) -> Starlette:
    return create_app(site)


@pytest.fixture
def client(app: Starlette) -> Iterator[TestClient]:
    with TestClient(app, follow_redirects=False) as client:
        yield client


@pytest.fixture
def ada(site: Site, client: TestClient) -> Person:
    """Owns what the tests make."""
    return add_person(site, client, "ada")


@pytest.fixture
def bob(site: Site, client: TestClient) -> Person:
    """Is somebody else."""
    return add_person(site, client, "bob")


@pytest.fixture
def limited(site: Site, ada: Person) -> Limited:
    """Makes Ada's weaker tokens."""
    return Limited(site, ada)

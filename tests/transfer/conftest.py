"""A site over each store, and the invariant that is checked after every test.

Three stores: one in memory, on which a test takes milliseconds, and the two real
ones. A test of the database's rules, to which the store is of no matter, is marked
``rules`` and runs on the first alone.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import httpx
import pytest
from sqlalchemy import Engine

from hutch.contract.wire.transfer import SignedRequest
from hutch_api.adapters.s3 import Buckets, create_s3_store
from hutch_api.domain.keys import ServerKeys
from hutch_api.ports.accounts import StoreAccounts
from hutch_api.ports.objects import ObjectStore
from hutch_api.services.work import Site
from tests.adapters.ready import Ready, set_up
from tests.agreement import disagreements
from tests.conftest import Clock, opened, shared_database
from tests.servers import REGION, DatabaseServer, StoreServer
from tests.transfer.flow import Flow
from tests.transfer.foreign import Foreign
from tests.transfer.stage import Stage, emptied, enter, in_memory

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Kind = Literal["memory", "seaweedfs", "minio"]
_KINDS: tuple[Kind, ...] = ("memory", "seaweedfs", "minio")


@dataclass(frozen=True, slots=True)
class Tool:
    """An S3 tool that somebody runs with the administrator's keys."""

    client: "S3Client"
    bucket: str

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=data)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=key)


@dataclass(frozen=True, slots=True)
class Real:
    """A running store with its one bucket pair, and the clients that reach it."""

    ready: Ready
    objects: ObjectStore
    accounts: StoreAccounts
    tool: Tool


def reach(server: StoreServer) -> Real:
    """Set a store up: a bucket pair, and clients for it."""
    ready = set_up(server)
    buckets = ready.place.buckets
    objects = create_s3_store(
        internal_url=ready.place.endpoint,
        public_url=ready.place.endpoint,
        region=REGION,
        buckets=Buckets(buckets.data, buckets.meta),
        server=ready.server,
        reader=ready.reader,
    )
    tool = Tool(ready.client(ready.root), ready.data)
    return Real(ready, objects, ready.accounts(), tool)


_reach_once = cache(reach)
"""For all tests of this worker together: clients are slow to make."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on each store, tests of rules on the fast one only."""
    if "kind" in metafunc.fixturenames:
        rules = metafunc.definition.get_closest_marker("rules") is not None
        kinds = _KINDS[:1] if rules else _KINDS
        metafunc.parametrize("kind", kinds, scope="session")


@pytest.fixture
def engine(kind: Kind, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """PostgreSQL beside MinIO, as in a facility; SQLite beside the others."""
    if kind == "minio":
        yield emptied(request.getfixturevalue("postgresql_engine"))
        return
    with opened(request.getfixturevalue("sqlite_database").url) as engine:
        yield engine


@pytest.fixture(scope="session")
def postgresql_engine(
    postgresql: DatabaseServer, _postgresql_template: str
) -> Iterator[Engine]:
    with shared_database(postgresql, _postgresql_template, "transfer") as engine:
        yield engine


@pytest.fixture
def real(kind: Kind, request: pytest.FixtureRequest) -> Real | None:
    return None if kind == "memory" else _reach_once(request.getfixturevalue(kind))


@pytest.fixture
def stage(
    real: Real | None, engine: Engine, clock: Clock, request: pytest.FixtureRequest
) -> Iterator[Stage]:
    if real is None:
        yield in_memory(engine, clock)
        return
    client = request.getfixturevalue("http_client")
    site = Site(
        engine=engine,
        objects=real.objects,
        accounts=real.accounts,
        keys=ServerKeys({1: b"k" * 32}),
        instance=real.ready.place.instance,
        clock=clock,
    )
    enter(site)

    def send(request: SignedRequest, body: bytes) -> int:
        answer: httpx.Response = client.request(
            request.method, request.url, headers=dict(request.headers), content=body
        )
        return answer.status_code

    yield Stage(site, send, real.tool)
    for key_id in list(site.accounts.key_ids()):
        site.accounts.delete(key_id)


@pytest.fixture(scope="session")
def http_client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as client:
        yield client


@pytest.fixture
def site(stage: Stage) -> Site:
    return stage.site


@pytest.fixture
def flow(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Flow]:
    yield Flow(stage.site, stage.send)
    foreign = request.node.get_closest_marker("foreign") is not None
    assert disagreements(stage.site, foreign=foreign) == []


@pytest.fixture(params=["sqlite", "postgresql"])
def busy_flow(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Flow]:
    """A store in memory over each database, for two who meet there."""
    with ExitStack() as stack:
        if request.param == "postgresql":
            engine = emptied(request.getfixturevalue("postgresql_engine"))
        else:
            database = request.getfixturevalue("sqlite_database")
            engine = stack.enter_context(opened(database.url))
        made = in_memory(engine, clock)
        yield Flow(made.site, made.send)
        assert disagreements(made.site) == []


@pytest.fixture
def foreign(stage: Stage) -> Foreign:
    return stage.foreign

"""What the server says about itself."""

import asyncio
import json
from dataclasses import replace
from uuid import uuid4

import pytest
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from hutch_api.adapters.memory import MemoryStore
from hutch_api.domain import instance, layout
from hutch_api.http.app import create_app
from hutch_api.http.middleware import Envelope
from hutch_api.services.work import Site
from hutch_api.store.engine import make_engine
from tests.http.conftest import Line
from tests.http.people import assert_problem


def test_the_process_is_healthy_without_its_parts(
    client: TestClient, line: Line
) -> None:
    line.cut = True
    assert client.get("/healthz").json() == {"status": "ok"}


def test_a_whole_site_is_ready(client: TestClient) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "parts": {"database": "ok", "migrations": "ok", "store": "ok"},
    }


def test_readiness_says_that_the_store_is_down(client: TestClient, line: Line) -> None:
    line.cut = True
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["parts"]["store"] != "ok"
    assert answer.json()["parts"]["database"] == "ok"


def test_readiness_says_that_the_store_is_somebody_elses(
    client: TestClient, store: MemoryStore
) -> None:
    other = instance.encode(uuid4())
    store.put_record(layout.INSTANCE, other)
    assert client.get("/readyz").json()["parts"]["store"] == "is another site's"


@pytest.mark.parametrize(
    "change",
    ["DROP TABLE alembic_version", "UPDATE alembic_version SET version_num = 'x'"],
)
def test_readiness_says_that_migrations_are_missing(
    client: TestClient, site: Site, change: str
) -> None:
    with site.begin() as work:
        work.session.connection().exec_driver_sql(change)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "hutch-api migrate" in answer.json()["parts"]["migrations"]


def test_readiness_says_that_the_database_is_down(site: Site) -> None:
    gone = make_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    answer = TestClient(create_app(replace(site, engine=gone))).get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["database"] == "does not answer"
    assert "nobody" not in answer.text


def test_requests_say_that_the_database_is_down(site: Site) -> None:
    gone = make_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    client = TestClient(create_app(replace(site, engine=gone)))
    answer = client.post("/v1/login", json={"user": "ada", "password": "x"})
    assert_problem(answer, 503, "database-unavailable")
    assert "nobody" not in answer.text


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/capabilities"])
def test_anybody_may_ask(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200


def test_capabilities_tell_what_clients_plan_with(client: TestClient) -> None:
    told = client.get("/v1/capabilities").json()
    assert told["api"] == ["v1"]
    assert told["limits"]["single"] == 16 * 1024**2
    assert told["limits"]["part"] == 64 * 1024**2
    assert told["limits"]["parts"] == 9_000
    assert told["limits"]["file"] == 5 * 1024**4
    assert set(told["verbs"]) == {"single", "multipart"}
    assert {"generic@1", "scan.tomo@1", "sinogram@1"} <= set(told["types"])


def test_capabilities_tell_where_tools_find_the_files(
    client: TestClient, site: Site
) -> None:
    place = site.objects.place
    assert client.get("/v1/capabilities").json()["store"] == {
        "endpoint": place.endpoint,
        "region": place.region,
        "bucket": place.bucket,
        "prefix": "d/",
    }


def test_a_request_that_the_end_of_the_server_breaks_off_is_told_so() -> None:
    sent: list[Message] = []

    async def broken_off(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise asyncio.CancelledError

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/datasets",
        "raw_path": b"/v1/datasets",
        "headers": [],
    }
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(Envelope(broken_off)(scope, receive, send))
    assert sent[0]["status"] == 503
    assert json.loads(sent[1]["body"])["type"] == "urn:hutch:problem:server-stopping"

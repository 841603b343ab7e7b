"""The routes that reach the store, each caller on each, with a real store behind them.

Whatever is signed in an answer is sent: it has to work for whoever got it.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from hutch.contract.wire.transfer import SignedRequest
from hutch_api.adapters.s3 import Buckets, create_s3_store
from hutch_api.domain.keys import ServerKeys
from hutch_api.http.app import create_app
from hutch_api.services import revocation, users
from hutch_api.services.work import Site
from tests.adapters.ready import Ready, set_up
from tests.conftest import Clock
from tests.laws.conftest import Count
from tests.laws.rights.calls import outcome, request_for
from tests.laws.rights.table import CALLERS, ROUTES, Route
from tests.laws.rights.world import CONTENT, SENT, Cast, make_cast
from tests.servers import REGION, StoreServer
from tests.transfer.stage import enter

REACH_THE_STORE: Final = (
    "GET /readyz",
    "DELETE /v1/datasets/{dataset}",
    "POST /v1/datasets/{dataset}/close",
    "PUT /v1/datasets/{dataset}/owner",
    "PUT /v1/datasets/{dataset}/shares/{kind}/{name}",
    "DELETE /v1/datasets/{dataset}/shares/{kind}/{name}",
    "GET /v1/datasets/{dataset}/files/{path}",
    "POST /v1/datasets/{dataset}/downloads",
    "POST /v1/pushes/{push}/uploads",
    "POST /v1/pushes/{push}/parts",
    "POST /v1/pushes/{push}/finish",
    "POST /v1/pushes/{push}/aborts",
    "DELETE /v1/groups/{group}",
    "DELETE /v1/groups/{group}/members/{user}",
    "DELETE /v1/tokens/{token}",
    "POST /v1/logout",
)


@dataclass(frozen=True, slots=True)
class Store:
    """A running store and the way to it."""

    ready: Ready
    client: httpx.Client

    def send(self, request: SignedRequest, body: bytes = b"") -> int:
        answer = self.client.request(
            request.method, request.url, headers=dict(request.headers), content=body
        )
        return answer.status_code


@pytest.fixture(scope="module")
def store(seaweedfs: StoreServer) -> Iterator[Store]:
    with httpx.Client(trust_env=False) as client:
        yield Store(set_up(seaweedfs), client)


@pytest.fixture
def cast(store: Store, sqlite_engine: Engine, clock: Clock) -> Iterator[Cast]:
    ready = store.ready
    buckets = ready.place.buckets
    site = Site(
        engine=sqlite_engine,
        objects=create_s3_store(
            internal_url=ready.place.endpoint,
            public_url=ready.place.endpoint,
            region=REGION,
            buckets=Buckets(buckets.data, buckets.meta),
            server=ready.server,
            reader=ready.reader,
        ),
        accounts=ready.accounts(),
        keys=ServerKeys({1: b"k" * 32}),
        instance=ready.place.instance,
        clock=clock,
    )
    enter(site)
    with ExitStack() as stack:
        client = TestClient(create_app(site), follow_redirects=False)
        yield make_cast(site, stack.enter_context(client), store.send)
    for key_id in list(site.accounts.key_ids()):
        site.accounts.delete(key_id)


def in_turn(route: Route) -> list[str]:
    """Whoever is refused first: they leave everything to those who may."""
    return sorted(CALLERS, key=lambda c: (route.expects(c)[0] == "2", c == "owner"))


@pytest.mark.parametrize("name", REACH_THE_STORE)
def test_a_route_answers_each_caller_by_its_rule(
    cast: Cast, store: Store, name: str, count: Count
) -> None:
    route, wrong, used = ROUTES[name], {}, 0
    for caller in in_turn(route):
        answer = request_for(route, cast, caller).sent_by(caller, cast)
        expected, got = route.expects(caller), outcome(answer)
        if got != expected:
            wrong[caller] = (got, expected, answer.text[:300])
        count("cells: route by caller, on a store", 1)
        if answer.status_code == 307:
            used += store.client.get(answer.headers["location"]).content == CONTENT
        elif answer.is_success and name.endswith(("/uploads", "/downloads")):
            used += _sent(store, answer.json())
    assert wrong == {}
    assert used or not name.endswith(("/uploads", "/downloads", "{path}"))


def _sent(store: Store, told: dict[str, Any]) -> int:
    """Send what was signed; give how many requests there were, and that they work."""
    requests = [SignedRequest(**f["request"]) for f in told["files"] if f["request"]]
    for request in requests:
        body = SENT if request.method == "PUT" else b""
        assert store.send(request, body) == 200
    return len(requests)


def test_a_user_disabled_in_the_middle_of_a_push_brings_nothing_more(
    cast: Cast, store: Store
) -> None:
    push, finish = (
        ROUTES[f"POST /v1/pushes/{{push}}/{step}"] for step in ("uploads", "finish")
    )
    announced = request_for(push, cast, "writer").sent_by("writer", cast).json()
    [request] = [SignedRequest(**f["request"]) for f in announced["files"]]
    with cast.site.begin() as work:
        users.disable_user(work, "writer")
    revocation.settle(cast.site)
    assert store.send(request, SENT) == 403
    late = request_for(finish, cast, "writer").sent_by("writer", cast)
    assert outcome(late) == "401 unauthenticated"
    files = request_for(ROUTES["GET /v1/datasets/{dataset}/files"], cast, "owner")
    held = files.sent_by("owner", cast).json()["items"]
    assert [f["path"] for f in held] == ["a"]
    # The others go on, on the path that has become free.
    again = request_for(push, cast, "owner").sent_by("owner", cast).json()
    assert [f["problem"] for f in again["files"]] == [None]

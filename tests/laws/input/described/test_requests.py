"""Every operation of the document, called rightly, wrongly and nearly rightly."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from hutch.contract.wire.accounts import Role
from hutch.contract.wire.runs import StepKind
from hutch_api.adapters.memory import MemoryStore
from hutch_api.services import attempts, claims
from hutch_api.services.attempts import Runner
from hutch_api.services.work import Site
from tests.http.files import push_file
from tests.http.people import Person, add_person, issue_token
from tests.laws.conftest import Count
from tests.laws.input.described.fuzzing import (
    Known,
    Operation,
    Request,
    operations,
    requests,
    require_described,
)

OPERATIONS = operations()
CALLERS = ("owner", "reader", "nobody")
IMAGE = f"sha256:{'0' * 64}"
DEFINITION = {
    "name": "copy",
    "image": IMAGE,
    "argv": ["cp"],
    "inputs": {"scan": {"type": "generic"}},
    "parameters": {"type": "object", "properties": {"n": {"type": "number"}}},
}


@dataclass
class World:
    """An application with something in it, and who calls it."""

    app: Starlette
    site: Site
    owner: Person
    reader: Person
    known: Known
    statuses: list[int] = field(default_factory=list)

    def call(self, who: str, case: Request) -> None:
        """Send a request and check the answer."""
        answer = case.call(app=self.app, headers=self._headers(who))
        self.statuses.append(answer.status_code)
        require_described(case, answer)
        if answer.status_code < 300 and answer.content.startswith(b"{"):
            self.known.harvest(case.operation.label, answer.json())

    def _headers(self, who: str) -> dict[str, str]:
        if who == "nobody":
            return {}
        person = self.owner if who == "owner" else self.reader
        # Its own for each request: a token may be revoked by the request before.
        return {"Authorization": f"Bearer {issue_token(self.site, person.id)}"}


@pytest.fixture
def world(
    site: Site, app: Starlette, client: TestClient, store: MemoryStore
) -> Iterator[World]:
    owner = add_person(site, client, "ada", role=Role.APPROVER)
    reader = add_person(site, client, "bob")
    world = World(app, site, owner, reader, Known())
    refill(world, store)
    yield world
    assert world.statuses


def refill(world: World, store: MemoryStore) -> None:
    """Put an open dataset, a closed one and what belongs to them into the world."""
    # Its token may have been revoked by an earlier sequence.
    token = issue_token(world.site, world.owner.id)
    owner, known = replace(world.owner, token=token), world.known
    tag = uuid4().hex
    for name in (f"open-{tag}", f"closed-{tag}"):
        dataset = owner.create(name)
        file = push_file(owner, store, dataset, "raw/scan.h5", b"content")
        owner.put(f"/v1/datasets/{dataset}/shares/user/bob", {"right": "read"})
        push = owner.post(f"/v1/datasets/{dataset}/pushes").json()["id"]
        announced = owner.post(
            f"/v1/pushes/{push}/uploads",
            {"files": [{"path": "a", "size": 1, "crc64nvme": "AAAAAAAAAAA="}]},
        ).json()["files"][0]
        if name.startswith("closed"):
            owner.post(f"/v1/datasets/{dataset}/close", {"abandon": True})
        for kind, value in (
            ("dataset", dataset),
            ("push", push),
            ("intent", announced["intent"]),
            ("version", file["version"]),
        ):
            known.add(kind, value)
    add_runs(world, owner, tag, dataset)
    owner.post("/v1/groups", {"name": "team"})
    soon = (world.site.clock() + timedelta(days=9)).isoformat()
    limited = owner.post(
        "/v1/tokens", {"name": "t", "scopes": ["read"], "expires_at": soon}
    )
    for kind, values in {
        "expires_at": [soon],
        "token": [limited.json()["info"]["id"]],
        "operation": [str(UUID(int=0))],
        "account": [str(UUID(int=0))],
        "group": ["team"],
        "user": ["ada", "bob"],
        "owner": ["ada", "bob"],
        "name": ["ada", "bob", "team"],
        "kind": ["user", "group"],
        "path": ["raw/scan.h5", "a"],
        "definition": [DEFINITION["name"]],
    }.items():
        for value in values:
            known.add(kind, value)


def add_runs(world: World, owner: Person, tag: str, closed: str) -> None:
    """Put a definition, a run that waits, one that goes on, and a rule there."""
    image = owner.post("/v1/images", {"image": IMAGE}).json()["id"]
    assert owner.post("/v1/definitions", DEFINITION).status_code == 201
    wanted = {"definition": DEFINITION["name"], "inputs": {"scan": closed}}
    ids = [
        owner.post("/v1/runs", wanted | {"name": f"{name}-{tag}"}).json()["id"]
        for name in ("first", "second")
    ]
    rule = owner.post(
        "/v1/rules", {"name": tag, "type": "generic", "definition": DEFINITION["name"]}
    ).json()
    runner = Runner(name=tag, holder=uuid4(), executor="engine")
    taken = attempts.take(world.site, runner)
    assert taken is not None
    code = claims.make_claim(world.site, taken.lease, StepKind.MAIN)
    for kind, value in (
        *(("run", run) for run in ids),
        *(("image", image), ("image", IMAGE), ("rule", rule["id"]), ("code", code)),
    ):
        world.known.add(kind, value)


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check that no request left a traceback or an error in the log."""
    with caplog.at_level(logging.INFO):
        yield
    bad = [r for r in caplog.records if r.levelno >= logging.ERROR or r.exc_info]
    assert [r.getMessage() for r in bad] == []


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda found: found.label)
def test_every_operation_answers_as_it_is_described(
    world: World,
    operation: Operation,
    count: Count,
    scaled: Callable[[int, int], int],
) -> None:
    @settings(
        max_examples=scaled(24, 150),
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(who=st.sampled_from(CALLERS), case=requests(operation, world.known))
    def try_it(who: str, case: Request) -> None:
        world.call(who, case)

    try_it()
    count("requests made from the OpenAPI document", len(world.statuses), "requests")


@pytest.mark.timeout(20_000)
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("who", CALLERS)
def test_what_one_answer_names_the_next_request_uses(
    world: World,
    store: MemoryStore,
    who: str,
    count: Count,
    scaled: Callable[[int, int], int],
) -> None:
    @settings(
        max_examples=scaled(8, 40),
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def go_on(data: st.DataObject) -> None:
        world.known.values.clear()
        refill(world, store)
        for _ in range(12):
            operation = data.draw(st.sampled_from(OPERATIONS))
            world.call(who, data.draw(requests(operation, world.known)))

    go_on()
    count("requests in sequences", len(world.statuses), "requests")
    if who == "owner":
        assert any(status < 300 for status in world.statuses)

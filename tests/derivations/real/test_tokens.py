"""A step that was taken over: what its token, its codes and its door are good for."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import docker
import httpx
import msgspec
import pytest

from hutch.contract.problems import NotFoundError
from hutch.contract.wire.runs import JobOut, StepKind
from hutch_api.adapters import containment
from hutch_api.adapters.containment import ATTEMPT, INSTANCE, SECCOMP
from hutch_api.adapters.engine import containers
from hutch_api.http.endpoints import Endpoint
from hutch_api.http.openapi import ENDPOINTS
from hutch_api.services import claims
from tests.adapters.ready import set_up
from tests.derivations.real.stage import RUNNER, Person, Stage, reported
from tests.servers import StoreServer

NIL = UUID(int=0)
REFUSED = {301, 302, 400, 403, 404, 405, 501}


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A run whose steps somebody has taken over while its program goes on.

    Attributes:
        jobs: What each step was told, its token among it.
        other: Another dataset of the run's owner, open to be changed.
    """

    run: UUID
    jobs: dict[StepKind, JobOut]
    scan: UUID
    other: UUID
    api: httpx.Client

    @property
    def child(self) -> UUID:
        """What the run is to fill."""
        made = self.jobs[StepKind.OUT].dataset
        assert made is not None
        return made

    def ask(
        self, step: StepKind, method: str, path: str, **more: Any
    ) -> tuple[int, str]:
        """Send a request as a step; give status and code of the answer."""
        token = self.jobs[step].token
        headers = {"Authorization": f"Bearer {token}"}
        answer = self.api.request(method, path, headers=headers, **more)
        is_problem = "problem" in answer.headers.get("content-type", "")
        is_told = is_problem and answer.content  # nothing comes with HEAD
        code = answer.json()["type"].rpartition(":")[2] if is_told else ""
        return answer.status_code, code


@pytest.fixture(scope="module")
def taken(
    stage: Stage, anna: Person, scan: UUID, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Taken]:
    run = stage.start(anna, scan, "wait", uuid4().hex)
    other = stage.world.create(anna.actor, f"other-{uuid4().hex[:8]}").id
    with httpx.Client(base_url=stage.server.url, trust_env=False, timeout=60) as api:
        stage.until_said(anna, run.id, b"waiting")
        lease = stage.lease(run.id)
        jobs = {}
        for step in (StepKind.IN, StepKind.OUT):
            code = claims.make_claim(stage.site, lease, step)
            answer = api.post("/v1/claims", json={"code": code})
            assert answer.status_code == 201
            assert api.post("/v1/claims", json={"code": code}).status_code == 401
            jobs[step] = _read(answer)
        one = Taken(run=run.id, jobs=jobs, scan=scan, other=other, api=api)
        yield one
        anna.client.runs.cancel(run.id)
        for step in jobs:
            status = one.ask(step, "GET", f"/v1/datasets/{scan}")[0]
            assert status in {401, 409, 410}
    assert stage.wait(anna, run).end == ("cancelled", "cancelled")
    stage.world.delete(anna.actor, other)


def _read(answer: httpx.Response) -> JobOut:
    return msgspec.json.decode(answer.content, type=JobOut)


def _address(endpoint: Endpoint[Any, Any], dataset: UUID) -> str:
    values = {"dataset": str(dataset), "kind": "user", "name": "anna", "path": "a.txt"}
    path = endpoint.template
    for part in path.split("/"):
        if part.startswith("{"):
            name = part.strip("{}")
            path = path.replace(part, values.get(name, str(NIL)))
    return path


@pytest.mark.parametrize("step", [StepKind.IN, StepKind.OUT])
def test_everything_that_is_not_for_steps_is_closed_to_them(
    taken: Taken, step: StepKind
) -> None:
    reached = taken.scan if step is StepKind.IN else taken.child
    wanted = [e for e in ENDPOINTS if not e.public and not e.steps]
    assert len(wanted) > 30
    answers = {
        f"{e.method} {e.path}": taken.ask(step, e.method, _address(e, reached))
        for e in wanted
    }
    refusals = {(403, "token-insufficient"), (403, "")}
    assert {name: a for name, a in answers.items() if a not in refusals} == {}


def test_what_is_for_steps_is_open_to_them(taken: Taken) -> None:
    for endpoint in (e for e in ENDPOINTS if e.steps):
        address = _address(endpoint, taken.child)
        status, code = taken.ask(StepKind.OUT, endpoint.method, address)
        assert (status, code) != (403, "token-insufficient"), endpoint.path


def test_a_step_reaches_its_datasets_only(taken: Taken) -> None:
    reached = {StepKind.IN: taken.scan, StepKind.OUT: taken.child}
    for step, own in reached.items():
        for dataset in (taken.scan, taken.child, taken.other):
            for path in ("", "/files"):
                status, code = taken.ask(step, "GET", f"/v1/datasets/{dataset}{path}")
                if dataset == own:
                    assert status == 200
                else:
                    assert (status, code) == (404, "not-found")


def test_the_first_step_writes_nothing(taken: Taken) -> None:
    step, insufficient = StepKind.IN, (403, "token-insufficient")
    place = f"/v1/datasets/{taken.scan}"
    assert taken.ask(step, "POST", f"{place}/pushes") == insufficient
    changed = {"description": "changed"}
    assert taken.ask(step, "PATCH", place, json=changed) == insufficient
    account = {"access": "write"}
    refused = taken.ask(step, "POST", f"{place}/store-accounts", json=account)
    assert refused == insufficient


def test_the_last_step_reads_no_input_and_closes_nothing(taken: Taken) -> None:
    step, gone = StepKind.OUT, (404, "not-found")
    place, child = f"/v1/datasets/{taken.scan}", f"/v1/datasets/{taken.child}"
    asked = {"files": [{"path": "a.txt", "version": "1"}]}
    assert taken.ask(step, "POST", f"{place}/downloads", json=asked) == gone
    assert taken.ask(step, "POST", f"{place}/pushes") == gone
    assert taken.ask(step, "PATCH", place, json={"description": "changed"}) == gone
    closed = taken.ask(step, "POST", f"{child}/close", json={"empty": True})
    shared = taken.ask(
        step, "PUT", f"{child}/shares/user/somebody", json={"right": "read"}
    )
    assert closed == shared == (403, "token-insufficient")


def test_the_output_stays_hidden_from_its_owner(anna: Person, taken: Taken) -> None:
    listed = {item.id for item in anna.client.datasets.iterate()}
    assert taken.scan in listed
    assert taken.child not in listed
    with pytest.raises(NotFoundError):
        anna.client.datasets.get(taken.child)


@pytest.fixture(scope="module")
def burglary(stage: Stage, anna: Person, scan: UUID) -> dict[str, Any]:
    """What somebody found in a container that is made as hutch's last step is."""
    door = f"hutch-door-{str(stage.site.instance)[:8]}-{RUNNER}"
    # From the first run on the door is open.
    assert stage.run(anna, scan, "good").end == ("succeeded", None)
    attempt = uuid4()
    places = [
        f"{url.hostname}:{url.port}"
        for url in map(urlsplit, (stage.server.url, stage.server.s3_url))
    ]
    made = containment.for_step(
        attempt, StepKind.OUT, image=stage.images["probe"], door=door, addresses=places
    )
    program = ("python3", "/opt/probe/burgle.py")
    made = replace(made, entrypoint=program, command=tuple(places))
    with closing(docker.DockerClient(stage.engine, version="auto")) as client:
        labels = {INSTANCE: str(stage.site.instance), ATTEMPT: str(attempt)}
        told = containers.options(made, seccomp=str(SECCOMP))
        container = client.containers.create(labels=labels, **told)
        try:
            container.start()
            assert container.wait(timeout=120)["StatusCode"] == 0, container.logs()
            log = container.logs()
        finally:
            container.remove(force=True)
            for mount in made.mounts:
                if mount.volume != door:
                    client.api.remove_volume(mount.volume, force=True)
    return reported(log)


def test_the_door_leads_to_two_addresses_only(
    stage: Stage, burglary: dict[str, Any]
) -> None:
    urls = map(urlsplit, (stage.server.url, stage.server.s3_url))
    names = [f"{url.hostname}-{url.port}.sock" for url in urls]
    assert burglary["door"] == sorted(names)
    assert set(burglary["through"].values()) <= REFUSED
    assert set(burglary["others"].values()) <= {"ENETUNREACH", "ECONNREFUSED"}
    assert burglary["beside"] == "EROFS"


def test_whoever_has_no_token_gets_nothing_through_the_door(
    burglary: dict[str, Any],
) -> None:
    assert set(burglary["api"].values()) == {401}
    assert set(burglary["store"].values()) <= REFUSED
    assert burglary["claim"] == []


def test_minio_gives_nothing_to_whoever_has_no_credentials(minio: StoreServer) -> None:
    ready = set_up(minio)
    asked = [
        ("GET", "/"),
        ("GET", f"/{ready.data}?list-type=2"),
        ("PUT", f"/{ready.data}/x"),
        ("PUT", "/new-bucket"),
        ("GET", "/minio/admin/v3/list-users"),
        ("PUT", "/minio/admin/v3/add-user?accessKey=x"),
        ("PUT", "/minio/admin/v3/add-service-account"),
        ("GET", "/minio/admin/v3/info"),
        ("POST", "/?Action=AssumeRole&Version=2011-06-15"),
        ("GET", "/minio/v2/metrics/cluster"),
    ]
    as_reader = {
        "Authorization": "AWS4-HMAC-SHA256 "
        f"Credential={ready.reader.key_id}/20260101/us-east-1/s3/aws4_request, "
        f"SignedHeaders=host, Signature={'0' * 64}"
    }
    with httpx.Client(base_url=minio.url, trust_env=False, timeout=60) as store:
        for method, path in asked:
            for headers in ({}, as_reader):
                answer = store.request(method, path, headers=headers)
                assert answer.status_code in REFUSED, (method, path, answer.text)

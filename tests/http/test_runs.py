"""Definitions, runs, claims and rules over HTTP."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from starlette.testclient import TestClient

from hutch.contract.wire.accounts import Role, Scope
from hutch.contract.wire.runs import Reason, StepKind
from hutch_api.services import attempts, claims
from hutch_api.services.attempts import Assignment, Runner
from hutch_api.services.work import Site
from tests.http.conftest import Limited
from tests.http.people import Person, add_person, assert_problem

IMAGE = f"sha256:{'1' * 64}"
COPY: dict[str, Any] = {
    "name": "copy",
    "image": IMAGE,
    "argv": ["cp"],
    "inputs": {"scan": {"type": "generic"}},
}
KEY = {"Idempotency-Key": "k"}

NOBODY = UUID(int=7)
"""No run has this id."""


@dataclass
class Bench:
    """A definition of Ada's with an approved image, and a dataset to run it on."""

    site: Site
    ada: Person
    cyd: Person
    image: str
    scan: str

    def wanted(self, **more: Any) -> dict[str, Any]:
        inputs = {"scan": self.scan}
        return {"definition": "copy", "inputs": inputs, "name": "result", **more}

    def start(self, **more: Any) -> str:
        answer = self.ada.post("/v1/runs", self.wanted(**more))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def take(self) -> Assignment:
        runner = Runner(name="bench", holder=uuid4(), executor="engine")
        taken = attempts.take(self.site, runner)
        assert taken is not None
        return taken

    def runs(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.ada.get("/v1/runs").json()["items"]
        return items


@pytest.fixture
def bench(site: Site, client: TestClient, ada: Person) -> Bench:
    cyd = add_person(site, client, "cyd", role=Role.APPROVER)
    image = cyd.post("/v1/images", {"image": IMAGE}).json()["id"]
    assert ada.post("/v1/definitions", COPY).status_code == 201
    scan = ada.create("scan")
    assert ada.post(f"/v1/datasets/{scan}/close", {"empty": True}).status_code == 200
    return Bench(site, ada, cyd, image, scan)


def test_a_run_is_begun_seen_listed_and_cancelled(bench: Bench) -> None:
    ada = bench.ada
    begun = ada.post("/v1/runs", bench.wanted())
    assert begun.status_code == 201
    run = begun.json()
    assert (run["state"], run["definition"], run["owner"]) == (
        "queued",
        "copy@1",
        "ada",
    )
    assert bench.runs() == [run]
    seen = ada.get(f"/v1/runs/{run['id']}")
    assert (seen.status_code, seen.json()) == (200, run)
    assert ada.get(f"/v1/runs/{run['id']}/log").json() == {
        "chunks": [],
        "complete": False,
        "truncated": False,
    }
    ended = ada.post(f"/v1/runs/{run['id']}/cancel")
    assert (ended.status_code, ended.json()["state"]) == (200, "cancelled")
    # Again is fine.
    assert ada.post(f"/v1/runs/{run['id']}/cancel").json() == ended.json()
    assert ada.get(f"/v1/runs/{run['id']}/log").json()["complete"]


def test_what_goes_on_by_itself_has_no_etag(bench: Bench) -> None:
    run = bench.start()
    for path in ("/v1/runs", f"/v1/runs/{run}", "/v1/definitions/copy", "/v1/rules"):
        assert "etag" not in bench.ada.get(path).headers, path


def test_runs_are_listed_by_pages_states_and_definitions(bench: Bench) -> None:
    ids = [bench.start(name=f"r{n}") for n in range(3)]
    bench.ada.post(f"/v1/runs/{ids[0]}/cancel")
    first = bench.ada.get("/v1/runs?limit=2").json()
    rest = bench.ada.get(f"/v1/runs?limit=2&after={first['next']}").json()
    listed = [run["id"] for run in first["items"] + rest["items"]]
    assert (sorted(listed), rest["next"]) == (sorted(ids), None)
    for query, count in {
        "state=queued": 2,
        "state=cancelled": 1,
        "definition=copy": 3,
        "definition=other": 0,
    }.items():
        assert len(bench.ada.get(f"/v1/runs?{query}").json()["items"]) == count


def test_a_request_that_is_sent_again_begins_one_run(bench: Bench) -> None:
    first, again = (
        bench.ada.post("/v1/runs", bench.wanted(), headers=KEY) for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    assert len(bench.runs()) == 1
    other = bench.ada.post("/v1/runs", bench.wanted(name="other"), headers=KEY)
    assert_problem(other, 409, "idempotency-conflict")
    assert len(bench.runs()) == 1


def test_without_a_key_the_name_is_taken(bench: Bench) -> None:
    bench.start()
    answer = bench.ada.post("/v1/runs", bench.wanted())
    assert_problem(answer, 409, "name-taken", name="result")


def test_an_image_that_nobody_approved_runs_nothing(bench: Bench) -> None:
    revoked = bench.cyd.delete(f"/v1/images/{bench.image}")
    assert (revoked.status_code, revoked.content) == (204, b"")
    answer = bench.ada.post("/v1/runs", bench.wanted())
    assert_problem(answer, 409, "image-unapproved", image=IMAGE)
    rule = {"name": "r", "type": "generic", "definition": "copy"}
    assert_problem(bench.ada.post("/v1/rules", rule), 409, "image-unapproved")
    assert bench.ada.get("/v1/definitions/copy").json()["approved"] is False
    assert bench.ada.get("/v1/images").json() == {"items": []}


def test_a_retired_definition_runs_nothing(bench: Bench) -> None:
    assert bench.ada.delete("/v1/definitions/copy").status_code == 204
    assert bench.ada.delete("/v1/definitions/copy").status_code == 204
    answer = bench.ada.post("/v1/runs", bench.wanted())
    assert_problem(answer, 409, "definition-retired")
    rule = {"name": "r", "type": "generic", "definition": "copy"}
    assert_problem(bench.ada.post("/v1/rules", rule), 409, "definition-retired")
    assert bench.ada.get("/v1/definitions").json() == {"items": []}
    assert bench.ada.get("/v1/definitions/copy").json()["retired_at"] is not None
    # A new version runs again.
    assert bench.ada.post("/v1/definitions", COPY).json()["version"] == 2
    bench.start()


def test_versions_of_a_definition_are_told_apart(bench: Bench, bob: Person) -> None:
    second = bench.ada.post("/v1/definitions", {**COPY, "title": "Copies"})
    assert (second.status_code, second.json()["version"]) == (201, 2)
    for query, version in {"": 2, "?version=1": 1, "?version=2": 2}.items():
        seen = bench.ada.get(f"/v1/definitions/copy{query}").json()
        assert seen["version"] == version
    missing = bench.ada.get("/v1/definitions/copy?version=3")
    assert_problem(missing, 404, "not-found", definition="copy@3")
    assert_problem(bob.post("/v1/definitions", COPY), 409, "name-taken", name="copy")
    assert_problem(bob.delete("/v1/definitions/copy"), 403, "forbidden")


def test_a_run_that_has_ended_is_not_cancelled(bench: Bench) -> None:
    run = bench.start()
    attempts.end(bench.site, bench.take().lease, Reason.ERROR, "exit code 1")
    answer = bench.ada.post(f"/v1/runs/{run}/cancel")
    assert_problem(answer, 409, "run-ended", state="failed")
    assert bench.ada.get(f"/v1/runs/{run}").json()["detail"] == "exit code 1"


def test_a_code_is_traded_once_for_the_token_of_a_step(bench: Bench) -> None:
    run = bench.start()
    code = claims.make_claim(bench.site, bench.take().lease, StepKind.IN)
    client = bench.ada.client
    answer = client.post("/v1/claims", json={"code": code})
    assert answer.status_code == 201
    job = answer.json()
    assert (job["run"], job["step"], job["attempt"]) == (run, "in", 1)
    assert (job["inputs"]["scan"]["id"], job["dataset"]) == (bench.scan, None)
    again = client.post("/v1/claims", json={"code": code})
    assert_problem(again, 401, "unauthenticated")
    assert job["token"] not in again.text
    assert code not in again.text


@pytest.mark.parametrize(
    "code", ["", "x", f"hutch_{'a' * 43}", f"hutch_{'a' * 48}", "hutch_…"]
)
def test_what_is_no_code_is_refused(client: TestClient, code: str) -> None:
    answer = client.post("/v1/claims", json={"code": code})
    assert_problem(answer, 401, "unauthenticated")


def test_a_token_is_no_code(bench: Bench) -> None:
    answer = bench.ada.post("/v1/claims", {"code": bench.ada.token})
    assert_problem(answer, 401, "unauthenticated")


def test_the_steps_of_a_run_end_with_it(bench: Bench) -> None:
    run, lease = bench.start(), bench.take().lease
    code = claims.make_claim(bench.site, lease, StepKind.IN)
    late = claims.make_claim(bench.site, lease, StepKind.OUT)
    client = bench.ada.client
    token = client.post("/v1/claims", json={"code": code}).json()["token"]
    path, headers = (
        f"/v1/datasets/{bench.scan}",
        {"Authorization": f"Bearer {token}"},
    )
    assert client.get(path, headers=headers).status_code == 200
    assert bench.ada.post(f"/v1/runs/{run}/cancel").json()["state"] == "running"
    attempt = str(lease.attempt)
    answer = client.get(path, headers=headers)
    assert_problem(answer, 409, "attempt-ended", attempt=attempt)
    refused = client.post("/v1/claims", json={"code": late})
    assert_problem(refused, 409, "attempt-ended", attempt=attempt)


def test_a_step_uses_only_what_is_for_steps(bench: Bench) -> None:
    bench.start()
    code = claims.make_claim(bench.site, bench.take().lease, StepKind.IN)
    token = bench.ada.post("/v1/claims", {"code": code}).json()["token"]
    for path in ("/v1/whoami", "/v1/datasets", "/v1/runs", "/v1/tokens"):
        answer = bench.ada.client.get(
            path, headers={"Authorization": f"Bearer {token}"}
        )
        assert_problem(answer, 403, "token-insufficient")


def test_a_rule_is_made_listed_and_ended(bench: Bench) -> None:
    wanted = {"name": "r", "type": "generic", "definition": "copy"}
    made = bench.ada.post("/v1/rules", wanted)
    assert (made.status_code, made.json()["input"]) == (201, "scan")
    assert_problem(bench.ada.post("/v1/rules", wanted), 409, "name-taken", name="r")
    assert bench.ada.get("/v1/rules").json() == {"items": [made.json()]}
    path = f"/v1/rules/{made.json()['id']}"
    assert bench.ada.delete(path).status_code == 204
    assert_problem(bench.ada.delete(path), 404, "not-found")
    assert bench.ada.get("/v1/rules").json() == {"items": []}
    assert bench.ada.post("/v1/rules", wanted).status_code == 201


def test_a_token_for_certain_datasets_sees_no_runs(
    bench: Bench, limited: Limited
) -> None:
    run = bench.start()
    weak = limited(*Scope, datasets=[bench.scan])
    assert weak.get("/v1/runs").json() == {"items": [], "next": None}
    assert_problem(weak.get(f"/v1/runs/{run}"), 404, "not-found", run=run)
    answer = weak.post("/v1/runs", bench.wanted(name="other"))
    assert_problem(answer, 403, "token-insufficient")


BODIES: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "/v1/definitions": lambda _: {**COPY, "name": "other"},
    "/v1/images": lambda _: {"image": IMAGE},
    "/v1/runs": Bench.wanted,
    "/v1/rules": lambda _: {"name": "r", "type": "generic", "definition": "copy"},
    "/v1/claims": lambda _: {"code": "hutch_x"},
}


@pytest.mark.parametrize("path", BODIES)
def test_a_field_that_is_not_known_is_refused(bench: Bench, path: str) -> None:
    body = {**BODIES[path](bench), "colour": "red"}
    answer = bench.cyd.post(path, body)
    assert_problem(answer, 422, "invalid-input", at="colour")


@pytest.mark.parametrize(
    ("part", "at"),
    [
        ({"resources": {"memory": 4096}}, "resources.memory"),
        ({"output": {"tipe": "generic"}}, "output.tipe"),
        ({"inputs": {"scan": {"tipe": "generic"}}}, "inputs.scan.tipe"),
    ],
)
def test_a_field_that_is_not_known_inside_is_refused_too(
    bench: Bench, part: dict[str, Any], at: str
) -> None:
    """What a misspelt limit says would be forgotten in silence."""
    answer = bench.ada.post("/v1/definitions", {**COPY, "name": "other", **part})
    assert_problem(answer, 422, "invalid-input", at=at)


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/v1/runs", {"version": 2**70}),
        ("/v1/runs", {"version": 0}),
        ("/v1/runs", {"parameters": {"a": "\0"}}),
        ("/v1/runs", {"inputs": {"scan": "x"}}),
        ("/v1/definitions", {"retries": 2**70}),
        ("/v1/definitions", {"inputs": {}}),
        ("/v1/definitions", {"inputs": {"Scan": {}}}),
        ("/v1/definitions", {"argv": []}),
        ("/v1/definitions", {"name": "cancel"}),
        ("/v1/definitions", {"image": "tomo:latest"}),
        ("/v1/definitions", {"resources": {"cpu": 0}}),
        ("/v1/definitions", {"output": {"type": "nothing"}}),
        ("/v1/rules", {"from_attributes": {"a" * 2_000: "x"}}),
        ("/v1/rules", {"from_attributes": {"a": "x" * 20_000}}),
        ("/v1/rules", {"output_name": "always"}),
        ("/v1/rules", {"type": "nothing"}),
        ("/v1/rules", {"input": "other"}),
    ],
)
def test_what_is_out_of_range_is_refused(
    bench: Bench, path: str, part: dict[str, Any]
) -> None:
    answer = bench.ada.post(path, {**BODIES[path](bench), **part})
    assert answer.status_code in {400, 413, 422}, answer.text


@pytest.mark.parametrize(
    "query",
    [
        "definitions/copy?version=0",
        f"definitions/copy?version={2**70}",
        "runs?state=gone",
        "runs?limit=0",
        "runs?after=x",
        f"runs/{NOBODY}/log?attempt={2**70}",
        f"runs/{NOBODY}/log?after=-2",
        f"runs/{NOBODY}/log?after={2**70}",
    ],
)
def test_a_query_that_is_out_of_range_is_refused(bench: Bench, query: str) -> None:
    assert_problem(bench.ada.get(f"/v1/{query}"), 422, "invalid-input")

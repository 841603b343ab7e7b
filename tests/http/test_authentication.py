"""Who may call what: tokens, scopes, and nothing without them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from starlette.testclient import TestClient

from hutch.contract.wire.accounts import Scope
from hutch_api.http.endpoints import Endpoint
from hutch_api.http.openapi import ENDPOINTS
from hutch_api.services.work import Site
from tests.conftest import Clock
from tests.http.conftest import Limited
from tests.http.people import Person, assert_problem, disable, issue_token

PUBLIC = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/v1/capabilities"),
    ("GET", "/v1/openapi.json"),
    ("POST", "/v1/login"),
    ("POST", "/v1/claims"),
}
ANY_TOKEN = {("POST", "/v1/logout"), ("GET", "/v1/whoami")}
ALSO_READ = {("POST", "/v1/runs"), ("POST", "/v1/rules")}
BY_ROLE = {("POST", "/v1/images"), ("DELETE", "/v1/images/{image}")}
BY_STEP = {("PUT", "/v1/previews/{preview}")}
IDS = ("account", "dataset", "image", "operation", "push", "rule", "run", "token")
PROTECTED = [e for e in ENDPOINTS if not e.public]
SCOPED = [e for e in ENDPOINTS if e.scope is not None]


def _name(endpoint: Endpoint[Any, Any]) -> str:
    return f"{endpoint.method} {endpoint.template}"


def _address(endpoint: Endpoint[Any, Any]) -> str:
    values = {"kind": "user", "name": "bob", "user": "bob", "group": "team"}
    values |= {"definition": "copy", "path": "a", "preview": "a.png"}
    values |= {n: str(uuid4()) for n in IDS}
    return endpoint.template.format(**values)


def _send(person: Person, endpoint: Endpoint[Any, Any]) -> Any:
    options = {} if endpoint.body is None else {"json": endpoint.example or {}}
    return person.call(endpoint.method, _address(endpoint), **options)


def test_only_these_endpoints_need_no_token() -> None:
    assert {(e.method, e.template) for e in ENDPOINTS if e.public} == PUBLIC


def test_all_others_need_a_scope_but_these() -> None:
    unscoped = {(e.method, e.template) for e in PROTECTED if e.scope is None}
    assert unscoped == ANY_TOKEN


@pytest.mark.parametrize("endpoint", PROTECTED, ids=_name)
def test_every_other_endpoint_refuses_a_caller_without_token(
    client: TestClient, endpoint: Endpoint[Any, Any]
) -> None:
    answer = client.request(endpoint.method, _address(endpoint))
    if endpoint.method == "HEAD":
        assert (answer.status_code, answer.content) == (401, b"")
        return
    assert_problem(answer, 401, "unauthenticated")


@pytest.mark.parametrize("endpoint", SCOPED, ids=_name)
def test_every_endpoint_refuses_a_token_that_lacks_its_scope(
    limited: Limited, endpoint: Endpoint[Any, Any]
) -> None:
    others = [scope for scope in Scope if scope is not endpoint.scope]
    answer = _send(limited(*others), endpoint)
    if endpoint.method == "HEAD":
        assert (answer.status_code, answer.content) == (403, b"")
        return
    assert_problem(answer, 403, "token-insufficient", scope=endpoint.scope)


@pytest.mark.parametrize("endpoint", SCOPED, ids=_name)
def test_every_endpoint_accepts_a_token_with_nothing_but_its_scope(
    limited: Limited, endpoint: Endpoint[Any, Any]
) -> None:
    assert endpoint.scope is not None
    name = (endpoint.method, endpoint.template)
    also = [Scope.READ] if name in ALSO_READ else []
    answer = _send(limited(endpoint.scope, *also), endpoint)
    if name in BY_ROLE:
        assert_problem(answer, 403, "forbidden")
        return
    if name in BY_STEP:
        assert_problem(answer, 403, "token-insufficient")
        return
    assert answer.status_code in {200, 201, 204, 401, 404, 422}, answer.text
    if answer.status_code == 401:  # the example's old password is wrong
        assert_problem(answer, 401, "bad-credentials")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer hutch_tooshort",
        "Basic {token}",
        "{token}",
        "Bearer {token} x",
        "Bearer {token}x",
        "Bearer {typo}",
    ],
)
def test_what_is_no_token_is_refused(ada: Person, header: str) -> None:
    swapped = ada.token[:-1] + ("A" if ada.token[-1] != "A" else "B")
    text = header.format(token=ada.token, typo=swapped)
    answer = ada.client.get("/v1/whoami", headers={"Authorization": text})
    assert_problem(answer, 401, "unauthenticated")


def test_two_tokens_at_once_are_refused(ada: Person, bob: Person) -> None:
    headers = [("Authorization", f"Bearer {p.token}") for p in (ada, bob)]
    answer = ada.client.get("/v1/whoami", headers=headers)
    assert_problem(answer, 401, "unauthenticated")


@pytest.mark.parametrize("name", ["token", "access_token", "authorization", "key"])
def test_a_token_in_the_address_is_never_read(ada: Person, name: str) -> None:
    answer = ada.client.get(f"/v1/whoami?{name}={ada.token}")
    assert_problem(answer, 401, "unauthenticated")
    assert ada.token not in answer.text
    assert_problem(ada.get(f"/v1/whoami?{name}={ada.token}"), 422, "invalid-input")


def test_a_token_in_a_cookie_is_never_read(ada: Person) -> None:
    answer = ada.client.get("/v1/whoami", headers={"Cookie": f"token={ada.token}"})
    assert_problem(answer, 401, "unauthenticated")


def test_the_scheme_may_be_written_in_any_case(ada: Person) -> None:
    headers = {"Authorization": f"bearer {ada.token}"}
    assert ada.client.get("/v1/whoami", headers=headers).status_code == 200


def test_an_expired_token_is_refused(site: Site, ada: Person, clock: Clock) -> None:
    short = replace(ada, token=issue_token(site, ada.id, days=1))
    assert short.get("/v1/whoami").status_code == 200
    clock.move(timedelta(days=1))
    assert_problem(short.get("/v1/whoami"), 401, "unauthenticated")


def test_a_revoked_token_works_no_more(ada: Person, site: Site) -> None:
    other = replace(ada, token=issue_token(site, ada.id))
    token = other.get("/v1/whoami").json()["token"]["id"]
    assert ada.delete(f"/v1/tokens/{token}").status_code == 204
    assert_problem(other.get("/v1/whoami"), 401, "unauthenticated")


def test_a_disabled_user_is_refused(ada: Person, site: Site) -> None:
    disable(site, "ada")
    assert_problem(ada.get("/v1/whoami"), 401, "unauthenticated")


def test_a_token_reaches_only_its_datasets(ada: Person, limited: Limited) -> None:
    inside, outside = ada.create("inside"), ada.create("outside")
    narrow = limited(*Scope, datasets=[UUID(inside)])
    assert narrow.get(f"/v1/datasets/{inside}").status_code == 200
    assert_problem(narrow.get(f"/v1/datasets/{outside}"), 404, "not-found")
    assert [d["id"] for d in narrow.get("/v1/datasets").json()["items"]] == [inside]


@pytest.mark.parametrize(
    "endpoint", [e for e in SCOPED if "{dataset}" in e.template], ids=_name
)
def test_what_one_may_not_read_is_answered_as_if_it_did_not_exist(
    ada: Person, bob: Person, endpoint: Endpoint[Any, Any]
) -> None:
    dataset = ada.create("tooth")
    missing = str(uuid4())
    texts = []
    for wanted in (dataset, missing):
        path = endpoint.template.replace("{dataset}", wanted)
        path = path.format(kind="user", name="ada", path="a")
        options = {} if endpoint.body is None else {"json": endpoint.example}
        answer = bob.call(endpoint.method, path, **options)
        assert answer.status_code == 404
        text = answer.text.replace(wanted, "X")
        texts.append(text.replace(answer.headers["x-request-id"], "R"))
    assert texts[0] == texts[1]

"""Logging in and out, passwords and tokens."""

from argparse import Namespace
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from hutch.contract.wire.accounts import Role, Scope
from hutch_api.adapters.memory import MemoryStore
from hutch_api.commands import user
from hutch_api.services import users
from hutch_api.services.work import Site
from tests.conftest import Clock
from tests.http.conftest import Limited, Line
from tests.http.files import push_file
from tests.http.people import Person, assert_problem

PASSWORD = "correct horse battery staple"


@pytest.fixture
def grace(site: Site) -> str:
    with site.begin() as work:
        return users.add_user(
            work, name="grace", password=PASSWORD, role=Role.USER
        ).name


def _log_in(client: TestClient, **more: Any) -> Any:
    body = {"user": "grace", "password": PASSWORD, **more}
    return client.post("/v1/login", json=body)


def test_logging_in_gives_a_token_with_every_scope(
    client: TestClient, grace: str
) -> None:
    answer = _log_in(client, token_name="laptop")
    assert answer.status_code == 201
    made = answer.json()
    assert made["token"].startswith("hutch_")
    assert made["info"]["name"] == "laptop"
    assert set(made["info"]["scopes"]) == {scope.value for scope in Scope}
    headers = {"Authorization": f"Bearer {made['token']}"}
    told = client.get("/v1/whoami", headers=headers).json()
    assert told["user"]["name"] == grace
    assert told["token"]["id"] == made["info"]["id"]


@pytest.mark.parametrize(
    ("user", "password"), [("grace", "wrong"), ("nobody", PASSWORD), ("grace", "")]
)
@pytest.mark.usefixtures("grace")
def test_a_wrong_name_or_password_is_one_and_the_same(
    client: TestClient, user: str, password: str
) -> None:
    answer = _log_in(client, user=user, password=password)
    found = assert_problem(answer, 401, "bad-credentials")
    assert found["detail"] == "the user name or the password is wrong"


@pytest.mark.usefixtures("grace")
def test_many_wrong_passwords_make_everybody_wait(
    client: TestClient, clock: Clock
) -> None:
    answers = [_log_in(client, password="wrong") for _ in range(30)]
    refused = [a for a in answers if a.status_code == 429]
    assert refused
    assert_problem(refused[0], 429, "too-many-attempts")
    seconds = int(refused[-1].headers["retry-after"])
    assert seconds > 0
    assert_problem(_log_in(client), 429, "too-many-attempts")
    clock.move(timedelta(seconds=seconds + 1))
    assert _log_in(client).status_code == 201


def test_logging_out_ends_the_token(ada: Person) -> None:
    assert ada.post("/v1/logout").status_code == 204
    assert_problem(ada.get("/v1/whoami"), 401, "unauthenticated")


def test_a_token_without_any_scope_that_matters_can_log_out(limited: Limited) -> None:
    weak = limited(Scope.READ)
    assert weak.post("/v1/logout").status_code == 204


def test_logging_out_succeeds_while_the_store_is_down(
    ada: Person, line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    ada.post(f"/v1/datasets/{ada.create('tooth')}/pushes")
    line.cut = True
    assert ada.post("/v1/logout").status_code == 204
    assert ada.token not in caplog.text


def test_a_user_is_disabled_while_the_store_is_down(
    site: Site,
    ada: Person,
    store: MemoryStore,
    line: Line,
    capsys: pytest.CaptureFixture[str],
) -> None:
    push_file(ada, store, ada.create("tooth"), "f", b"1")
    line.cut = True
    # It once ended as if nothing had been done.
    user._disable(site, Namespace(name=ada.name))
    told = capsys.readouterr()
    assert told.out.startswith(f"disabled {ada.name};")
    assert "worker" in told.err
    assert_problem(ada.get("/v1/whoami"), 401, "unauthenticated")


def test_changing_the_password(client: TestClient, grace: str) -> None:
    assert grace
    headers = {"Authorization": f"Bearer {_log_in(client).json()['token']}"}
    wrong = {"old": "wrong", "new": "another long phrase"}
    answer = client.put("/v1/password", json=wrong, headers=headers)
    assert_problem(answer, 401, "bad-credentials")
    right = {"old": PASSWORD, "new": "another long phrase"}
    answer = client.put("/v1/password", json=right, headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert_problem(_log_in(client), 401, "bad-credentials")
    assert _log_in(client, password="another long phrase").status_code == 201


def test_a_token_is_shown_once(ada: Person, clock: Clock) -> None:
    wanted = {
        "name": "nightly",
        "scopes": ["read"],
        "expires_at": (clock() + timedelta(days=9)).isoformat(),
    }
    answer = ada.post("/v1/tokens", wanted)
    assert answer.status_code == 201
    made = answer.json()
    listed = ada.get("/v1/tokens")
    assert made["info"] in listed.json()["items"]
    assert made["token"] not in listed.text


def test_a_token_cannot_make_a_stronger_one(limited: Limited, clock: Clock) -> None:
    wanted = {
        "name": "nightly",
        "scopes": ["read"],
        "expires_at": (clock() + timedelta(days=9)).isoformat(),
    }
    answer = limited(Scope.ACCOUNT).post("/v1/tokens", wanted)
    assert_problem(answer, 403, "token-insufficient")


def test_a_replayed_token_creation_is_a_conflict(ada: Person, clock: Clock) -> None:
    wanted = {
        "name": "nightly",
        "scopes": ["read"],
        "expires_at": (clock() + timedelta(days=9)).isoformat(),
    }
    key = {"Idempotency-Key": "once"}
    made = ada.post("/v1/tokens", wanted, headers=key).json()["info"]["id"]
    answer = ada.post("/v1/tokens", wanted, headers=key)
    assert_problem(answer, 409, "idempotency-conflict", resource=made)
    assert len(ada.get("/v1/tokens").json()["items"]) == 2


@pytest.mark.parametrize("days", [-1, 400])
def test_a_token_ends_within_a_year(ada: Person, clock: Clock, days: int) -> None:
    wanted = {
        "name": "nightly",
        "scopes": ["read"],
        "expires_at": (clock() + timedelta(days=days)).isoformat(),
    }
    assert_problem(ada.post("/v1/tokens", wanted), 422, "invalid-input")


def test_somebody_elses_token_is_not_there(ada: Person, bob: Person) -> None:
    token = bob.get("/v1/whoami").json()["token"]["id"]
    assert_problem(ada.delete(f"/v1/tokens/{token}"), 404, "not-found")
    assert bob.get("/v1/whoami").status_code == 200


def test_the_owner_manages_a_group(ada: Person, bob: Person) -> None:
    made = ada.post("/v1/groups", {"name": "team"})
    assert (made.status_code, made.json()["members"]) == (201, ["ada"])
    joined = ada.put("/v1/groups/team/members/bob")
    assert (joined.status_code, joined.json()["members"]) == (200, ["ada", "bob"])
    assert [g["name"] for g in bob.get("/v1/groups").json()["items"]] == ["team"]
    assert bob.get("/v1/groups/team").json()["owner"] == "ada"
    left = ada.delete("/v1/groups/team/members/bob")
    assert (left.status_code, left.json()["members"]) == (200, ["ada"])
    assert_problem(bob.get("/v1/groups/team"), 404, "not-found")
    assert ada.delete("/v1/groups/team").status_code == 204
    assert_problem(ada.get("/v1/groups/team"), 404, "not-found")


def test_members_see_a_group_but_do_not_manage_it(ada: Person, bob: Person) -> None:
    ada.post("/v1/groups", {"name": "team"})
    ada.put("/v1/groups/team/members/bob")
    assert_problem(bob.put("/v1/groups/team/members/ada"), 403, "forbidden")
    assert_problem(bob.delete("/v1/groups/team"), 403, "forbidden")


def test_a_group_name_is_taken_once(ada: Person, bob: Person) -> None:
    ada.post("/v1/groups", {"name": "team"})
    assert_problem(bob.post("/v1/groups", {"name": "team"}), 409, "name-taken")


@pytest.mark.parametrize("name", ["no%20body", "%00", "%ff", "a%2Fb", "x" * 300])
def test_odd_names_name_nobody(ada: Person, name: str) -> None:
    ada.post("/v1/groups", {"name": "team"})
    assert_problem(ada.put(f"/v1/groups/team/members/{name}"), 404, "not-found")
    assert_problem(ada.get(f"/v1/groups/{name}"), 404, "not-found")

"""People who call the API, and what they check in every answer."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
from sqlmodel import select
from starlette.testclient import TestClient

from hutch.contract.problems import URN
from hutch.contract.wire.accounts import Role, Scope
from hutch_api.services import tokens
from hutch_api.services.work import Site
from hutch_api.store.tables import User

PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a token."""

    id: UUID
    name: str
    token: str
    client: TestClient

    def call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send a request with the token."""
        headers = {"Authorization": f"Bearer {self.token}"}
        headers |= options.pop("headers", {})
        return self.client.request(method, path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> httpx2.Response:
        return self.call("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> httpx2.Response:
        if json is not None:
            options["json"] = json
        return self.call("POST", path, **options)

    def put(self, path: str, json: Any = None, **options: Any) -> httpx2.Response:
        if json is not None:
            options["json"] = json
        return self.call("PUT", path, **options)

    def delete(self, path: str, **options: Any) -> httpx2.Response:
        return self.call("DELETE", path, **options)

    def create(self, name: str, **more: Any) -> str:
        """Make a dataset and return its id."""
        answer = self.post("/v1/datasets", {"name": name, **more})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


def add_person(
    site: Site, client: TestClient, name: str, *, role: Role = Role.USER
) -> Person:
    """Put a user into the database, without a password, and give them a token."""
    with site.begin() as work:
        row = User(id=uuid4(), name=name, password="!", role=role, created_at=work.now)
        work.session.add(row)
        user = row.id
    return Person(user, name, issue_token(site, user), client)


def issue_token(
    site: Site,
    user: UUID,
    *,
    scopes: Collection[Scope] = tuple(Scope),
    datasets: Collection[UUID] | None = None,
    days: int = 1,
) -> str:
    """Make a token as the administrator of the test."""
    with site.begin() as work:
        return tokens.issue(
            work,
            site.keys,
            user=user,
            name="test",
            scopes=tuple(scopes),
            datasets=datasets,
            expires_at=work.now + timedelta(days=days),
        ).token


def disable(site: Site, name: str) -> None:
    """Disable a user without ending their tokens one by one."""
    with site.begin() as work:
        row = work.session.exec(select(User).where(User.name == name)).one()
        row.disabled_at = work.now


def assert_problem(
    answer: httpx2.Response, status: int, code: str, **facts: Any
) -> dict[str, Any]:
    """Check that an answer is a complete problem document, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"{URN}{code}", problem
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert {name: problem.get(name) for name in facts} == facts
    return problem

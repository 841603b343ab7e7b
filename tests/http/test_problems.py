"""Every failure is a problem document with the right status."""

import logging
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError, StatementError
from starlette.testclient import TestClient

from hutch.contract import problems as errors
from hutch.contract.problems import HutchError, descendants, from_problem
from hutch_api.http import problems
from hutch_api.http.app import create_app
from hutch_api.http.endpoints import Answer, Call, Endpoint
from hutch_api.services.work import Site
from tests.http.people import Person, assert_problem

SECRET = "hutch_0123456789abcdefABCDEF0123456789abcdefABCDEF"
SIGNED = "http://127.0.0.1/b/k?X-Amz-Credential=AKIA&X-Amz-Signature=0badcafe"


def _of_the_server(kind: type[HutchError]) -> bool:
    return kind.__module__.startswith(("hutch.contract", "hutch_api"))


def _failing(site: Site, error: Exception) -> TestClient:
    def fail(_: Call[None, None]) -> Answer:
        raise error

    endpoint: Endpoint[Any, Any] = Endpoint(
        method="GET",
        path="/fail",
        handler=fail,
        answers={HTTPStatus.OK: None},
        public=True,
    )
    return TestClient(create_app(site, endpoints=[endpoint]))


def test_every_error_of_the_server_has_a_status() -> None:
    assert {k for k in descendants() if _of_the_server(k)} == set(problems.STATUS)


def test_every_code_belongs_to_one_error() -> None:
    codes = [kind.code for kind in problems.STATUS]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", problems.STATUS, ids=lambda kind: kind.code)
def test_an_error_arrives_at_the_client_as_itself(
    site: Site, kind: type[HutchError]
) -> None:
    answer = _failing(site, kind("it went wrong", path="a b")).get("/fail")
    found = assert_problem(answer, problems.STATUS[kind], kind.code, path="a b")
    again = from_problem(found)
    assert type(again) is kind
    assert again.detail == "it went wrong"


@pytest.mark.parametrize(
    ("path", "method", "status", "code"),
    [
        ("/nothing/here", "GET", 404, "not-found"),
        ("/v1", "GET", 404, "not-found"),
        ("/v1/whoami/", "GET", 404, "not-found"),
        ("/v1/whoami", "DELETE", 405, "method-not-allowed"),
        ("/v1/datasets", "TRACE", 405, "method-not-allowed"),
    ],
)
def test_starlettes_own_errors_are_problems_too(
    client: TestClient, path: str, method: str, status: int, code: str
) -> None:
    assert_problem(client.request(method, path), status, code, instance=path)


def test_a_wrong_method_is_told_all_the_right_ones(client: TestClient) -> None:
    answer = client.request("PUT", "/v1/tokens")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}


def test_unauthenticated_answers_carry_a_challenge(client: TestClient) -> None:
    answer = client.get("/v1/whoami")
    assert_problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == 'Bearer realm="hutch"'


def test_a_missing_database_is_told_with_a_time_to_come_back(site: Site) -> None:
    error = OperationalError("SELECT 1", {}, Exception("no route to db.internal"))
    answer = _failing(site, error).get("/fail")
    assert_problem(answer, 503, "database-unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "db.internal" not in answer.text


def test_a_database_that_lacks_its_tables_is_no_defect_of_the_request(
    site: Site, ada: Person
) -> None:
    with site.begin() as work:
        connection = work.session.connection()
        connection.exec_driver_sql("ALTER TABLE tokens RENAME TO away")
    assert_problem(ada.get("/v1/whoami"), 503, "database-unavailable")


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (errors.StoreUnavailableError("the store sleeps"), 503, True),
        (errors.StoreError("the store says moo"), 502, False),
        (errors.TooManyAttemptsError("wait", retry_after=41), 429, True),
        (errors.DatasetBusyError("it is closing"), 409, True),
        (errors.DatasetClosedError("it is closed"), 409, False),
    ],
)
def test_retry_after_stands_where_a_retry_helps(
    site: Site, error: HutchError, status: int, *, retry: bool
) -> None:
    answer = _failing(site, error).get("/fail")
    assert_problem(answer, status, error.code)
    assert ("retry-after" in answer.headers) is retry


def test_the_seconds_of_retry_after_come_from_the_error(site: Site) -> None:
    error = errors.TooManyAttemptsError("wait", retry_after=41)
    assert _failing(site, error).get("/fail").headers["retry-after"] == "41"


def test_a_defect_tells_the_caller_an_id_and_nothing_else(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    answer = _failing(site, ZeroDivisionError("secret inside")).get("/fail")
    found = assert_problem(answer, 500, "internal")
    assert "inside" not in answer.text
    assert found["request_id"] in caplog.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("error", "kept_out"),
    [
        (ValueError(f"bad token {SECRET}"), SECRET),
        (ValueError(f"Authorization: Bearer {SECRET[6:]}"), SECRET[6:]),
        (OSError(f"cannot reach {SIGNED}"), "0badcafe"),
        (OSError("GET /b/k?X-Amz-Signature=0badcafe"), "0badcafe"),
        (
            StatementError("no", "SELECT :h", {"h": "hash-of-token"}, KeyError("h")),
            "hash-of-token",
        ),
    ],
)
def test_the_log_of_a_defect_holds_no_secret(
    site: Site, caplog: pytest.LogCaptureFixture, error: Exception, kept_out: str
) -> None:
    def fail(_: Call[None, None]) -> Answer:
        raise RuntimeError("it went wrong") from error

    endpoint: Endpoint[Any, Any] = Endpoint(
        method="GET",
        path="/fail",
        handler=fail,
        answers={HTTPStatus.OK: None},
        public=True,
    )
    assert_problem(
        TestClient(create_app(site, endpoints=[endpoint])).get("/fail"), 500, "internal"
    )
    assert "it went wrong" in caplog.text
    assert kept_out not in caplog.text


def test_a_failure_in_the_middle_of_an_answer_cuts_it_off(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"first"
        raise RuntimeError("the rest is gone")

    endpoint: Endpoint[Any, Any] = Endpoint(
        method="GET",
        path="/long",
        handler=lambda _: Answer(pieces()),
        answers={HTTPStatus.OK: None},
        public=True,
    )
    with caplog.at_level(logging.INFO):
        answer = TestClient(create_app(site, endpoints=[endpoint])).get("/long")
    assert answer.content == b"first"
    assert "the rest is gone" in caplog.text


def test_what_is_refused_before_the_first_piece_has_its_status(site: Site) -> None:
    def pieces() -> Iterator[bytes]:
        yield from refused()

    def refused() -> Iterator[bytes]:
        raise errors.DatasetOpenError("still open")

    endpoint: Endpoint[Any, Any] = Endpoint(
        method="GET",
        path="/long",
        handler=lambda _: Answer(pieces()),
        answers={HTTPStatus.OK: None},
        public=True,
    )
    answer = TestClient(create_app(site, endpoints=[endpoint])).get("/long")
    assert_problem(answer, 409, "dataset-open")

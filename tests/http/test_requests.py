"""What surrounds every request: ids, headers, limits, reading, the log."""

import json
import logging
import re
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from hutch.contract.wire.transfer import MAX_BATCH
from hutch_api.http.app import create_app
from hutch_api.http.middleware import ACCESS_LOG
from hutch_api.services.work import Site
from tests.http.people import Person, assert_problem

LIMIT = 8 * 1024 * 1024
JSON = {"Content-Type": "application/json"}
CRC = "AAAAAAAAAAA="


@pytest.mark.parametrize("path", ["/healthz", "/nothing", "/v1/whoami"])
def test_every_answer_has_a_request_id_and_safe_headers(
    client: TestClient, path: str
) -> None:
    headers = client.get(path).headers
    assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]


def test_a_plain_request_id_of_the_client_is_taken(client: TestClient) -> None:
    answer = client.get("/healthz", headers={"X-Request-Id": "run-7.push_3"})
    assert answer.headers["x-request-id"] == "run-7.push_3"


@pytest.mark.parametrize("wanted", ["", "a b", "x" * 65, "a\tb", "id=1;x", "ünï"])
def test_an_odd_request_id_of_the_client_is_replaced(
    client: TestClient, wanted: str
) -> None:
    answer = client.get("/healthz", headers={b"X-Request-Id": wanted.encode()})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


def test_the_request_id_is_in_the_audit(ada: Person) -> None:
    dataset = ada.create("tooth")
    ada.call(
        "PATCH",
        f"/v1/datasets/{dataset}",
        json={"description": "x"},
        headers={"X-Request-Id": "patch-1"},
    )
    rows = ada.get(f"/v1/datasets/{dataset}/audit").json()["items"]
    assert rows[0]["request_id"] == "patch-1"


def test_the_log_has_a_line_for_each_request(
    ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = ada.create("tooth")
    with caplog.at_level(logging.INFO, logger=ACCESS_LOG):
        ada.get(f"/v1/datasets/{dataset}/files/a%20b")
    line = next(r.getMessage() for r in caplog.records if r.name == ACCESS_LOG)
    assert line.startswith("GET /v1/datasets/{dataset}/files/{path} 404 ")
    assert f"user={ada.id}" in line
    assert "request=" in line


def test_neither_token_nor_query_nor_path_reaches_the_log(
    ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        ada.get(f"/v1/datasets?query=classified&after={ada.token}")
        ada.get(f"/v1/{ada.token}")
        ada.client.get("/v1/whoami", headers={"Authorization": f"Basic {ada.token}"})
        ada.get("/v1/whoami")
        ada.client.post("/v1/login", json={"user": "ada", "password": "classified"})
    ours = [r for r in caplog.records if r.name.startswith("hutch")]
    text = "\n".join(r.getMessage() for r in ours)
    assert len(ours) >= 5
    assert ada.token not in text
    assert "classified" not in text


def test_a_body_that_says_it_is_too_long_is_not_read(client: TestClient) -> None:
    answer = client.post("/v1/login", content=b" " * (LIMIT + 1), headers=JSON)
    assert_problem(answer, 413, "too-large", limit=LIMIT)
    assert answer.headers["connection"] == "close"


def test_the_longest_body_is_read(ada: Person) -> None:
    answer = ada.post(
        f"/v1/pushes/{uuid4()}/uploads", content=b" " * LIMIT, headers=JSON
    )
    assert_problem(answer, 400, "malformed")


def test_what_is_no_batch_is_short(ada: Person) -> None:
    most = 1024 * 1024
    answer = ada.post("/v1/datasets", content=b" " * (most + 1), headers=JSON)
    assert_problem(answer, 413, "too-large", limit=most)
    answer = ada.post("/v1/datasets", content=b" " * most, headers=JSON)
    assert_problem(answer, 400, "malformed")


def test_a_stranger_has_little_to_say(client: TestClient) -> None:
    most = 64 * 1024
    answer = client.post("/v1/login", content=b" " * (most + 1), headers=JSON)
    assert_problem(answer, 413, "too-large", limit=most)
    answer = client.post("/v1/login", content=b" " * most, headers=JSON)
    assert_problem(answer, 400, "malformed")


def test_the_limit_of_bodies_is_a_setting_of_the_application(site: Site) -> None:
    client = TestClient(create_app(site, max_body=10))
    answer = client.post("/v1/login", content=b'{"user": "ada"}', headers=JSON)
    assert_problem(answer, 413, "too-large", limit=10)


@pytest.mark.parametrize(
    "media",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "application/zip",
        "application/x-tar",
    ],
)
def test_only_json_is_read(client: TestClient, media: str | None) -> None:
    headers = {} if media is None else {"Content-Type": media}
    answer = client.post("/v1/login", content=b"{}", headers=headers)
    assert_problem(answer, 415, "unsupported-media-type")


def test_json_may_name_its_encoding(client: TestClient) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    answer = client.post("/v1/login", content=b"{}", headers=headers)
    assert_problem(answer, 422, "invalid-input")


def test_compressed_bodies_are_not_unpacked(client: TestClient) -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}
    answer = client.post("/v1/login", content=b"\x1f\x8b", headers=headers)
    assert_problem(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"user": "\xff"}',
        b'{"user": "\\ud800"}',
        b'{"user": "ada"} {}',
        b'{"user": NaN}',
        b'{"user":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001,
    ],
    ids=range(8),
)
def test_what_is_no_json_is_malformed(client: TestClient, body: bytes) -> None:
    answer = client.post("/v1/login", content=body, headers=JSON)
    assert_problem(answer, 400, "malformed")


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"user": "ada"}, None),
        ({"user": 7, "password": "x"}, "user"),
        ({"user": "a b", "password": "x"}, "user"),
        ({"user": "ada", "pasword": "x"}, "pasword"),
        ({"user": "ada", "password": "x", "token_name": "x" * 101}, "token_name"),
        ([], None),
        ({"user": "ada", "password": "a\x00b"}, None),
    ],
    ids=range(7),
)
def test_a_value_that_is_not_allowed_is_named(
    client: TestClient, body: Any, at: str | None
) -> None:
    facts = {} if at is None else {"at": at}
    answer = client.post("/v1/login", json=body)
    assert_problem(answer, 422, "invalid-input", **facts)


def test_an_escaped_backslash_is_no_null_character(client: TestClient) -> None:
    body = b'{"user": "ada", "password": "\\\\u0000"}'
    answer = client.post("/v1/login", content=body, headers=JSON)
    assert_problem(answer, 401, "bad-credentials")


def test_an_item_of_a_batch_is_named_by_its_number(ada: Person) -> None:
    push = ada.post(f"/v1/datasets/{ada.create('tooth')}/pushes").json()["id"]
    files = [{"path": f"f{n}", "size": 1, "crc64nvme": CRC} for n in range(3)]
    files[2]["size"] = -1
    answer = ada.post(f"/v1/pushes/{push}/uploads", {"files": files})
    found = assert_problem(answer, 422, "invalid-input", at="files[2].size")
    assert "-1 is not within 0" in found["detail"]


def test_a_batch_that_is_too_long_is_too_large(ada: Person) -> None:
    push = ada.post(f"/v1/datasets/{ada.create('tooth')}/pushes").json()["id"]
    files = [{"path": f"f{n}", "size": 1} for n in range(MAX_BATCH + 1)]
    answer = ada.post(f"/v1/pushes/{push}/uploads", {"files": files})
    assert_problem(answer, 413, "too-large", at="files")


@pytest.mark.parametrize(
    ("query", "at"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("limt=5", "limt"),
        ("state=ajar", "state"),
        ("after=%00", "after"),
        ("name=" + "x" * 101, "name"),
    ],
)
def test_a_query_that_is_not_allowed_is_named(ada: Person, query: str, at: str) -> None:
    answer = ada.get(f"/v1/datasets?{query}")
    assert_problem(answer, 422, "invalid-input", at=at)


@pytest.mark.parametrize("query", ["name=%ff", "&".join(["a"] * 200)])
def test_a_query_that_cannot_be_read_is_refused(ada: Person, query: str) -> None:
    assert_problem(ada.get(f"/v1/datasets?{query}"), 422, "invalid-input")


def test_endpoints_without_parameters_take_none(ada: Person) -> None:
    assert_problem(ada.get("/v1/whoami?x=1"), 422, "invalid-input", at="x")


@pytest.mark.parametrize(
    "dataset",
    [
        "nonsense",
        "{7b6d5f0e-90f0-4f3e-8b7a-2f4c8a0b9c1d}",
        "urn:uuid:7b6d5f0e-90f0-4f3e-8b7a-2f4c8a0b9c1d",
        "7b6d5f0e90f04f3e8b7a2f4c8a0b9c1d",
        "7b6d5f0e-90f0-4f3e-8b7a-2f4c8a0b9c1d%00",
        "%ff",
        "7b6d5f0e-90f0-4f3e-8b7a-2f4c8a0b9c1d",
    ],
)
def test_what_is_no_id_names_nothing(ada: Person, dataset: str) -> None:
    assert_problem(ada.get(f"/v1/datasets/{dataset}"), 404, "not-found")


def test_an_id_may_be_written_in_upper_case(ada: Person) -> None:
    dataset = ada.create("tooth")
    assert ada.get(f"/v1/datasets/{dataset.upper()}").json()["id"] == dataset


def test_head_answers_like_get_without_a_body(ada: Person) -> None:
    got, head = ada.get("/v1/whoami"), ada.call("HEAD", "/v1/whoami")
    assert head.status_code == got.status_code == 200
    assert head.headers["content-length"] == got.headers["content-length"]
    assert head.content == b""


def test_the_description_of_the_limit_is_the_limit(client: TestClient) -> None:
    limits = client.get("/v1/capabilities").json()["limits"]
    assert limits["body"] == LIMIT
    assert limits["batch"] == MAX_BATCH


def test_a_full_batch_of_the_longest_paths_fits() -> None:
    item = {"path": "ü" * 450, "size": 5 * 1024**4, "base": "v" * 64, "crc64nvme": CRC}
    assert len(json.dumps({"files": [item] * MAX_BATCH}).encode()) < LIMIT

"""The document describes what is served, and describes it rightly."""

import json
import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from hutch.contract.problems import URN
from hutch.contract.wire.previews import PreviewIn
from hutch_api.http import parsing
from hutch_api.http.endpoints import Endpoint
from hutch_api.http.openapi import ENDPOINTS, document
from hutch_api.http.problems import STATUS


def _name(endpoint: Endpoint[Any, Any]) -> str:
    return f"{endpoint.method} {endpoint.template}"


def _described(endpoint: Endpoint[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = document()["paths"][endpoint.template][
        endpoint.method.lower()
    ]
    return operation


def test_the_document_is_valid_openapi() -> None:
    plain = json.loads(json.dumps(document()))
    assert plain["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(plain).iter_errors()) == []


def test_the_document_is_served_to_everybody(client: TestClient) -> None:
    assert client.get("/v1/openapi.json").json() == json.loads(json.dumps(document()))


def test_every_route_that_is_served_is_described(app: Starlette) -> None:
    served = set()
    for route in app.routes:
        assert isinstance(route, Route)
        template = route.path.replace(":path}", "}")
        methods = {e.method for e in ENDPOINTS if e.template == template}
        assert (route.methods or set()) - {"HEAD"} <= methods
        served |= {(template, method.lower()) for method in methods}
    paths = document()["paths"]
    assert served == {(path, method) for path in paths for method in paths[path]}


def test_operations_have_names_of_their_own() -> None:
    names = [endpoint.name for endpoint in ENDPOINTS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=_name)
def test_every_operation_is_described(endpoint: Endpoint[Any, Any]) -> None:
    operation = _described(endpoint)
    assert operation["summary"]
    assert all(p["description"] for p in operation["parameters"])
    assert ("security" in operation) is endpoint.public
    if endpoint.scope is not None:
        assert f"`{endpoint.scope}`" in operation["description"]


@pytest.mark.parametrize(
    "endpoint", [e for e in ENDPOINTS if e.body is not None], ids=_name
)
def test_every_body_has_an_example_that_can_be_read(
    endpoint: Endpoint[Any, Any],
) -> None:
    assert endpoint.example is not None
    assert endpoint.body is not None
    raw = json.dumps(endpoint.example).encode()
    headers = {"content-type": "application/json"}
    assert parsing.read_body(raw, endpoint.body, headers)


def test_the_problem_schema_knows_every_code() -> None:
    known = document()["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
    assert set(known) == {f"{URN}{kind.code}" for kind in STATUS}


def test_times_and_fields_are_described() -> None:
    dataset = document()["components"]["schemas"]["DatasetOut"]
    assert dataset["properties"]["created_at"]["format"] == "date-time"
    closed = dataset["properties"]["closed_at"]["anyOf"]
    assert {"type": "string", "format": "date-time"} in closed
    assert dataset["properties"]["revision"]["description"].startswith("Counts")
    assert "Attributes:" not in dataset["description"]


def test_no_request_can_carry_the_bytes_of_a_file() -> None:
    """The system before this one took uploads and unpacked archives in memory."""
    paths = document()["paths"]
    operations = [paths[path][method] for path in paths for method in paths[path]]
    taken = {
        media
        for o in operations
        for media in o.get("requestBody", {}).get("content", {})
    }
    assert taken == {"application/json"}
    schemas = document()["components"]["schemas"]
    coded = re.compile(r'"(?:contentEncoding|format)": "(?:base64|binary|byte)"')
    holding = [name for name, one in schemas.items() if coded.search(json.dumps(one))]
    # Pictures of files are no files: a run's own step sends them, 2 MiB each at most.
    assert holding == ["PreviewIn"]
    [sends] = [one for one in ENDPOINTS if one.body is PreviewIn]
    assert (sends.path, sends.steps) == ("/v1/previews/{preview}", True)


def test_no_answer_carries_the_bytes_of_a_file() -> None:
    paths = document()["paths"]
    given = {
        media
        for path in paths
        for method in paths[path]
        for answer in paths[path][method]["responses"].values()
        for media in answer.get("content", {})
    }
    assert given == {
        "application/json",
        "application/problem+json",
        "text/plain; charset=utf-8",
    }

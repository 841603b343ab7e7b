"""Requests made from the OpenAPI document: as it says, against it, and nearly right.

The document alone makes requests that fail at the first check. So there is a third
kind: the example of an operation, with ids that exist, and a few of its values bent.
"""

from dataclasses import dataclass, field
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from hutch.contract.problems import URN
from hutch_api.http.openapi import document
from tests.http.people import PROBLEM

Operation = APIOperation[Any, Any, Any, Any]
Request = Case[Operation]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
_HARVEST = {"id", "next", "version", "intent", "path", "owner", "name", "user"}
_FIELDS = {
    "intents": "intent",
    "base": "version",
    "inputs": "dataset",
    "datasets": "dataset",
    "scan": "dataset",
    "after": "next",
}
"""Which known values a field or a parameter may take, where its name does not say."""
_WHICH = st.integers(0, 999)
"""Which of them: what is drawn must not depend on how many are known by then."""


def operations() -> list[Operation]:
    """Read every operation of the document."""
    config = SchemathesisConfig()
    project = config.projects.default
    project.generation.update(with_security_parameters=False)
    schema = schemathesis.openapi.from_dict(document(), config=config)
    results = list(schema.get_all_operations())
    assert all(isinstance(found, Ok) for found in results), results
    return [found.ok() for found in results if isinstance(found, Ok)]


@dataclass
class Known:
    """Values that were in answers, by what they are."""

    values: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, value: str) -> None:
        """Remember a value."""
        held = self.values.setdefault(kind, [])
        if value not in held:
            held.append(value)

    def of(self, name: str) -> list[str]:
        """List what a field or parameter of this name may hold."""
        return self.values.get(_FIELDS.get(name, name), [])

    def harvest(self, operation: str, answer: Any) -> None:
        """Remember the ids and names in an answer."""
        if isinstance(answer, list):
            for item in answer:
                self.harvest(operation, item)
        if not isinstance(answer, dict):
            return
        for name, value in answer.items():
            if isinstance(value, str) and name in _HARVEST:
                self.add(_kind(operation) if name == "id" else name, value)
            else:
                self.harvest(operation, value)


def _kind(operation: str) -> str:
    """Tell what the ``id`` in an answer of an operation names."""
    _, _, path = operation.partition(" ")
    for kind in (
        *("push", "token", "operation", "store-account"),
        *("run", "rule", "image"),
    ):
        if f"{kind}s" in path.split("/") or f"{kind}es" in path.split("/"):
            return kind.removeprefix("store-")
    return "dataset"


@st.composite
def requests(draw: st.DrawFn, operation: Operation, known: Known) -> Request:
    """Make a request of one of the three kinds."""
    positive = operation.as_strategy(GenerationMode.POSITIVE)
    case: Request = draw(positive)
    kind = draw(st.sampled_from(["bent", "as it says", "against it"]))
    takes = list(operation.iter_parameters()) or operation.body
    if kind == "against it" and takes:
        case = draw(operation.as_strategy(GenerationMode.NEGATIVE))
    if kind != "against it" or draw(st.booleans()):
        _use_known(draw, case, known)
    if kind == "bent":
        _bend(draw, case, known)
    return case


def _use_known(draw: st.DrawFn, case: Request, known: Known) -> None:
    for place in (case.path_parameters, case.query):
        for name in place or {}:
            use, which = draw(st.integers(0, 7)), draw(_WHICH)
            if use and (values := known.of(name)):
                place[name] = values[which % len(values)]


def _bend(draw: st.DrawFn, case: Request, known: Known) -> None:
    """Start from the example, and take over some of what was generated."""
    body = _request_example(case.operation)
    if body is None:
        return
    honest = _filled(draw, body, known)
    generated = case.body if isinstance(case.body, dict) else {}
    names = sorted(set(generated) & _properties(case.operation))
    bent = draw(st.lists(st.sampled_from(names), max_size=2)) if names else []
    case.body = honest | {name: generated[name] for name in bent}
    case.media_type = "application/json"


def _filled(draw: st.DrawFn, value: Any, known: Known, name: str = "") -> Any:
    if isinstance(value, dict):
        return {n: _filled(draw, item, known, n) for n, item in value.items()}
    if isinstance(value, list):
        return [_filled(draw, item, known, name) for item in value]
    if isinstance(value, str):
        use, which = draw(st.integers(0, 3)), draw(_WHICH)
        if use and (values := known.of(name)):
            return values[which % len(values)]
    return value


def _request_example(operation: Operation) -> dict[str, Any] | None:
    described = document()["paths"][operation.path][operation.method.lower()]
    content = described.get("requestBody", {}).get("content", {})
    example: dict[str, Any] | None = content.get("application/json", {}).get("example")
    return example


def _properties(operation: Operation) -> set[str]:
    described = document()["paths"][operation.path][operation.method.lower()]
    schema = described["requestBody"]["content"]["application/json"]["schema"]
    name = schema["$ref"].rpartition("/")[2]
    return set(document()["components"]["schemas"][name]["properties"])


def require_described(case: Request, answer: Response) -> None:
    """Check an answer against the document and against the law of errors."""
    case.validate_response(answer, checks=CHECKS)
    if answer.status_code < 400:
        return
    assert answer.headers["content-type"] == [PROBLEM]
    if case.method == "HEAD":
        return
    problem = answer.json()
    assert problem["type"].startswith(URN)
    assert problem["status"] == answer.status_code
    assert problem["title"]
    assert problem["detail"]
    assert [problem["request_id"]] == answer.headers["x-request-id"]

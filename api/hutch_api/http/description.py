"""Describing endpoints and wire types as an OpenAPI 3.1 document."""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, get_args, get_type_hints

import msgspec

from hutch.contract import problems as errors
from hutch.contract.problems import URN, HutchError
from hutch.contract.version import VERSION
from hutch_api.http.endpoints import JSON, Endpoint
from hutch_api.http.problems import MEDIA_TYPE, RETRY_AFTER, STATUS

_REF: Final = "#/components/schemas/{name}"
_SEGMENT: Final = re.compile(r"{([a-z]+)(:path)?}")
_ATTRIBUTE: Final = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)
_BODY_PROBLEMS: Final = (
    errors.MalformedError,
    errors.TooLargeError,
    errors.UnsupportedMediaError,
)
_ALWAYS: Final = (
    errors.InvalidInputError,
    errors.DatabaseUnavailableError,
    errors.InternalError,
)
_SEGMENTS: Final[Mapping[str, str]] = {
    "dataset": "Id of the dataset.",
    "push": "Id of the push.",
    "token": "Id of the token.",
    "operation": "Id of the operation.",
    "account": "Id of the store account.",
    "definition": "Name of the definition.",
    "image": "Id of the approval.",
    "preview": "Name of the preview.",
    "rule": "Id of the rule.",
    "run": "Id of the run.",
    "group": "Name of the group.",
    "user": "Name of the user.",
    "kind": "To whom the share is given: `user` or `group`.",
    "name": "Name of the user or group.",
    "path": (
        "Path of the file, percent-encoded; slashes may stand as they are. It is "
        "decoded once and not normalised."
    ),
}
_IDS: Final = frozenset(
    {"account", "dataset", "image", "operation", "push", "rule", "run", "token"}
)
_ABOUT: Final = """\
The data service of a beamline: datasets that are pushed, closed for good, derived \
from, and read straight from an S3 store.

The API never carries the bytes of a file: it answers with requests, signed for the \
store, that the client sends itself.

A request with a token can do what the token's scopes, its list of datasets and its \
user's rights all allow. What you may not read is answered as if it did not exist. \
Every failure is a problem document (RFC 9457) whose `type` names it for good, and \
every answer has an `X-Request-Id` that finds it in the server's log.
"""


def make_document(table: Iterable[Endpoint[Any, Any]]) -> dict[str, Any]:
    """Describe the endpoints of a table."""
    endpoints = sorted(table, key=lambda e: (e.template, e.method))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        item = paths.setdefault(endpoint.template, {})
        item[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "hutch",
            "version": VERSION,
            "summary": "Datasets of a beamline.",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`Authorization: Bearer hutch_…`; never in a URL.",
                }
            },
            "schemas": _schemas(endpoints),
        },
    }


def _operation(endpoint: Endpoint[Any, Any]) -> dict[str, Any]:
    summary, _, rest = (inspect.getdoc(endpoint.handler) or "").partition("\n\n")
    about = _one_line(rest)
    if endpoint.scope is not None:
        about = f"{about}\n\nNeeds the scope `{endpoint.scope}`.".strip()
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": _one_line(summary).rstrip("."),
        "tags": [_tag(endpoint)],
        "parameters": [*_segments(endpoint), *_query(endpoint), *_headers(endpoint)],
        "responses": {
            **{str(int(s)): _success(endpoint, s) for s in endpoint.answers},
            **_problems(endpoint),
        },
    }
    if about:
        operation["description"] = about
    if endpoint.public:
        operation["security"] = []
    if endpoint.body is not None:
        content: dict[str, Any] = {"schema": _reference(endpoint.body)}
        if endpoint.example is not None:
            content["example"] = endpoint.example
        operation["requestBody"] = {"required": True, "content": {JSON: content}}
    return operation


def _tag(endpoint: Endpoint[Any, Any]) -> str:
    return endpoint.handler.__module__.rpartition(".")[2]


def _segments(endpoint: Endpoint[Any, Any]) -> Iterator[dict[str, Any]]:
    for name, _ in _SEGMENT.findall(endpoint.path):
        schema = {"type": "string"} | ({"format": "uuid"} if name in _IDS else {})
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": _SEGMENTS[name],
            "schema": schema,
        }


def _query(endpoint: Endpoint[Any, Any]) -> Iterator[dict[str, Any]]:
    if endpoint.query is None:
        return
    _, components = msgspec.json.schema_components([endpoint.query], ref_template=_REF)
    shape = components[endpoint.query.__name__]
    about = _attributes(endpoint.query)
    for name, schema in shape["properties"].items():
        choices = [s for s in schema.get("anyOf", ()) if s != {"type": "null"}]
        yield {
            "name": name,
            "in": "query",
            "required": False,
            "description": about.get(name, ""),
            "schema": choices[0] if choices else schema,
        }


def _headers(endpoint: Endpoint[Any, Any]) -> Iterator[dict[str, Any]]:
    for name, about in endpoint.request_headers.items():
        yield {
            "name": name,
            "in": "header",
            "required": False,
            "description": about,
            "schema": {"type": "string"},
        }


def _success(endpoint: Endpoint[Any, Any], status: HTTPStatus) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": status.phrase}
    told = {"X-Request-Id": "Names the request in the log.", **endpoint.answer_headers}
    answer["headers"] = {
        name: {"description": about, "schema": {"type": "string"}}
        for name, about in told.items()
    }
    kind = endpoint.answers[status]
    if kind is None:
        return answer
    if kind is dict:
        schema: dict[str, Any] = {"type": "object"}
    elif isinstance(kind, type) and is_dataclass(kind):
        schema = _reference(kind)
    else:
        schema = {"type": "string"}
    answer["content"] = {endpoint.media_type: {"schema": schema}}
    return answer


def _problems(endpoint: Endpoint[Any, Any]) -> dict[str, dict[str, Any]]:
    """Group the errors of an endpoint by their status."""
    kinds: list[type[HutchError]] = [*_ALWAYS, *endpoint.problems]
    if not endpoint.public:
        kinds.append(errors.UnauthenticatedError)
    if endpoint.scope is not None:
        kinds.append(errors.TokenInsufficientError)
    if endpoint.body is not None:
        kinds.extend(_BODY_PROBLEMS)
    by_status: dict[HTTPStatus, list[type[HutchError]]] = {}
    for kind in dict.fromkeys(kinds):
        by_status.setdefault(STATUS[kind], []).append(kind)
    return {
        str(int(status)): _problem(status, by_status[status])
        for status in sorted(by_status)
    }


def _problem(status: HTTPStatus, kinds: list[type[HutchError]]) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if any(k in RETRY_AFTER or k is errors.TooManyAttemptsError for k in kinds):
        headers["Retry-After"] = {
            "description": "Seconds after which to try again.",
            "schema": {"type": "integer"},
        }
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = {"schema": {"type": "string"}}
    return {
        "description": " ".join(f"`{k.code}`: {k.title}" for k in kinds),
        "headers": headers,
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}},
    }


def _reference(kind: type[Any]) -> dict[str, Any]:
    return {"$ref": _REF.format(name=kind.__name__)}


def _schemas(endpoints: Iterable[Endpoint[Any, Any]]) -> dict[str, Any]:
    kinds = {
        kind
        for endpoint in endpoints
        for kind in (endpoint.body, endpoint.query, *endpoint.answers.values())
        if is_dataclass(kind) and isinstance(kind, type)
    }
    ordered = sorted(kinds, key=lambda kind: kind.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template=_REF)
    queries = {e.query.__name__ for e in endpoints if e.query is not None}
    for kind in _reachable(ordered):
        if kind.__name__ in schemas:
            _describe(schemas[kind.__name__], kind)
    return {
        **{name: schemas[name] for name in sorted(schemas) if name not in queries},
        "Problem": _problem_schema(),
    }


def _describe(schema: dict[str, Any], kind: type[Any]) -> None:
    """Give a schema the words of its class, and its times their format."""
    schema["description"] = _words(kind)
    about = _attributes(kind)
    hints = get_type_hints(kind)
    for name, shape in schema.get("properties", {}).items():
        if about.get(name):
            shape["description"] = about[name]
        if datetime in {hints[name], *get_args(hints[name])}:
            for choice in [shape, *shape.get("anyOf", ())]:
                if choice.get("type") == "string":
                    choice["format"] = "date-time"


def _reachable(kinds: Iterable[type[Any]]) -> set[type[Any]]:
    found: set[type[Any]] = set()
    ahead: list[Any] = list(kinds)
    while ahead:
        kind = ahead.pop()
        ahead.extend(get_args(kind))
        if isinstance(kind, type) and is_dataclass(kind) and kind not in found:
            found.add(kind)
            hints = get_type_hints(kind)
            ahead.extend(hints[field.name] for field in fields(kind))
    return found


def _attributes(kind: type[Any]) -> Mapping[str, str]:
    """Read what a docstring says of each attribute."""
    text = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2]
    return {name: " ".join(about.split()) for name, about in _ATTRIBUTE.findall(text)}


def _words(kind: type[Any]) -> str:
    text = (inspect.getdoc(kind) or "").partition("Attributes:\n")[0]
    return _one_line(text)


def _one_line(text: str) -> str:
    """Docstrings are wrapped and mark code as reST does; Markdown has one backtick."""
    return " ".join(text.split()).replace("``", "`")


def _problem_schema() -> dict[str, Any]:
    codes = sorted(kind.code for kind in STATUS)
    return {
        "type": "object",
        "description": "A failure (RFC 9457); more members hold facts of its kind.",
        "properties": {
            "type": {"type": "string", "enum": [f"{URN}{code}" for code in codes]},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {
                "type": "string",
                "description": "What happened this time, and what to do now.",
            },
            "instance": {"type": "string", "description": "Path of the request."},
            "request_id": {"type": "string"},
            "at": {"type": "string", "description": "The offending value's place."},
        },
        "required": ["type", "title", "status", "detail"],
        "additionalProperties": True,
        "examples": [
            {
                "type": f"{URN}{errors.DatasetClosedError.code}",
                "title": errors.DatasetClosedError.title,
                "status": 409,
                "detail": "tooth is closed and stays as it is",
                "instance": "/v1/datasets/7b6d5f0e-90f0-4f3e-8b7a-2f4c8a0b9c1d/pushes",
                "request_id": "4f1d2c3b",
            }
        ],
    }

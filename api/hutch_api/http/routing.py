"""From the table of endpoints to routes."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain, groupby
from operator import attrgetter
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from hutch.contract.problems import TokenInsufficientError
from hutch_api.domain.access import Actor
from hutch_api.http import bodies, parsing, trace
from hutch_api.http.authentication import authenticate
from hutch_api.http.bodies import Room
from hutch_api.http.endpoints import Answer, Call, Endpoint
from hutch_api.services.work import Site

Table = Iterable[Endpoint[Any, Any]]


@dataclass(frozen=True, slots=True)
class _NoQuery:
    """An endpoint without query parameters takes none."""


def make_routes(site: Site, table: Table) -> list[Route]:
    """Make one route for each path, so that 405 can name all of its methods."""
    ordered = sorted(table, key=attrgetter("path"))
    room = Room()
    return [
        _make_route(site, room, path, {endpoint.method: endpoint for endpoint in group})
        for path, group in groupby(ordered, key=attrgetter("path"))
    ]


def _make_route(
    site: Site, room: Room, path: str, methods: Mapping[str, Endpoint[Any, Any]]
) -> Route:
    return Route(path, _serve(site, room, methods), methods=sorted(methods))


def _serve(
    site: Site, room: Room, methods: Mapping[str, Endpoint[Any, Any]]
) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        method = request.method
        endpoint = methods["GET" if method not in methods else method]  # HEAD
        known = trace.of(request.scope)
        known.template = endpoint.template
        who: Actor | None = None
        if not endpoint.public:
            who = await run_in_threadpool(
                authenticate, site, request.headers, request_id=known.request_id
            )
            known.user = who.user
            _require_open_to(endpoint, who)
        if endpoint.body is None:
            return await run_in_threadpool(_run, site, endpoint, request, who, b"")
        async with room.taken(request.headers, most=endpoint.longest):
            raw = await bodies.read(request, most=endpoint.longest)
            # A batch is small items of known types, and may have to wait for the store.
            async with nullcontext() if endpoint.batch else room.alone(raw):
                return await run_in_threadpool(_run, site, endpoint, request, who, raw)

    return serve


def _require_open_to(endpoint: Endpoint[Any, Any], who: Actor) -> None:
    """Refuse a step of a run what is not for steps, whatever its scopes allow.

    Raises:
        TokenInsufficientError: The endpoint is for people and machines only.
    """
    if who.attempt is not None and not endpoint.steps:
        raise TokenInsufficientError(
            "this token belongs to a step of a run; it reads and fills the datasets of "
            "its step and can do nothing else"
        )


def _run(
    site: Site,
    endpoint: Endpoint[Any, Any],
    request: Request,
    who: Actor | None,
    raw: bytes,
) -> Response:
    query = parsing.read_query(
        request.scope["query_string"], endpoint.query or _NoQuery
    )
    body = None
    segments = {
        name: parsing.read_segment(text) for name, text in request.path_params.items()
    }
    if endpoint.body is not None:
        body = parsing.read_body(raw, endpoint.body, request.headers)
    call: Call[Any, Any] = Call(
        site=site if who is None else site.seen_by(who),
        who=who,
        request_id=trace.of(request.scope).request_id,
        segments=segments,
        target=f"{request.method} {request.scope['path']}",
        headers=request.headers,
        body=body,
        query=query,
        raw=raw,
    )
    return render(endpoint, endpoint.handler(call))


def render(endpoint: Endpoint[Any, Any], answer: Answer) -> Response:
    """Make the response: nothing, text as it comes, or JSON."""
    status = int(answer.status or endpoint.status)
    headers = dict(answer.headers)
    if answer.body is None:
        return Response(None, status, headers)
    if isinstance(answer.body, Iterator):
        # The first piece is made here: what can be refused is refused with a status.
        pieces = chain([next(answer.body, b"")], answer.body)
        return StreamingResponse(pieces, status, headers, endpoint.media_type)
    return Response(
        msgspec.json.encode(answer.body), status, headers, endpoint.media_type
    )

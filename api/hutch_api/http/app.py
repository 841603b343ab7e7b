"""The application: everything put together, nothing read from the environment."""

from collections.abc import Iterable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from hutch.contract.problems import HutchError
from hutch_api.http import problems, trace
from hutch_api.http.endpoints import MAX_BODY, Endpoint
from hutch_api.http.middleware import BodyLimit, Envelope
from hutch_api.http.openapi import ENDPOINTS
from hutch_api.http.routing import make_routes
from hutch_api.services.work import Site


def create_app(
    site: Site,
    *,
    endpoints: Iterable[Endpoint[Any, Any]] = ENDPOINTS,
    max_body: int = MAX_BODY,
) -> Starlette:
    """Make the ASGI application of a site.

    Args:
        site: Database, store, keys and clock.
        endpoints: What it serves.
        max_body: Longest request body in bytes.
    """
    app = Starlette(
        routes=make_routes(site, endpoints),
        middleware=[Middleware(Envelope), Middleware(BodyLimit, most=max_body)],
        exception_handlers={HutchError: _on_error, HTTPException: _on_error},
    )
    # A redirect to a corrected address would repeat the Host header of the request.
    app.router.redirect_slashes = False
    return app


async def _on_error(request: Request, error: Exception) -> Response:
    return problems.respond(
        error,
        instance=request.scope["path"],
        request_id=trace.of(request.scope).request_id,
    )

"""The OpenAPI document of the API, and the endpoint that serves it."""

from functools import cache
from http import HTTPStatus
from typing import Any, Final

from hutch_api.http.description import make_document
from hutch_api.http.endpoints import Answer, Call, Endpoint
from hutch_api.http.operations import ENDPOINTS as DESCRIBED


@cache
def document() -> dict[str, Any]:
    """Describe every endpoint; ``hutch-api openapi`` prints this."""
    return make_document(ENDPOINTS)


def get_openapi(_: Call[None, None]) -> Answer:
    """Describe this API as an OpenAPI 3.1 document."""
    return Answer(document())


ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    *DESCRIBED,
    Endpoint(
        method="GET",
        path="/v1/openapi.json",
        handler=get_openapi,
        answers={HTTPStatus.OK: dict},
        public=True,
    ),
)
"""All that the application serves."""

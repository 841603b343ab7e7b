"""Who asks: the one place where a token becomes an actor."""

from starlette.datastructures import Headers

from hutch.contract.problems import UnauthenticatedError
from hutch_api.domain.access import Actor
from hutch_api.services import tokens
from hutch_api.services.work import Site


def authenticate(site: Site, headers: Headers, *, request_id: str) -> Actor:
    """Find whose token came with a request.

    Only the header ``Authorization: Bearer …`` counts: addresses end up in logs and
    histories, so a token in one is never read.

    Raises:
        UnauthenticatedError: There is none, more than one, or it is not valid now.
    """
    given = headers.getlist("authorization")
    if len(given) != 1:
        raise UnauthenticatedError(
            "this needs a token; log in with 'hutch login' and send "
            "'Authorization: Bearer <token>'"
        )
    scheme, _, text = given[0].partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise UnauthenticatedError("the header Authorization holds no bearer token")
    return tokens.authenticate(site, text.strip(), request_id=request_id)

"""Errors as RFC 9457 problem documents: the one place that knows both.

An error says what happened, this table says with which status. Everything that goes
wrong leaves through here, also Starlette's own 404 and 405, so that a client needs
one way to read a failure.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hutch.contract import problems as errors
from hutch.contract.problems import HutchError, to_problem
from hutch_api.services.faults import as_database_fault

MEDIA_TYPE: Final = "application/problem+json"

STATUS: Final[Mapping[type[HutchError], HTTPStatus]] = {
    errors.InvalidInputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.MalformedError: HTTPStatus.BAD_REQUEST,
    errors.TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedMediaError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.MethodNotAllowedError: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.PathInvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    errors.BadCredentialsError: HTTPStatus.UNAUTHORIZED,
    errors.TooManyAttemptsError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.ForbiddenError: HTTPStatus.FORBIDDEN,
    errors.TokenInsufficientError: HTTPStatus.FORBIDDEN,
    errors.NotFoundError: HTTPStatus.NOT_FOUND,
    errors.DeletedError: HTTPStatus.GONE,
    errors.ConflictError: HTTPStatus.CONFLICT,
    errors.NameTakenError: HTTPStatus.CONFLICT,
    errors.DatasetClosedError: HTTPStatus.CONFLICT,
    errors.DatasetBusyError: HTTPStatus.CONFLICT,
    errors.DatasetOpenError: HTTPStatus.CONFLICT,
    errors.ParentOpenError: HTTPStatus.CONFLICT,
    errors.CloseRefusedError: HTTPStatus.CONFLICT,
    errors.InUseError: HTTPStatus.CONFLICT,
    errors.ImageUnapprovedError: HTTPStatus.CONFLICT,
    errors.DefinitionRetiredError: HTTPStatus.CONFLICT,
    errors.RunEndedError: HTTPStatus.CONFLICT,
    errors.AttemptEndedError: HTTPStatus.CONFLICT,
    errors.PathBusyError: HTTPStatus.CONFLICT,
    errors.PathClashError: HTTPStatus.CONFLICT,
    errors.FileChangedError: HTTPStatus.CONFLICT,
    errors.UploadGoneError: HTTPStatus.CONFLICT,
    errors.UploadIncompleteError: HTTPStatus.CONFLICT,
    errors.IdempotencyError: HTTPStatus.CONFLICT,
    errors.PreconditionFailedError: HTTPStatus.PRECONDITION_FAILED,
    errors.StoreError: HTTPStatus.BAD_GATEWAY,
    errors.StoreUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DatabaseUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StoppingError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.InternalError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

RETRY_AFTER: Final[Mapping[type[HutchError], int]] = {
    errors.DatasetBusyError: 2,
    errors.StoreUnavailableError: 5,
    errors.DatabaseUnavailableError: 5,
    errors.StoppingError: 5,
}
"""Seconds after which the same request may succeed; others say it in their facts."""

_CHALLENGE: Final = 'Bearer realm="hutch"'
_OF_STARLETTE: Final[Mapping[int, tuple[type[HutchError], str]]] = {
    HTTPStatus.BAD_REQUEST: (errors.MalformedError, "the request cannot be read"),
    HTTPStatus.NOT_FOUND: (errors.NotFoundError, "there is nothing at this address"),
    HTTPStatus.METHOD_NOT_ALLOWED: (
        errors.MethodNotAllowedError,
        "this address takes other methods; the header Allow lists them",
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        errors.TooLargeError,
        "the request is too large",
    ),
}


def status_of(error: HutchError) -> HTTPStatus:
    """Look up the status of an error; a class that is missing here is a defect."""
    return STATUS.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR)


def from_exception(error: Exception) -> HutchError:
    """Find what hutch has to say about any exception.

    What is neither hutch's own, Starlette's nor the database's is a defect and tells
    the caller nothing of its inside.
    """
    if isinstance(error, HutchError):
        return error
    if isinstance(error, HTTPException) and error.status_code in _OF_STARLETTE:
        kind, detail = _OF_STARLETTE[error.status_code]
        return kind(detail)
    return as_database_fault(error) or errors.InternalError(
        "the server made a mistake; tell its administrator the request id"
    )


def headers_of(error: HutchError) -> dict[str, str]:
    """Write the headers that belong to an error."""
    headers: dict[str, str] = {}
    seconds = error.facts.get("retry_after", RETRY_AFTER.get(type(error)))
    if seconds is not None:
        headers["Retry-After"] = str(max(1, int(seconds)))
    if status_of(error) is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = _CHALLENGE
    return headers


def respond(
    error: Exception, *, instance: str, request_id: str, close: bool = False
) -> Response:
    """Render an exception as the answer to a request.

    Args:
        error: What went wrong.
        instance: Path of the request, without its query.
        request_id: The id under which the server's log knows it.
        close: Also end the connection, because the request was not read to its end.
    """
    known = from_exception(error)
    status = status_of(known)
    document = {
        **to_problem(known),
        "status": int(status),
        # Two slashes at the beginning would make a host of what follows.
        "instance": f"/.{instance}" if instance.startswith("//") else instance,
        "request_id": request_id,
    }
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    headers |= headers_of(known) | ({"Connection": "close"} if close else {})
    body = msgspec.json.encode(document, enc_hook=str)
    return Response(body, int(status), headers, MEDIA_TYPE)

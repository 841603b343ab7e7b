"""The errors of hutch: raised by the server, raised again by the client.

One tree, one declaration. The server turns an error into an RFC 9457 problem, the
client turns the problem back into the same class, so that both sides speak of
``FileChangedError`` and neither compares strings. An error says what happened,
never with which HTTP status; that table is the server's (``hutch_api.http``).

A ``code`` is part of the protocol: it may be added, never renamed or reused.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Final

URN: Final = "urn:hutch:problem:"


class HutchError(Exception):
    """Everything that hutch raises on purpose.

    Attributes:
        code: Stable name of the error, kebab-case.
        title: What it means, the same sentence every time.
        detail: What happened this time, and what to do now.
        facts: Values for programs, such as the path or the state.
    """

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong."

    def __init__(self, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.detail, self.facts = detail, facts


class InvalidInputError(HutchError):
    """A value in the request is not allowed; the facts name it."""

    code, title = "invalid-input", "The request holds a value that is not allowed."


class MalformedError(HutchError):
    """The request could not be read at all."""

    code, title = "malformed", "The request could not be read."


class TooLargeError(HutchError):
    """The request or a list in it is longer than allowed."""

    code, title = "too-large", "The request is larger than allowed."


class UnsupportedMediaError(HutchError):
    """The body has a form that the server does not read."""

    code, title = "unsupported-media-type", "The body is not JSON."


class MethodNotAllowedError(HutchError):
    """The address is right, the method is not; ``Allow`` lists those there are."""

    code, title = "method-not-allowed", "This address does not take that method."


class PathInvalidError(InvalidInputError):
    """No file of a dataset may have this name."""

    code, title = "path-invalid", "The path is not allowed."


class UnauthenticatedError(HutchError):
    """No valid token came with the request."""

    code, title = "unauthenticated", "The request needs a valid token."


class BadCredentialsError(HutchError):
    """User name and password do not belong together."""

    code, title = "bad-credentials", "The user name or the password is wrong."


class TooManyAttemptsError(HutchError):
    """Too many wrong passwords; ``retry_after`` is in seconds."""

    code, title = "too-many-attempts", "Too many attempts; wait before the next one."


class ForbiddenError(HutchError):
    """The caller may see this, but not do it."""

    code, title = "forbidden", "You may not do this."


class TokenInsufficientError(ForbiddenError):
    """The user might, the token may not."""

    code, title = "token-insufficient", "The token does not allow this."


class NotFoundError(HutchError):
    """It does not exist, or not for this caller: the two look alike."""

    code, title = "not-found", "There is no such thing, or not for you."


class DeletedError(HutchError):
    """The dataset was deleted; a tombstone is all there is."""

    code, title = "dataset-deleted", "The dataset was deleted."


class ConflictError(HutchError):
    """The request was fine; the state of things does not allow it."""

    code, title = "conflict", "This cannot be done in the present state."


class NameTakenError(ConflictError):
    """The name is in use."""

    code, title = "name-taken", "The name is already in use."


class DatasetClosedError(ConflictError):
    """The dataset was closed, for good."""

    code, title = "dataset-closed", "The dataset is closed, for good."


class DatasetBusyError(ConflictError):
    """The dataset is being closed or deleted."""

    code, title = "dataset-busy", "The dataset is being closed or deleted."


class DatasetOpenError(ConflictError):
    """This needs a closed dataset."""

    code, title = "dataset-open", "The dataset is still open."


class ParentOpenError(DatasetOpenError):
    """Only closed datasets can be derived from."""

    code, title = "parent-open", "A parent dataset is still open."


class CloseRefusedError(ConflictError):
    """The dataset cannot be closed yet; ``reasons`` lists why."""

    code, title = "close-refused", "The dataset cannot be closed yet."


class InUseError(ConflictError):
    """Something still reads the dataset."""

    code, title = "in-use", "The dataset is in use."


class ImageUnapprovedError(ConflictError):
    """Nobody who may has approved the image of a definition."""

    code, title = "image-unapproved", "The container image is not approved."


class DefinitionRetiredError(ConflictError):
    """The definition starts no more runs."""

    code, title = "definition-retired", "The definition was retired."


class RunEndedError(ConflictError):
    """The run has ended, or closes its output already."""

    code, title = "run-ended", "The run has ended."


class AttemptEndedError(ConflictError):
    """The attempt at a run was ended; what it still sends changes nothing."""

    code, title = "attempt-ended", "The attempt at the run has ended."


class PathBusyError(ConflictError):
    """Somebody is pushing this path; the facts say who and since when."""

    code, title = "path-busy", "Somebody else is pushing this path."


class PathClashError(ConflictError):
    """The path and another cannot both be in one tree."""

    code, title = "path-clash", "The path collides with another one."


class FileChangedError(ConflictError):
    """The dataset's file is not the one the caller knew."""

    code, title = "file-changed", "The file has changed in the dataset."


class UploadGoneError(ConflictError):
    """The upload was ended; the file has to be sent from its start."""

    code, title = "upload-gone", "The upload has ended; send the file again."


class UploadIncompleteError(ConflictError):
    """The store does not hold what the upload promised."""

    code, title = "upload-incomplete", "The store does not have the whole file."


class IdempotencyError(ConflictError):
    """The idempotency key was used before, in another way."""

    code, title = "idempotency-conflict", "The idempotency key was used before."


class PreconditionFailedError(HutchError):
    """The resource is not in the version that ``If-Match`` named."""

    code, title = "precondition-failed", "The resource has changed meanwhile."


class StoreError(HutchError):
    """The object store gave an answer that hutch cannot use."""

    code, title = "store-error", "The object store gave an unexpected answer."


class StoreUnavailableError(StoreError):
    """The object store could not be reached or asked for patience."""

    code, title = "store-unavailable", "The object store cannot be reached."


class DatabaseUnavailableError(HutchError):
    """The database could not be reached."""

    code, title = "database-unavailable", "The database cannot be reached."


class StoppingError(HutchError):
    """The server is being stopped and did not finish; asking again is safe."""

    code, title = "server-stopping", "The server is being stopped."


class InternalError(HutchError):
    """A defect in hutch; the request id finds it in the server's log."""

    code, title = "internal", "The server failed; this is a defect of hutch."


def descendants(root: type[HutchError] = HutchError) -> Iterator[type[HutchError]]:
    """Walk the error classes below ``root``, parents first."""
    for child in root.__subclasses__():
        yield child
        yield from descendants(child)


def from_problem(problem: dict[str, Any]) -> HutchError:
    """Make the error that a problem document describes.

    An unknown code gives a plain ``HutchError``: a newer server may know more.
    """
    code = str(problem.get("type", "")).removeprefix(URN)
    facts = {k: v for k, v in problem.items() if k not in {"type", "title", "detail"}}
    detail = str(problem.get("detail") or problem.get("title") or code)
    known = {error.code: error for error in descendants()}
    return known.get(code, HutchError)(detail, **facts)


def to_problem(error: HutchError) -> dict[str, Any]:
    """Write the problem document of an error, without a status.

    Items of a batch carry it like this; a whole answer adds its status.
    """
    return {
        **error.facts,
        "type": f"{URN}{error.code}",
        "title": error.title,
        "detail": error.detail,
    }

"""``Idempotency-Key``: a request that is sent again makes nothing more."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from hutch.contract.problems import IdempotencyError
from hutch.contract.wire.accounts import Scope
from hutch_api.http.endpoints import Call
from hutch_api.services import access, idempotency
from hutch_api.services.work import Work

_NAME: Final = "Idempotency-Key"
HEADER: Final[Mapping[str, str]] = {
    _NAME: (
        "1 to 200 printable characters chosen by the client. Sent again with the same "
        "request within a week, it makes nothing more and answers with what was made."
    )
}


class Made(Protocol):
    """Something that was made and has an id."""

    @property
    def id(self) -> UUID:
        """Its id."""
        ...


M = TypeVar("M", bound=Made)
T = TypeVar("T")


def make_once(
    work: Work,
    call: Call[Any, Any],
    *,
    scope: Scope,
    make: Callable[[], M],
    again: Callable[[UUID], M],
) -> M:
    """Make something, or fetch it if this request was answered before.

    Args:
        work: The transaction; what is made and the note of its key live and die
            together.
        call: The request.
        scope: What the token needs, also to hear the answer again.
        make: Makes it.
        again: Fetches it by its id.

    Raises:
        TokenInsufficientError: The token lacks the scope.
        IdempotencyError: The key came with another request.
        InvalidInputError: It is no key.
    """
    known = _claim(work, call, scope)
    if known is not None:
        return again(UUID(known))
    made = make()
    _keep(work, call, made.id)
    return made


def make_never_again(
    work: Work,
    call: Call[Any, Any],
    *,
    scope: Scope,
    make: Callable[[], T],
    made: Callable[[T], UUID],
) -> T:
    """Make something whose answer holds a secret and cannot be given twice.

    Args:
        work: The transaction.
        call: The request.
        scope: What the token needs.
        make: Makes it.
        made: Tells its id.

    Raises:
        TokenInsufficientError: The token lacks the scope.
        IdempotencyError: The key was used before.
        InvalidInputError: It is no key.
    """
    known = _claim(work, call, scope)
    if known is not None:
        raise IdempotencyError(
            "this request was answered before, and its answer held a secret that is "
            "not kept; revoke what it made and ask with a new key",
            resource=known,
        )
    fresh = make()
    _keep(work, call, made(fresh))
    return fresh


def _claim(work: Work, call: Call[Any, Any], scope: Scope) -> str | None:
    access.require_scope(call.actor, scope)
    key = call.headers.get(_NAME)
    if key is None:
        return None
    # The address belongs to it: the same body on another dataset is another request.
    return idempotency.once(
        work, call.actor, key=key, route=call.target, request=call.raw
    )


def _keep(work: Work, call: Call[Any, Any], resource: UUID) -> None:
    key = call.headers.get(_NAME)
    if key is not None:
        idempotency.keep(work, call.actor, key=key, resource=str(resource))

"""Sending a request again makes nothing more.

The record says which resource a keyed request made. It is claimed before anything
is made, in the same transaction: of two that come at once, the second waits for the
first and then finds its result.
"""

import hashlib
from typing import Final

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select

from hutch.contract.problems import IdempotencyError, InvalidInputError
from hutch_api.domain.access import Actor
from hutch_api.services.work import Work
from hutch_api.store.requests import Idempotency

LONGEST_KEY: Final = 200


def once(
    work: Work, actor: Actor, *, key: str, route: str, request: bytes
) -> str | None:
    """Claim a key for a request, in the transaction that will carry it out.

    Args:
        work: The transaction; if it is rolled back, the claim goes too.
        actor: Whose key it is.
        key: What the client sent.
        route: Method and path.
        request: The body; only its hash is kept.

    Returns:
        The id of what the request made the first time; None if it is new, and then
        ``keep`` has to follow.

    Raises:
        IdempotencyError: The key was used for another request.
        InvalidInputError: The key is empty, too long or not printable.
    """
    if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise InvalidInputError(
            f"Idempotency-Key: give 1 to {LONGEST_KEY} printable ASCII characters",
            field="Idempotency-Key",
        )
    fingerprint = hashlib.sha256(request).hexdigest()
    dialect = work.session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    claim = insert(Idempotency).values(
        user_id=actor.user,
        key=key,
        route=route,
        request=fingerprint,
        resource="",
        created_at=work.now,
    )
    # Whether a row came back says more than the driver's count, which may be unknown.
    claimed = work.session.exec(
        claim.on_conflict_do_nothing().returning(col(Idempotency.key))
    )
    if claimed.first() is not None:
        return None
    earlier = work.session.exec(
        select(Idempotency).where(
            Idempotency.user_id == actor.user, Idempotency.key == key
        )
    ).one()
    if (earlier.route, earlier.request) != (route, fingerprint):
        raise IdempotencyError(
            "this Idempotency-Key was used for another request; make a new one for "
            "every new request",
            key=key,
        )
    return earlier.resource


def keep(work: Work, actor: Actor, *, key: str, resource: str) -> None:
    """Note what the request of a claimed key has made, in the same transaction."""
    work.session.exec(
        update(Idempotency)
        .where(col(Idempotency.user_id) == actor.user, col(Idempotency.key) == key)
        .values(resource=resource)
    )

"""Tokens: bearer secrets that only take away from their user's rights."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import update
from sqlmodel import col, select

from hutch.contract.problems import (
    InvalidInputError,
    NotFoundError,
    TokenInsufficientError,
    TooLargeError,
    UnauthenticatedError,
)
from hutch.contract.wire.accounts import (
    Role,
    Scope,
    TokenCreated,
    TokenIn,
    TokenList,
    TokenOut,
    WhoAmI,
)
from hutch_api.domain import tokens
from hutch_api.domain.access import Actor, Limits
from hutch_api.domain.keys import ServerKeys
from hutch_api.services import access, audit, leases, revocation, users
from hutch_api.services.work import Site, Work
from hutch_api.store.tables import Dataset, Group, Member, Token, User

LONGEST_LIFE: Final = timedelta(days=366)
MOST_DATASETS: Final = 1_000
"""Datasets that one token's filter may name."""
USE_NOTED_EVERY: Final = timedelta(minutes=1)
"""``last_used_at`` is this exact: reading must not mean writing."""
_MOST_LISTED: Final = 1_000


def authenticate(site: Site, text: str, *, request_id: str) -> Actor:
    """Find out who sends a token, and what it takes away from them.

    Args:
        site: Where the token was made.
        text: What came after ``Bearer``.
        request_id: Goes into the audit rows of what the actor does.

    Raises:
        UnauthenticatedError: It is not a token of this site, or has ended.
        AttemptEndedError: It belongs to a step of a run that has ended.
    """
    if not tokens.is_token(text):
        raise UnauthenticatedError(
            "this is not a token of hutch; a character may be missing or mistyped"
        )
    with site.look() as work:
        found = work.session.exec(
            select(Token, User)
            .join(User, col(Token.user_id) == col(User.id))
            .where(Token.hash == site.keys.token_hash(text))
        ).first()
        now = work.now
        if found is None:
            raise UnauthenticatedError(
                "the server does not know this token; log in again"
            )
        token, user = found
        if token.attempt_id is not None:
            leases.require_live(work, token.attempt_id)
        _require_valid(token, user, now)
    if token.last_used_at is None or token.last_used_at + USE_NOTED_EVERY <= now:
        with site.begin() as work:
            work.session.exec(
                update(Token).where(col(Token.id) == token.id).values(last_used_at=now)
            )
    return Actor(
        user=user.id,
        name=user.name,
        role=Role(user.role),
        request_id=request_id,
        token=token.id,
        limits=limits_of(token),
        attempt=token.attempt_id,
    )


def create_token(
    work: Work, keys: ServerKeys, actor: Actor, wanted: TokenIn
) -> TokenCreated:
    """Make a token that can do nothing which the asking one cannot.

    Raises:
        TokenInsufficientError: It would have more scopes or reach more datasets.
        NotFoundError: A dataset of its filter is not there, or not for the actor.
        InvalidInputError: It would end in the past, or too late.
        TooLargeError: Its filter names too many datasets.
    """
    access.require_scope(actor, Scope.ACCOUNT)
    if not work.now < wanted.expires_at <= work.now + LONGEST_LIFE:
        raise InvalidInputError(
            "expires_at: a token ends in the future, at most a year ahead",
            field="expires_at",
        )
    chosen = None if wanted.datasets is None else frozenset(wanted.datasets)
    if chosen is not None and len(chosen) > MOST_DATASETS:
        raise TooLargeError(
            f"datasets: {len(chosen)}, {MOST_DATASETS} are allowed", field="datasets"
        )
    limits = Limits(frozenset(wanted.scopes), chosen)
    if not actor.limits.includes(limits):
        raise TokenInsufficientError(
            "a token can only make one that has no more scopes and reaches no more "
            "datasets than itself; log in for more"
        )
    if chosen is not None:
        _require_readable(work, actor, chosen)
    created = issue(
        work,
        keys,
        user=actor.user,
        name=wanted.name,
        scopes=tuple(scope for scope in Scope if scope in limits.scopes),
        datasets=chosen,
        expires_at=wanted.expires_at,
    )
    audit.record(
        work,
        actor,
        "create-token",
        token=str(created.info.id),
        scopes=[scope.value for scope in created.info.scopes],
        datasets=None if chosen is None else len(chosen),
    )
    return created


def issue(
    work: Work,
    keys: ServerKeys,
    *,
    user: UUID,
    name: str,
    scopes: tuple[Scope, ...],
    datasets: Collection[UUID] | None,
    expires_at: datetime,
    attempt: UUID | None = None,
) -> TokenCreated:
    """Write a token's row; its text exists only in the answer. Checks nothing.

    Args:
        work: The transaction.
        keys: Hash the text.
        user: Whose it is.
        name: What it is called in lists.
        scopes: All that it may be used for.
        datasets: All that it reaches; None means everything its user does.
        expires_at: When it ends.
        attempt: The attempt at a run that it ends with; None for people.
    """
    text = tokens.new_text()
    row = Token(
        id=uuid4(),
        user_id=user,
        name=name,
        hash=keys.token_hash(text),
        scopes=[scope.value for scope in scopes],
        datasets=None if datasets is None else sorted(str(d) for d in datasets),
        created_at=work.now,
        expires_at=expires_at,
        attempt_id=attempt,
    )
    work.session.add(row)
    work.session.flush()
    return TokenCreated(token=text, info=token_out(row))


def list_tokens(work: Work, actor: Actor) -> TokenList:
    """List the actor's tokens, the newest first, ended ones included.

    By a token for certain datasets only those that reach no others: the list would
    name datasets that are not there for it.
    """
    access.require_scope(actor, Scope.ACCOUNT)
    rows = work.session.exec(
        select(Token)
        .where(Token.user_id == actor.user, col(Token.attempt_id).is_(None))
        .order_by(col(Token.created_at).desc(), col(Token.id))
        .limit(_MOST_LISTED)
    ).all()
    reach = Limits(frozenset(Scope), actor.limits.datasets)
    return TokenList(
        items=tuple(token_out(row) for row in rows if reach.includes(limits_of(row)))
    )


def revoke_token(work: Work, actor: Actor, token: UUID) -> None:
    """End one of the actor's tokens, from the next request on; again is fine.

    Raises:
        TokenInsufficientError: The token lacks the scope ``account``.
        NotFoundError: The actor has no such token.
    """
    access.require_scope(actor, Scope.ACCOUNT)
    _revoke(work, actor, token, "revoke-token")


def log_out(work: Work, actor: Actor) -> None:
    """End the token that the request came with; every token may do that.

    Raises:
        NotFoundError: The actor came without one.
    """
    if actor.token is None:
        raise NotFoundError("there is no token to end")
    _revoke(work, actor, actor.token, "log-out")


def who_am_i(work: Work, actor: Actor) -> WhoAmI:
    """Tell a caller for whom the server takes them, and by which token.

    Raises:
        NotFoundError: The actor came without a token.
    """
    if actor.token is None:
        raise NotFoundError("there is no token to tell of")
    user = work.session.get_one(User, actor.user)
    token = work.session.get_one(Token, actor.token)
    groups = work.session.exec(
        select(Group.name)
        .join(Member, col(Member.group_id) == col(Group.id))
        .where(Member.user_id == actor.user)
        .order_by(Group.name)
    ).all()
    return WhoAmI(
        user=users.user_out(user), token=token_out(token), groups=tuple(groups)
    )


def limits_of(row: Token) -> Limits:
    """Read what a token takes away from its user."""
    return Limits(
        frozenset(Scope(scope) for scope in row.scopes),
        None if row.datasets is None else frozenset(UUID(d) for d in row.datasets),
    )


def token_out(row: Token) -> TokenOut:
    """Render a token: everything but its text."""
    return TokenOut(
        id=row.id,
        name=row.name,
        scopes=tuple(Scope(scope) for scope in row.scopes),
        datasets=None if row.datasets is None else tuple(UUID(d) for d in row.datasets),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )


def _require_valid(token: Token, user: User, now: datetime) -> None:
    if token.revoked_at is not None:
        raise UnauthenticatedError("this token was revoked; log in again")
    if token.expires_at <= now:
        raise UnauthenticatedError("this token has expired; log in again")
    if user.disabled_at is not None:
        raise UnauthenticatedError("this account is disabled; ask the administrator")


def _require_readable(work: Work, actor: Actor, datasets: frozenset[UUID]) -> None:
    query = select(Dataset.id).where(
        col(Dataset.id).in_(datasets), access.granted(actor)
    )
    missing = datasets - set(work.session.exec(query).all())
    if missing:
        first = min(missing)
        raise NotFoundError(f"there is no dataset {first}", dataset=str(first))


def _revoke(work: Work, actor: Actor, token: UUID, action: str) -> None:
    query = select(Token).where(Token.id == token, Token.user_id == actor.user)
    row = work.session.exec(query.with_for_update(key_share=True)).first()
    if row is None:
        raise NotFoundError(f"you have no token {token}", token=str(token))
    if row.revoked_at is not None:
        return
    row.revoked_at = work.now
    work.session.add(row)
    audit.record(work, actor, action, token=str(token))
    revocation.token_revoked(work, token=token)

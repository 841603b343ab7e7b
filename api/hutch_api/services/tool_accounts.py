"""Store accounts for people: S3 tools of theirs reach one dataset by them.

They only take away, as tokens do: such an account may what its holder may on this
dataset, ends with the right, the token or the user that it came from, and at its
time at the latest.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, func
from sqlmodel import col, select

from hutch.contract.problems import (
    ConflictError,
    NotFoundError,
    TokenInsufficientError,
)
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import Right
from hutch.contract.wire.tools import (
    StoreAccess,
    StoreAccountCreated,
    StoreAccountIn,
    StoreAccountList,
    StoreAccountOut,
)
from hutch_api.domain.access import Actor
from hutch_api.domain.accounts import Access
from hutch_api.domain.layout import prefix_of
from hutch_api.domain.lifecycle import require_open, require_readable
from hutch_api.services import access, audit, store_accounts
from hutch_api.services.store_accounts import USABLE
from hutch_api.services.work import Site, Work
from hutch_api.store.tables import Account, Dataset, Token, User

MOST: Final = 20
"""Accounts of one user at a time: SeaweedFS writes all anew for each."""
_NEEDED: Final = {
    StoreAccess.READ: (Right.READ, Scope.READ),
    StoreAccess.WRITE: (Right.WRITE, Scope.WRITE),
}


def create_account(
    site: Site, actor: Actor, dataset: UUID, wanted: StoreAccountIn
) -> StoreAccountCreated:
    """Make a store account for tools of the actor's; its keys are in the answer only.

    Raises:
        TokenInsufficientError: The token lacks a scope.
        NotFoundError: No such dataset for the actor.
        ForbiddenError: The actor may not write to it.
        ConflictError: The dataset is not open, for one that writes; or the actor has
            too many accounts.
        DeletedError: The dataset is gone.
        StoreUnavailableError: The store failed.
    """
    with site.begin() as work:
        row = _require(work, actor=actor, dataset=dataset, wanted=wanted.access)
        _require_few(work, actor)
        account = store_accounts.begin_account(
            site,
            work,
            dataset,
            access=Access(wanted.access.value),
            expires_at=_end(work, actor, timedelta(seconds=wanted.life_s)),
        )
        account.user_id, account.token_id = actor.user, actor.token
        if wanted.access is StoreAccess.WRITE:
            row.tools_since = row.tools_since or work.now
        info = _account_out(account, actor.name)
        audit.record(
            work,
            actor,
            "create-store-account",
            dataset,
            account=str(info.id),
            access=wanted.access,
            until=info.expires_at.isoformat(),
        )
    require = partial(_require, actor=actor, dataset=dataset, wanted=wanted.access)
    credentials = store_accounts.make_account(site, account, require)
    place = site.objects.place
    return StoreAccountCreated(
        info=info,
        key_id=credentials.key_id,
        secret=credentials.secret,
        endpoint=place.endpoint,
        region=place.region,
        bucket=place.bucket,
        prefix=prefix_of(dataset),
    )


def list_accounts(work: Work, actor: Actor, dataset: UUID) -> StoreAccountList:
    """List the accounts of a dataset: to its owner all, to others their own.

    Raises:
        TokenInsufficientError: The token lacks the scope ``read``.
        NotFoundError: No such dataset for the actor.
    """
    access.find(work, actor, dataset, right=Right.READ, scope=Scope.READ)
    rows = work.session.exec(
        select(Account, User.name)
        .join(Dataset, col(Dataset.id) == col(Account.dataset_id))
        .join(User, col(User.id) == col(Account.user_id))
        .where(
            Account.dataset_id == dataset,
            col(Account.state).in_(USABLE),
            _is_visible(actor),
        )
        .order_by(col(Account.created_at).desc(), col(Account.generation))
    ).all()
    return StoreAccountList(items=tuple(_account_out(a, name) for a, name in rows))


def revoke_account(work: Work, actor: Actor, account: UUID) -> None:
    """End an account of one's own, or any of a dataset that one owns; again is fine.

    ``store_accounts.settle`` tells the store.

    Raises:
        TokenInsufficientError: The token lacks the scope ``read``.
        NotFoundError: There is none, or not for the actor.
    """
    access.require_scope(actor, Scope.READ)
    dataset = work.session.exec(
        select(Account.dataset_id)
        .join(Dataset, col(Dataset.id) == col(Account.dataset_id))
        .where(
            Account.generation == account.hex,
            col(Account.user_id).is_not(None),
            _is_visible(actor),
        )
    ).first()
    if dataset is None:
        raise NotFoundError(f"there is no store account {account}")
    if store_accounts.retire_where(work, col(Account.generation) == account.hex):
        audit.record(work, actor, "revoke-store-account", dataset, account=str(account))


def _is_visible(actor: Actor) -> ColumnElement[bool]:
    """Build the condition under which an actor sees an account of a dataset."""
    own = col(Account.user_id) == actor.user
    return access.granted(actor) & (own | (col(Dataset.owner_id) == actor.user))


def _require(
    work: Work, *, actor: Actor, dataset: UUID, wanted: StoreAccess
) -> Dataset:
    """Refuse whoever may not have this; keeps it so until the transaction ends."""
    right, scope = _NEEDED[wanted]
    access.require_scope(actor, Scope.READ)
    if actor.attempt is not None and wanted is not StoreAccess.READ:
        raise TokenInsufficientError(
            "a step of a run sends its output by hutch, and gets no account that writes"
        )
    access.keep_active(work, actor)
    row = access.find(work, actor, dataset, right=right, scope=scope, lock=True)
    if wanted is StoreAccess.WRITE:
        require_open(row.state, name=row.name)
    else:
        require_readable(row.state, name=row.name)
    return row


def _require_few(work: Work, actor: Actor) -> None:
    held = work.session.exec(
        select(func.count()).where(
            Account.user_id == actor.user, col(Account.state).in_(USABLE)
        )
    ).one()
    if held >= MOST:
        raise ConflictError(
            f"you have {held} store accounts, as many as are allowed at a time; revoke "
            "one with 'hutch s3 revoke', or wait until one ends"
        )


def _end(work: Work, actor: Actor, life: timedelta) -> datetime:
    """Tell when an account ends: not later than the token that asks for it."""
    token = None if actor.token is None else work.session.get(Token, actor.token)
    latest = work.now + life
    return latest if token is None else min(latest, token.expires_at)


def _account_out(row: Account, user: str) -> StoreAccountOut:
    return StoreAccountOut(
        id=UUID(row.generation),
        access=StoreAccess(row.access.value),
        user=user,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )

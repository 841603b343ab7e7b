"""Store accounts: made for a push or a tool, ended before anything can rely on it.

A row goes ``creating → live → deleting → gone``. One creation is sent per
generation; nothing is signed or handed out before ``creating → live`` is committed,
on condition that it is still allowed. An outcome that is not known burns the
generation.
"""

import secrets
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, update
from sqlmodel import col, select

from hutch.contract.problems import HutchError, StoreUnavailableError
from hutch.contract.steps import Step, reached
from hutch_api.domain.access import Actor
from hutch_api.domain.accounts import Access
from hutch_api.domain.layout import prefix_of
from hutch_api.domain.lifecycle import require_open
from hutch_api.ports.objects import Credentials
from hutch_api.services.pushes import USED_EVERY, find_push
from hutch_api.services.work import Site, Work
from hutch_api.store.tables import Account, AccountState, Instance

LIFE: Final = timedelta(hours=24)
"""After this the store ends an account by itself, should hutch never come back."""
URL_LIFE: Final = timedelta(hours=1)
IDLE: Final = timedelta(minutes=15)
SHORTEST: Final = timedelta(minutes=16)
"""MinIO makes no account for less than a quarter of an hour; hutch ends it in time."""
CREATION_TIMEOUT: Final = timedelta(minutes=1)
COLLECT_EVERY: Final = timedelta(minutes=10)
USABLE: Final = (AccountState.CREATING, AccountState.LIVE)


def ready_account(site: Site, work: Work, dataset: UUID) -> Credentials | None:
    """Give the credentials that sign the writes of a dataset, if they are just there.

    Args:
        site: The site.
        work: The transaction; it holds the lock of the dataset, and has looked at the
            right to write: whoever takes that away later ends this account.
        dataset: Which one.

    Returns:
        None if an account has to be made, or its use to be noted.
    """
    account = _current(work, dataset)
    if account is None or not _is_live(account, work):
        return None
    is_noted = account.used_at > work.now - USED_EVERY
    return _credentials(site, account) if is_noted else None


def usable_account(site: Site, actor: Actor, push: UUID) -> Credentials:
    """Give the credentials that sign the writes of a push; make them if need be.

    The right to write is looked at in the transaction that gives them, so that
    whoever takes it away later ends this account.

    Raises:
        StoreUnavailableError: The store failed, or another request is making the
            account at this moment; ``retry_after`` is in seconds.
        ConflictError: The dataset is not open (any more).
        NotFoundError: The right to read has been lost.
        ForbiddenError: The right to write has been lost.
    """
    with site.begin() as work:
        dataset = _open_dataset(work, actor=actor, push=push)
        account = _current(work, dataset)
        if account is not None and _is_ending(account, work):
            _move(work, account.generation, set(USABLE), AccountState.DELETING)
            account = None
        if account is not None and _is_live(account, work):
            account.used_at = work.now
            return _credentials(site, account)
        if account is not None:
            raise StoreUnavailableError(
                "another request is making the store account of this dataset; try "
                "again in a moment",
                retry_after=1,
            )
        account = begin_account(
            site, work, dataset, access=Access.PUT, expires_at=work.now + LIFE
        )
    return make_account(site, account, partial(_open_dataset, actor=actor, push=push))


def begin_account(
    site: Site, work: Work, dataset: UUID, *, access: Access, expires_at: datetime
) -> Account:
    """Write the row of a new account, of a generation that was never used."""
    generation = secrets.token_hex(16)
    version = site.keys.current
    account = Account(
        generation=generation,
        access=access,
        dataset_id=dataset,
        key_id=site.keys.account(version, dataset, generation)[0],
        server_key=version,
        state=AccountState.CREATING,
        created_at=work.now,
        used_at=work.now,
        expires_at=expires_at,
    )
    work.session.add(account)
    return account


def make_account(
    site: Site, account: Account, require: Callable[[Work], object]
) -> Credentials:
    """Have the store make an account whose row is committed, and bring it to life.

    Args:
        site: The site.
        account: As ``begin_account`` gave it.
        require: Raises in the transaction that brings it to life if it is not allowed
            (any more); it holds the lock of the dataset then.

    Raises:
        StoreUnavailableError: The store failed, or the account was ended meanwhile.
    """
    reached(Step.ACCOUNT_WRITTEN)
    credentials = _credentials(site, account)
    try:
        site.accounts.create(
            credentials,
            access=account.access,
            prefix=prefix_of(account.dataset_id),
            expires_at=max(account.expires_at, site.clock() + SHORTEST),
        )
        reached(Step.ACCOUNT_MADE)
        _enliven(site, account, require)
    except BaseException:
        # Even if it is noted as gone: it may have come to the store after that.
        with site.begin() as work:
            _move(work, account.generation, set(AccountState), AccountState.DELETING)
        raise
    reached(Step.ACCOUNT_LIVE)
    return credentials


def _enliven(site: Site, account: Account, require: Callable[[Work], object]) -> None:
    """Commit that the account may be used, on condition that this is allowed."""
    with site.begin() as work:
        require(work)
        before = {AccountState.CREATING}
        if not _move(work, account.generation, before, AccountState.LIVE):
            raise StoreUnavailableError(
                "the store account was ended while it was made; try again",
                retry_after=1,
            )


def retire(
    work: Work, dataset: UUID, access: Collection[Access] = tuple(Access)
) -> None:
    """Mark a dataset's accounts of some kinds for deletion; ``settle`` does it."""
    retire_where(
        work, col(Account.dataset_id) == dataset, col(Account.access).in_(access)
    )


def retire_where(work: Work, *which: ColumnElement[bool]) -> int:
    """Mark usable accounts for deletion; gives how many."""
    marked = work.session.exec(
        update(Account)
        .where(*which, col(Account.state).in_(USABLE))
        .values(state=AccountState.DELETING)
    )
    return int(marked.rowcount)


def settle(site: Site, dataset: UUID | None = None) -> int:
    """Delete the accounts that are marked, in the store and then in the table.

    Args:
        site: The site.
        dataset: Only those of this dataset; None means all.

    Returns:
        How many were deleted.

    Raises:
        StoreUnavailableError: The store failed; those left stay marked.
    """
    with site.look() as work:
        query = select(Account).where(Account.state == AccountState.DELETING)
        if dataset is not None:
            query = query.where(Account.dataset_id == dataset)
        marked = work.session.exec(query).all()
    failure: HutchError | None = None
    for account in marked:
        try:
            site.accounts.delete(account.key_id)
        except HutchError as error:
            failure = error  # those behind it go all the same
            continue
        reached(Step.ACCOUNT_ENDED)
        with site.begin() as work:
            _move(work, account.generation, {AccountState.DELETING}, AccountState.GONE)
        reached(Step.ACCOUNT_GONE)
    if failure is not None:
        raise failure
    return len(marked)


def retire_due(work: Work) -> None:
    """Mark accounts that nobody needs, whose time is over, or that were never made.

    One that signs is needed while there are pushes, and ends while its URLs live.
    """
    signing = col(Account.access) == Access.PUT
    idle = signing & (col(Account.used_at) < work.now - IDLE)
    ending = signing & (col(Account.expires_at) < work.now + 2 * URL_LIFE)
    ended = col(Account.expires_at) <= work.now
    stuck = (col(Account.state) == AccountState.CREATING) & (
        col(Account.created_at) < work.now - CREATION_TIMEOUT
    )
    due = (
        select(Account.generation)
        .where(col(Account.state).in_(USABLE), idle | ending | ended | stuck)
        .with_for_update(skip_locked=True)
    )
    work.session.exec(
        update(Account)
        .where(col(Account.generation).in_(due))
        .values(state=AccountState.DELETING)
    )


def collect_unknown(site: Site) -> int:
    """Delete accounts of this instance that the table does not hold as usable.

    A creation that the store carried out late is found here; no URL was ever signed
    with such an account.

    Returns:
        How many were deleted; 0 also when it is not yet time to look again.
    """
    with site.begin() as work:
        instance = work.session.get_one(Instance, site.instance)
        last = instance.collected_at
        if last is not None and work.now - last < COLLECT_EVERY:
            return 0
        instance.collected_at = work.now
    listed = list(site.accounts.key_ids())
    with site.look() as work:
        known = set(
            work.session.exec(
                select(Account.key_id).where(col(Account.state) != AccountState.GONE)
            )
        )
    unknown = [key_id for key_id in listed if key_id not in known]
    for key_id in unknown:
        site.accounts.delete(key_id)
    return len(unknown)


def _open_dataset(work: Work, *, actor: Actor, push: UUID) -> UUID:
    _, row = find_push(work, actor, push, lock=True)
    require_open(row.state, name=row.name)
    return row.id


def _is_ending(account: Account, work: Work) -> bool:
    """Tell whether the store may end an account before what it signs now."""
    return account.expires_at < work.now + URL_LIFE


def _is_live(account: Account, work: Work) -> bool:
    return account.state is AccountState.LIVE and not _is_ending(account, work)


def _current(work: Work, dataset: UUID) -> Account | None:
    return work.session.exec(
        select(Account).where(
            Account.dataset_id == dataset,
            Account.access == Access.PUT,
            col(Account.state).in_(USABLE),
        )
    ).first()


def _move(
    work: Work, generation: str, before: set[AccountState], after: AccountState
) -> bool:
    result = work.session.exec(
        update(Account)
        .where(col(Account.generation) == generation, col(Account.state).in_(before))
        .values(state=after)
    )
    return bool(result.rowcount)


def _credentials(site: Site, account: Account) -> Credentials:
    return Credentials(
        *site.keys.account(account.server_key, account.dataset_id, account.generation)
    )

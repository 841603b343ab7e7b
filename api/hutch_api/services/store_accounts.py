"""Store accounts: made when a push starts, ended before anything can rely on it.

A row goes ``creating → live → deleting → gone``. One creation is sent per
generation; nothing is signed before ``creating → live`` is committed on a dataset
that is still open. An outcome that is not known burns the generation.
"""

import secrets
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select

from hutch.contract.problems import HutchError, StoreUnavailableError
from hutch.contract.steps import Step, reached
from hutch_api.domain.access import Actor
from hutch_api.domain.layout import prefix_of
from hutch_api.domain.lifecycle import require_open
from hutch_api.ports.accounts import Access
from hutch_api.ports.objects import Credentials
from hutch_api.services.pushes import USED_EVERY, find_push
from hutch_api.services.work import Site, Work
from hutch_api.store.tables import Account, AccountState, Instance

LIFE: Final = timedelta(hours=24)
"""After this the store ends an account by itself, should hutch never come back."""
URL_LIFE: Final = timedelta(hours=1)
IDLE: Final = timedelta(minutes=15)
CREATION_TIMEOUT: Final = timedelta(minutes=1)
COLLECT_EVERY: Final = timedelta(minutes=10)
_USABLE: Final = (AccountState.CREATING, AccountState.LIVE)


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
        dataset = _open_dataset(work, actor, push)
        account = _current(work, dataset)
        if account is not None and _is_ending(account, work):
            _move(work, account.generation, set(_USABLE), AccountState.DELETING)
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
        generation = secrets.token_hex(16)
        version = site.keys.current
        account = Account(
            generation=generation,
            dataset_id=dataset,
            key_id=site.keys.account(version, dataset, generation)[0],
            server_key=version,
            state=AccountState.CREATING,
            created_at=work.now,
            used_at=work.now,
            expires_at=work.now + LIFE,
        )
        work.session.add(account)
    reached(Step.ACCOUNT_WRITTEN)
    return _create(site, actor, push, account)


def _create(site: Site, actor: Actor, push: UUID, account: Account) -> Credentials:
    credentials = _credentials(site, account)
    try:
        site.accounts.create(
            credentials,
            access=Access.PUT,
            prefix=prefix_of(account.dataset_id),
            expires_at=account.expires_at,
        )
        reached(Step.ACCOUNT_MADE)
        _enliven(site, actor, push, account)
    except BaseException:
        # Even if it is noted as gone: it may have come to the store after that.
        with site.begin() as work:
            _move(work, account.generation, set(AccountState), AccountState.DELETING)
        raise
    reached(Step.ACCOUNT_LIVE)
    return credentials


def _enliven(site: Site, actor: Actor, push: UUID, account: Account) -> None:
    """Commit that the account may sign, on condition that the dataset is open."""
    with site.begin() as work:
        _open_dataset(work, actor, push)
        before = {AccountState.CREATING}
        if not _move(work, account.generation, before, AccountState.LIVE):
            raise StoreUnavailableError(
                "the store account was ended while it was made; try again",
                retry_after=1,
            )


def retire(work: Work, dataset: UUID) -> None:
    """Mark a dataset's accounts for deletion; ``settle`` does it."""
    work.session.exec(
        update(Account)
        .where(col(Account.dataset_id) == dataset, col(Account.state).in_(_USABLE))
        .values(state=AccountState.DELETING)
    )


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


def retire_idle(work: Work) -> None:
    """Mark accounts nobody uses, that end soon, or whose making never ended."""
    idle = col(Account.used_at) < work.now - IDLE
    ending = col(Account.expires_at) < work.now + 2 * URL_LIFE
    stuck = (col(Account.state) == AccountState.CREATING) & (
        col(Account.created_at) < work.now - CREATION_TIMEOUT
    )
    due = (
        select(Account.generation)
        .where(col(Account.state).in_(_USABLE), idle | ending | stuck)
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


def _open_dataset(work: Work, actor: Actor, push: UUID) -> UUID:
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
            Account.dataset_id == dataset, col(Account.state).in_(_USABLE)
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

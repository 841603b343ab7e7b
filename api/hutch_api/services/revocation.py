"""What ends when a right is taken away.

Called in the transaction that takes it; ``settle`` then ends the store accounts, so
that URLs which are already out stop working at once. Whoever still may write asks
for new ones and goes on.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select

from hutch.contract.wire.accounts import Role
from hutch.contract.wire.datasets import Right
from hutch_api.domain.access import Actor
from hutch_api.domain.accounts import Access
from hutch_api.services import access, store_accounts
from hutch_api.services.work import Site, Work
from hutch_api.store.indexes import IS_LIVE
from hutch_api.store.rows import among
from hutch_api.store.tables import (
    Account,
    Dataset,
    Intent,
    IntentState,
    Push,
    Token,
)


def read_lost(work: Work, *, dataset: UUID) -> None:
    """Somebody has lost a right on a dataset: end the accounts that it was good for."""
    work.session.flush()
    access.lock_datasets(work, [dataset])
    held = work.session.exec(
        select(Account).where(
            Account.dataset_id == dataset,
            col(Account.user_id).is_not(None),
            col(Account.state).in_(store_accounts.USABLE),
        )
    ).all()
    lost = [a.generation for a in held if not _still_has(work, a)]
    store_accounts.retire_where(work, col(Account.generation).in_(lost))


def with_tool_accounts(work: Work, datasets: Collection[UUID]) -> set[UUID]:
    """Tell which of some datasets somebody has an account for."""
    query = select(Account.dataset_id).where(
        among(work.session, col(Account.dataset_id), datasets),
        col(Account.user_id).is_not(None),
        col(Account.state).in_(store_accounts.USABLE),
    )
    return set(work.session.exec(query).all())


def _still_has(work: Work, account: Account) -> bool:
    """Tell whether somebody still may do what their account does."""
    assert account.user_id is not None  # noqa: S101 - only those are asked about
    right = Right.WRITE if account.access is Access.WRITE else Right.READ
    return _has(work, account.user_id, account.dataset_id, right)


def _has(work: Work, user: UUID, dataset: UUID, right: Right) -> bool:
    actor = Actor(user=user, name="", role=Role.USER, request_id="")
    still = select(Dataset.id).where(
        Dataset.id == dataset, access.granted(actor, right)
    )
    return work.session.exec(still).first() is not None


def write_lost(work: Work, *, dataset: UUID) -> None:
    """Somebody has lost ``write`` on a dataset: end their uploads and all its URLs."""
    read_lost(work, dataset=dataset)
    pushing = work.session.exec(
        select(Intent.actor_id).where(Intent.dataset_id == dataset, IS_LIVE).distinct()
    ).all()
    for user in pushing:
        if not _has(work, user, dataset, Right.WRITE):
            _end_intents(work, user, [dataset])
    store_accounts.retire(work, dataset, {Access.PUT})


def writing_ended(work: Work, *, dataset: UUID) -> int:
    """Nobody may write to a dataset any more: its uploads, URLs and accounts end.

    Accounts that read stay. Called under the dataset's lock, in the transaction that
    begins a close or deletion.

    Returns:
        How many uploads ended.
    """
    ended = work.session.exec(
        update(Intent)
        .where(col(Intent.dataset_id) == dataset, IS_LIVE)
        .values(state=IntentState.ABORTED, touched_at=work.now)
    )
    store_accounts.retire(work, dataset, {Access.PUT, Access.WRITE})
    return int(ended.rowcount)


def token_revoked(work: Work, *, token: UUID) -> None:
    """A token ends: its accounts, and the URLs handed to its user for pushes, too."""
    user = work.session.get_one(Token, token).user_id
    for dataset in _lock_pushed_by(work, user):
        store_accounts.retire(work, dataset, {Access.PUT})
    store_accounts.retire_where(work, col(Account.token_id) == token)


def user_disabled(work: Work, *, user: UUID) -> None:
    """A user may do nothing any more: their uploads, URLs and accounts end."""
    datasets = _lock_pushed_by(work, user)
    for dataset in datasets:
        store_accounts.retire(work, dataset, {Access.PUT})
    store_accounts.retire_where(work, col(Account.user_id) == user)
    _end_intents(work, user, datasets)


def settle(site: Site) -> None:
    """End the store accounts that were marked; the worker repeats it if this fails.

    Raises:
        StoreUnavailableError: The store failed; nothing is lost.
    """
    store_accounts.settle(site)


def _lock_pushed_by(work: Work, user: UUID) -> list[UUID]:
    """Lock the datasets where a user may have uploads or URLs that still work."""
    work.session.flush()
    recent = work.now - 2 * store_accounts.URL_LIFE
    pushed = select(Push.dataset_id).where(
        Push.actor_id == user, col(Push.used_at) > recent
    )
    sending = select(Intent.dataset_id).where(Intent.actor_id == user, IS_LIVE)
    datasets = sorted({*work.session.exec(pushed), *work.session.exec(sending)})
    access.lock_datasets(work, datasets)
    return datasets


def _end_intents(work: Work, user: UUID, datasets: Collection[UUID]) -> None:
    work.session.exec(
        update(Intent)
        .where(
            col(Intent.actor_id) == user,
            col(Intent.dataset_id).in_(datasets),
            IS_LIVE,
        )
        .values(state=IntentState.ABORTED, touched_at=work.now)
    )

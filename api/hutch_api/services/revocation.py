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
from hutch_api.services import access, store_accounts
from hutch_api.services.work import Site, Work
from hutch_api.store.indexes import IS_LIVE
from hutch_api.store.tables import (
    Dataset,
    Intent,
    IntentState,
    Push,
    Token,
)


def write_lost(work: Work, *, dataset: UUID) -> None:
    """Somebody has lost ``write`` on a dataset: end their uploads and all its URLs."""
    work.session.flush()
    access.lock_datasets(work, [dataset])
    pushing = work.session.exec(
        select(Intent.actor_id).where(Intent.dataset_id == dataset, IS_LIVE).distinct()
    ).all()
    for user in pushing:
        actor = Actor(user=user, name="", role=Role.USER, request_id="")
        still = select(Dataset.id).where(
            Dataset.id == dataset, access.granted(actor, Right.WRITE)
        )
        if work.session.exec(still).first() is None:
            _end_intents(work, user, [dataset])
    store_accounts.retire(work, dataset)


def writing_ended(work: Work, *, dataset: UUID) -> int:
    """Nobody may write to a dataset any more: all its uploads and URLs end.

    Called under the dataset's lock, in the transaction that begins a close or deletion.

    Returns:
        How many uploads ended.
    """
    ended = work.session.exec(
        update(Intent)
        .where(col(Intent.dataset_id) == dataset, IS_LIVE)
        .values(state=IntentState.ABORTED, touched_at=work.now)
    )
    store_accounts.retire(work, dataset)
    return int(ended.rowcount)


def token_revoked(work: Work, *, token: UUID) -> None:
    """A token ends: the URLs handed to its user for pushes end with it."""
    user = work.session.get_one(Token, token).user_id
    for dataset in _lock_pushed_by(work, user):
        store_accounts.retire(work, dataset)


def user_disabled(work: Work, *, user: UUID) -> None:
    """A user may do nothing any more: their uploads and URLs end."""
    datasets = _lock_pushed_by(work, user)
    for dataset in datasets:
        store_accounts.retire(work, dataset)
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

"""Everything that is due, done once: what the worker repeats for ever.

Each chore finds its work in the rows themselves, does it and notes it, so that a
worker killed at any point leaves nothing behind that the next round does not find.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from itertools import groupby, takewhile
from typing import Final

from sqlalchemy import delete, update
from sqlmodel import col, select

from hutch.contract.problems import (
    DatabaseUnavailableError,
    HutchError,
    StoreUnavailableError,
)
from hutch.contract.steps import Step, reached
from hutch.contract.wire.datasets import OperationKind
from hutch_api.domain.layout import key_of
from hutch_api.services import (
    about,
    adoption,
    attempts,
    audit,
    closing,
    deletion,
    finishing,
    firing,
    operations,
    store_accounts,
)
from hutch_api.services.faults import as_database_fault, hide_values
from hutch_api.services.remains import ENDED, delete_versions, end_upload, is_left
from hutch_api.services.sweep import sweep_due
from hutch_api.services.work import Site
from hutch_api.store.indexes import IS_UNCLEARED
from hutch_api.store.requests import Idempotency
from hutch_api.store.tables import (
    Intent,
    IntentState,
    Superseded,
)

STUCK: Final = timedelta(minutes=1)
"""A finish that has been ``completing`` for longer was left by a crash."""
IDLE: Final = timedelta(days=7)
"""Uploads that nobody touched for so long end."""
LATE: Final = timedelta(hours=2)
"""After this no PUT that was signed before can land: its URL and account are gone.

A version that was replaced stays as long: while it lies there, a second PUT of the
upload that brought it is refused.
"""
REMEMBERED: Final = timedelta(days=7)
BATCH: Final = 1_000

_log = logging.getLogger(__name__)


def run_once(site: Site) -> bool:
    """Do one round of all chores; tell whether there was anything to do.

    A chore that fails is logged and does not keep the others from their work.

    Raises:
        StoreUnavailableError: The store failed, and nothing could be done.
        DatabaseUnavailableError: The same of the database.
    """
    busy = False
    away: HutchError | None = None
    for chore in CHORES:
        try:
            busy |= chore(site)
        except Exception as error:  # noqa: BLE001 -- a defect stops one chore only
            away = _note(chore.__name__, error) or away
    if away is not None and not busy:
        raise away
    return busy


def _note(what: str, error: Exception) -> HutchError | None:
    """Log a failure; give it back if it is one that waiting may mend."""
    known = as_database_fault(error) or error
    if not isinstance(known, HutchError):
        hide_values(known)
        _log.error("%s: a defect", what, exc_info=known)
        return None
    _log.warning("%s: %s (%s)", what, known.detail, known.code)
    away = isinstance(known, StoreUnavailableError | DatabaseUnavailableError)
    return known if away else None


def end_accounts(site: Site) -> bool:
    """Delete store accounts that are due, marked or unknown."""
    with site.begin() as work:
        store_accounts.retire_due(work)
    settled = store_accounts.settle(site)
    return store_accounts.collect_unknown(site) + settled > 0


def resolve_finishes(site: Site) -> bool:
    """Bring finishes to an end that a crash interrupted."""
    with site.begin() as work:
        stuck = work.session.exec(
            select(Intent)
            .where(
                Intent.state == IntentState.COMPLETING,
                IS_UNCLEARED,
                col(Intent.touched_at) < work.now - STUCK,
            )
            .order_by(col(Intent.touched_at))
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        ).all()
        for intent in stuck:  # what fails now comes up again behind the others
            intent.touched_at = work.now
    by_dataset = sorted(stuck, key=lambda i: i.dataset_id)
    for dataset, intents in groupby(by_dataset, key=lambda i: i.dataset_id):
        try:
            finishing.resolve(site, list(intents))
        except HutchError as error:
            _note(f"finishes of dataset {dataset}", error)
    return bool(stuck)


def end_idle_uploads(site: Site) -> bool:
    """End uploads that nobody has touched for a week."""
    with site.begin() as work:
        idle = (
            select(Intent.id)
            .where(
                col(Intent.state).in_([IntentState.NEW, IntentState.URL]),
                IS_UNCLEARED,
                col(Intent.touched_at) < work.now - IDLE,
            )
            .with_for_update(skip_locked=True)
        )
        ended = work.session.exec(
            update(Intent)
            .where(col(Intent.id).in_(idle))
            .values(state=IntentState.ABORTED, touched_at=work.now)
        ).rowcount
        if ended:
            audit.record(work, None, "expire-uploads", files=ended)
    return bool(ended)


def clear_ended_uploads(site: Site) -> bool:
    """Remove from the store what ended uploads left there.

    Parts go at once. A whole object may still land while a URL lives, so an intent
    counts as cleared only after that.
    """
    with site.look() as work:
        ended = work.session.exec(
            select(Intent)
            .where(
                col(Intent.state).in_(ENDED),
                IS_UNCLEARED,
                col(Intent.touched_at) < work.now - LATE,
            )
            .order_by(col(Intent.touched_at))
            .limit(BATCH)
        ).all()
    for intent in ended:
        try:
            cleared = _clear(site, intent)
        except HutchError as error:
            _note(f"upload {intent.id}", error)
            cleared = False
        else:
            reached(Step.REMAINS_CLEARED)
        with site.begin() as work:  # what failed comes up again behind the others
            row = work.session.get_one(Intent, intent.id)
            row.cleared, row.touched_at = cleared, work.now
    return bool(ended)


def _clear(site: Site, intent: Intent) -> bool:
    """Remove what is there; tell whether nothing more can be."""
    ended = end_upload(site, intent)
    key = key_of(intent.dataset_id, intent.path)
    listed = takewhile(lambda v: v.key == key, site.objects.versions(key))
    delete_versions(site, [v for v in listed if is_left(site, intent, v)])
    return ended


def delete_superseded(site: Site) -> bool:
    """Delete versions that left their datasets more than two hours ago."""
    with site.look() as work:
        due = work.session.exec(
            select(Superseded)
            .where(col(Superseded.since) < work.now - LATE)
            .order_by(col(Superseded.since), col(Superseded.dataset_id))
            .limit(BATCH)
        ).all()
    for dataset, group in groupby(due, key=lambda s: s.dataset_id):
        rows = list(group)
        try:
            site.objects.delete([(key_of(dataset, s.path), s.version) for s in rows])
        except HutchError as error:
            _note(f"superseded versions of dataset {dataset}", error)
            failed = True
        else:
            failed = False
            reached(Step.SUPERSEDED_DELETED)
        with site.begin() as work:
            for row in rows:
                found = work.session.get(Superseded, (dataset, row.path, row.version))
                if found is None:
                    continue
                if failed:  # it comes up again behind the others
                    found.since = work.now
                else:
                    work.session.delete(found)
    return bool(due)


def go_on(site: Site) -> bool:
    """Go on with an operation that nobody works on."""
    operation = operations.claim(site)
    if operation is None:
        return False
    steps = {
        OperationKind.ADOPT: adoption.proceed,
        OperationKind.CLOSE: closing.proceed,
        OperationKind.DELETE: deletion.proceed,
    }
    try:
        steps[operation.kind](site, operation)
    except HutchError as error:
        operations.hand_over(site, operation.id, error)
        raise
    return True


def forget_requests(site: Site) -> bool:
    """Forget idempotency keys after a week."""
    with site.begin() as work:
        forgotten = work.session.exec(
            delete(Idempotency).where(
                col(Idempotency.created_at) < work.now - REMEMBERED
            )
        ).rowcount
    return bool(forgotten)


CHORES: Final[tuple[Callable[[Site], bool], ...]] = (
    go_on,
    end_accounts,
    resolve_finishes,
    end_idle_uploads,
    clear_ended_uploads,
    delete_superseded,
    sweep_due,
    about.write_changed,
    attempts.clear_ended,
    firing.fire_rules,
    forget_requests,
)

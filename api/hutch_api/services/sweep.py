"""Sweep closed and deleted datasets: plain S3 listing shows what hutch says.

A request that began before its account ended may land after a close. Readers never
get it, because they read pinned versions; the sweep removes it and says so. It stops
where the records do not fit: a restored backup must not delete anything.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

from sqlmodel import col, select

from hutch.contract import manifest as contract
from hutch.contract.problems import StoreError
from hutch.contract.steps import Step, reached
from hutch.contract.wire.datasets import State
from hutch_api.domain.layout import prefix_of
from hutch_api.services import access, audit, records
from hutch_api.services.comparison import PASSES, Oddity, compare
from hutch_api.services.files import entries, walk
from hutch_api.services.instance import require_own_bucket
from hutch_api.services.remains import clear, dead_of, delete_versions
from hutch_api.services.work import Site
from hutch_api.store.tables import Dataset

AFTER: Final = (
    timedelta(minutes=1),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=24),
    timedelta(weeks=1),
)
"""When to look again after a close or deletion; the last one repeats for ever."""
NAMED: Final = 20
LEASE: Final = timedelta(minutes=30)
"""One that sweeps longer is not disturbed: two sweeps do what one does."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did.

    Attributes:
        removed: Versions that were not the dataset's and are gone now.
        missing: Pinned files that the store does not have: alarm.
        paths: The first of those that are missing.
    """

    removed: int
    missing: int = 0
    paths: tuple[str, ...] = ()


def sweep(site: Site, dataset: UUID) -> Swept:
    """Remove what is foreign from a closed or deleted dataset's prefix.

    Raises:
        StoreError: The bucket or its records are not what the database says;
            nothing was removed.
        StoreUnavailableError: The store failed; nothing is lost.
    """
    require_own_bucket(site)
    with site.look() as work:
        row = work.session.get_one(Dataset, dataset)
    match row.state:
        case State.CLOSED:
            swept = _sweep_closed(site, row)
        case State.DELETED:
            swept = Swept(clear(site, dataset, tell=lambda _: None))
        case _:
            return Swept(0)
    if swept.removed or swept.missing:
        reached(Step.SWEEP_REMOVED)
        _note(site, dataset, swept)
        reached(Step.SWEEP_NOTED)
    return swept


def _sweep_closed(site: Site, row: Dataset) -> Swept:
    _require_same_records(site, row)
    reached(Step.SWEEP_CHECKED)
    removed = 0
    for _ in range(PASSES):
        found = compare(
            row.id,
            walk(site, row.id),
            site.objects.versions(prefix_of(row.id)),
            is_dead=dead_of(site, row.id),
            remove=partial(delete_versions, site),
            takes=frozenset(Oddity),
        )
        removed += found.removed
        if not found.removed:
            break
    paths = tuple(d.path for d in found.differences[:NAMED])
    return Swept(removed, found.counts.total(), paths)


def _require_same_records(site: Site, row: Dataset) -> None:
    """Stop unless manifest and seal in the bucket are those of the database."""
    document = records.read_seal(site, row.id)
    digest = contract.digest(entries(walk(site, row.id)))
    if (
        document is None
        or document.instance != str(site.instance)
        or document.seal != row.seal
        or document.digest != digest
        or row.digest != digest
    ):
        raise StoreError(
            f"the records of dataset {row.id} in the bucket and in the database "
            "differ; nothing was removed. Was one of them restored from a backup?",
            dataset=str(row.id),
        )


def _note(site: Site, dataset: UUID, swept: Swept) -> None:
    with site.begin() as work:
        audit.record(
            work,
            None,
            "sweep",
            dataset,
            removed=swept.removed,
            missing=swept.missing,
            paths=swept.paths,
        )


def sweep_due(site: Site) -> bool:
    """Sweep one dataset whose time has come; tell whether there was one.

    Raises:
        StoreError: As ``sweep``; the dataset comes up again when its lease ends.
    """
    with site.begin() as work:
        row = work.session.exec(
            select(Dataset)
            .where(
                col(Dataset.sweep_at) <= work.now,
                col(Dataset.state).in_([State.CLOSED, State.DELETED]),
            )
            .order_by(col(Dataset.sweep_at))
            .with_for_update(skip_locked=True)
        ).first()
        if row is None:
            return False
        row.sweep_at = leased_until = work.now + LEASE
        dataset = row.id
    reached(Step.SWEEP_LEASED)
    sweep(site, dataset)
    with site.begin() as work:
        access.lock_datasets(work, [dataset])
        row = work.session.get_one(Dataset, dataset)
        if row.sweep_at == leased_until:  # else deleted meanwhile, or swept again
            row.sweeps += 1
            row.sweep_at = work.now + AFTER[min(row.sweeps, len(AFTER) - 1)]
    return True

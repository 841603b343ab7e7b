"""Sweep closed and deleted datasets: plain S3 listing shows what hutch says.

A request that began before its account ended may land after a close. Readers never
get it, because they read pinned versions; the sweep removes it and says so. It stops
where the records do not fit: a restored backup must not delete anything.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import zip_longest
from typing import Final
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, func, select

from hutch.contract import manifest as contract
from hutch.contract import records as forms
from hutch.contract.problems import StoreError, StoreUnavailableError
from hutch.contract.steps import Step, reached
from hutch.contract.wire.datasets import Fault, State
from hutch_api.domain.layout import path_of, prefix_of
from hutch_api.ports.objects import Version
from hutch_api.services import access, audit, records
from hutch_api.services.comparison import PASSES, Oddity, compare
from hutch_api.services.files import entries, pinned, walk
from hutch_api.services.instance import require_own_bucket
from hutch_api.services.remains import clear, dead_of, delete_versions, end_uploads
from hutch_api.services.work import Site, Work
from hutch_api.store.tables import Audit, Dataset, File

AFTER: Final = (
    timedelta(minutes=1),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=24),
    timedelta(weeks=1),
)
"""When to look again after a close or deletion; the last one repeats for ever."""
NAMED: Final = 20
_STOPPED: Final = "sweep-stopped"
LEASE: Final = timedelta(minutes=30)
"""One that sweeps longer is not disturbed: two sweeps do what one does."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did.

    Attributes:
        removed: Versions that were not the dataset's and are gone now.
        missing: Pinned files that the store does not have: alarm.
        paths: The first of those that are missing.
        removed_paths: The first paths where versions were removed.
    """

    removed: int
    missing: int = 0
    paths: tuple[str, ...] = ()
    removed_paths: tuple[str, ...] = ()


def sweep(site: Site, dataset: UUID) -> Swept:
    """Remove what is foreign from a closed or deleted dataset's prefix.

    Raises:
        StoreError: The bucket or its records are not what the database says;
            nothing was removed.
        StoreUnavailableError: The store failed; nothing is lost.
    """
    with site.look() as work:
        row = work.session.get_one(Dataset, dataset)
    try:
        swept = _swept(site, row)
    except StoreUnavailableError:
        raise
    except StoreError as error:
        _note_stop(site, dataset, error)
        raise
    if swept.removed or swept.missing:
        reached(Step.SWEEP_REMOVED)
        _note(site, dataset, swept)
        reached(Step.SWEEP_NOTED)
    return swept


def _swept(site: Site, row: Dataset) -> Swept:
    require_own_bucket(site)
    match row.state:
        case State.CLOSED:
            return _sweep_closed(site, row)
        case State.DELETED:
            end_uploads(site, row.id)
            remove = partial(_remove, site, row.id)
            return Swept(clear(site, row.id, tell=lambda _: None, remove=remove))
        case _:
            return Swept(0)


def _sweep_closed(site: Site, row: Dataset) -> Swept:
    _require_same_records(site, row)
    reached(Step.SWEEP_CHECKED)
    end_uploads(site, row.id)
    removed = 0
    removed_paths: dict[str, None] = {}
    for _ in range(PASSES):
        found = compare(
            row.id,
            pinned(site, row.id),
            site.objects.versions(prefix_of(row.id)),
            is_dead=dead_of(site, row.id),
            remove=partial(_remove, site, row.id),
            takes=frozenset(Oddity),
        )
        removed += found.removed
        removed_paths |= dict.fromkeys(found.removed_paths)
        if not found.removed:
            break
    paths = tuple(d.path for d in found.differences[:NAMED])
    first = tuple(removed_paths)[:NAMED]
    return Swept(removed, found.counts.total(), paths, first)


def _remove(site: Site, dataset: UUID, versions: Sequence[Version]) -> None:
    """Say what goes, then delete it: killed between the two, the row is there."""
    if not versions:
        return
    paths = dict.fromkeys(path_of(dataset, v.key) for v in versions)
    with site.begin() as work:
        audit.record(
            work,
            None,
            "sweep-removes",
            dataset,
            removed=len(versions),
            removed_paths=list(paths)[:NAMED],
        )
    reached(Step.SWEEP_ANNOUNCED)
    delete_versions(site, versions)


def _require_same_records(site: Site, row: Dataset) -> None:
    """Stop unless seal, manifest and pins in the bucket are those of the database.

    The pins above all: whatever they do not name is about to be deleted.
    """
    document = records.read_seal(site, row.id)
    digest = contract.digest(entries(walk(site, row.id)))
    if (
        document is None
        or document.instance != str(site.instance)
        or document.seal != row.seal
        or {document.digest, row.digest, _stored_digest(site, row.id, document)}
        != {digest}
        or not _same_pins(site, row.id, document)
    ):
        raise StoreError(
            f"the records of dataset {row.id} in the bucket and in the database "
            "differ; nothing was removed. Was one of them restored from a backup?",
            dataset=str(row.id),
        )


def _stored_digest(site: Site, dataset: UUID, document: forms.SealRecord) -> str:
    sha256 = hashlib.sha256()
    for name in document.manifest:
        sha256.update(records.read_piece(site, dataset, name))
    return sha256.hexdigest()


def _same_pins(site: Site, dataset: UUID, document: forms.SealRecord) -> bool:
    pairs = zip_longest(pinned(site, dataset), _pins(site, dataset, document))
    try:
        return all(
            file is not None
            and pin is not None
            and (file.path, file.version) == (pin.path, pin.version)
            for file, pin in pairs
        )
    except ValueError:  # the seal record names a piece that is none of pins
        return False


def _pins(site: Site, dataset: UUID, document: forms.SealRecord) -> Iterator[forms.Pin]:
    for name in document.pins:
        for line in records.read_piece(site, dataset, name).splitlines():
            yield forms.read_pin(line)


def _note(site: Site, dataset: UUID, swept: Swept) -> None:
    with site.begin() as work:
        if swept.missing:
            _mark(work, dataset, swept)
        audit.record(
            work,
            None,
            "sweep",
            dataset,
            removed=swept.removed,
            removed_paths=swept.removed_paths,
            missing=swept.missing,
            missing_paths=swept.paths,
        )


def _note_stop(site: Site, dataset: UUID, error: StoreError) -> None:
    """Say once that a sweep stopped, however often it is tried again."""
    with site.begin() as work:
        latest = work.session.exec(
            select(Audit.action)
            .where(Audit.dataset_id == dataset)
            .order_by(col(Audit.id).desc())
        ).first()
        if latest != _STOPPED:
            audit.record(work, None, _STOPPED, dataset, reason=error.detail)


def _mark(work: Work, dataset: UUID, swept: Swept) -> None:
    """Let everybody who looks at the dataset see what is missing.

    The scrub takes it back when it has read the files again.
    """
    access.lock_datasets(work, [dataset])
    own = col(File.dataset_id) == dataset
    work.session.exec(
        update(File)
        .where(own, col(File.path).in_(swept.paths))
        .values(fault=Fault.MISSING)
    )
    marked = work.session.exec(
        select(func.count()).where(own, col(File.fault).is_not(None))
    ).one()
    row = work.session.get_one(Dataset, dataset)
    row.faults = max(marked, swept.missing)


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

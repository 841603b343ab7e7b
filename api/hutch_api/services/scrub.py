"""The scrub: closed files are read again, confirmed, or told as faulty.

It goes through the closed datasets in rounds, first those that were never read, then
those whose last round is the longest ago. What it may read is an allowance in the
database that all workers share: bytes are taken from it before they are read, so that
neither many workers nor one that is killed read more than that. How far a round has
come stands in the rows; whoever is next goes on there.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_
from sqlmodel import col, select

from hutch.contract.problems import StoreError
from hutch.contract.wire.datasets import Fault, State
from hutch_api.domain.layout import key_of
from hutch_api.services import audit
from hutch_api.services.sums import Sums, compute
from hutch_api.services.work import Site, Work
from hutch_api.store.tables import Dataset, File, Instance

RESTS: Final = timedelta(days=30)
"""A dataset that was read to its end is left alone for so long,"""
RESTS_FAULTY: Final = timedelta(days=1)
"""or so long if something is wrong with it: it may be mended meanwhile."""
REQUEST: Final = 64 * 1024
"""Bytes that a file costs beside its own, so that tiny ones have a price too."""
SLICE_FILES: Final = 256
SLICE_BYTES: Final = 256 * 1024**2
"""What is taken at a time; a larger file is a slice of its own."""
LEASE: Final = timedelta(minutes=10)
"""Renewed while a file is read; after a kill another worker goes on."""
ATTEMPTS: Final = 2
"""So often a store that has a file has to fail to give it."""
NAMED: Final = 20
_DAY: Final = timedelta(days=1)
_HOURS: Final = 24

_log = logging.getLogger(__name__)


class _StoppedError(Exception):
    """The worker ends in the middle of a file."""


@dataclass(slots=True)
class _Slice:
    """Files that are being read by this worker.

    Attributes:
        lease: Until when they are its own; the row says the same.
        is_last: The dataset has no more files behind them.
    """

    dataset: UUID
    files: Sequence[File]
    lease: datetime
    is_last: bool


def scrub_once(
    site: Site, *, budget: int, stop: Callable[[], bool] = lambda: False
) -> bool:
    """Read some files again, if the budget allows; tell whether it did.

    A file that costs more than an hour's budget is begun when a whole hour is saved
    up, and paid off before the next one.

    Args:
        site: The site.
        budget: Bytes a day, of all workers together; a file costs 64 KiB more. 0
            reads nothing.
        stop: Asked now and then whether to end at once.

    Raises:
        StoreUnavailableError: The store failed; what was read until then is noted.
    """
    taken = _take(site, budget) if budget >= _HOURS else None
    if taken is None:
        return False
    found: dict[str, Fault | None] = {}
    try:
        for file in taken.files:
            if stop():
                break
            found[file.path] = _examine(site, taken, file, stop)
    except _StoppedError:
        pass
    finally:
        _note(site, taken, found)
    return True


def _take(site: Site, budget: int) -> _Slice | None:
    """Take the next files, and what they cost from the allowance."""
    with site.begin() as work:
        purse = work.session.exec(select(Instance).with_for_update()).one()
        _refill(purse, work.now, budget)
        row = work.session.exec(
            select(Dataset)
            .where(_is_due(work.now))
            .order_by(
                col(Dataset.scrub_since).is_(None),
                col(Dataset.scrubbed_at).nulls_first(),
                col(Dataset.closed_at),
                col(Dataset.id),
            )
            .limit(1)
            .with_for_update(skip_locked=True)
        ).first()
        if row is None:
            return None
        query = select(File).where(File.dataset_id == row.id)
        if row.scrub_after is not None:
            query = query.where(col(File.path) > row.scrub_after)
        rows = work.session.exec(
            query.order_by(col(File.path)).limit(SLICE_FILES)
        ).all()
        files = list(_affordable(rows, purse, budget))
        if rows and not files:
            return None
        row.scrub_since = row.scrub_since or work.now
        row.scrub_until = work.now + LEASE
        is_last = len(files) == len(rows) < SLICE_FILES
        return _Slice(row.id, files, row.scrub_until, is_last)


def _is_due(now: datetime) -> ColumnElement[bool]:
    last, faults = col(Dataset.scrubbed_at), col(Dataset.faults)
    return and_(
        col(Dataset.state) == State.CLOSED,
        or_(col(Dataset.scrub_until).is_(None), col(Dataset.scrub_until) < now),
        or_(
            col(Dataset.scrub_since).is_not(None),
            last.is_(None),
            last < now - RESTS,
            and_(faults > 0, last < now - RESTS_FAULTY),
        ),
    )


def _refill(purse: Instance, now: datetime, budget: int) -> None:
    """Add what the time since brought; never more than an hour's budget."""
    since = purse.scrub_refilled_at
    gained = 0 if since is None else int(budget * ((now - since) / _DAY))
    if since is None or gained > 0:  # else less than a byte, which is not to be lost
        purse.scrub_refilled_at = now
    held = purse.scrub_allowance + max(gained, 0)
    purse.scrub_allowance = min(held, budget // _HOURS)


def _affordable(files: Sequence[File], purse: Instance, budget: int) -> Iterator[File]:
    taken = 0
    for file in files:
        cost = file.size + REQUEST
        if purse.scrub_allowance < min(cost, budget // _HOURS):
            return
        if taken and taken + file.size > SLICE_BYTES:
            return
        taken += file.size
        purse.scrub_allowance -= cost
        yield file


def _examine(
    site: Site, taken: _Slice, file: File, stop: Callable[[], bool]
) -> Fault | None:
    """Read a file and tell what is wrong with it; None if nothing is.

    Raises:
        StoreUnavailableError: The store does not even tell whether it has it.
    """
    key = key_of(taken.dataset, file.path)
    for _ in range(ATTEMPTS):
        stat = site.objects.stat(key, file.version)
        if stat is None:
            return Fault.MISSING
        try:
            return _compare(site, taken, file, stop)
        except StoreError as error:
            _log.warning("scrub of dataset %s: %s", taken.dataset, error.detail)
    return Fault.UNREADABLE


def _compare(
    site: Site, taken: _Slice, file: File, stop: Callable[[], bool]
) -> Fault | None:
    def beat() -> None:
        if stop():
            raise _StoppedError
        _hold(site, taken)

    key = key_of(taken.dataset, file.path)
    found = compute(site, key, file.version, beat=beat)
    recorded = Sums(file.size, file.sha256, file.crc64nvme)
    return None if found == recorded else Fault.CORRUPT


def _hold(site: Site, taken: _Slice) -> None:
    """Renew the lease of a slice when half of it is over."""
    if site.clock() < taken.lease - LEASE / 2:
        return
    with site.begin() as work:
        row = work.session.get_one(Dataset, taken.dataset, with_for_update=True)
        if row.scrub_until == taken.lease:
            row.scrub_until = taken.lease = work.now + LEASE


def _note(site: Site, taken: _Slice, found: Mapping[str, Fault | None]) -> None:
    """Note what was found, unless others have the dataset now, or it goes."""
    with site.begin() as work:
        row = work.session.get_one(Dataset, taken.dataset, with_for_update=True)
        if row.scrub_until != taken.lease:
            return
        row.scrub_until = None
        if row.state is not State.CLOSED:
            return
        files = [file for file in taken.files if file.path in found]
        fresh = []
        for seen in files:
            file = work.session.get_one(File, (taken.dataset, seen.path))
            fault = found[seen.path]
            if fault is not None and fault is not file.fault:
                fresh.append((file.path, fault))
            file.fault, file.confirmed = fault, fault is None
            file.confirmed_at = work.now if fault is None else file.confirmed_at
        if files:
            row.scrub_after = files[-1].path
        _tell(work, row, fresh)
        if taken.is_last and len(files) == len(taken.files):
            _end_round(work, row)


def _tell(work: Work, row: Dataset, fresh: Sequence[tuple[str, Fault]]) -> None:
    """Raise the alarm about files that were not known to be faulty."""
    row.faults = sum(_faults(work, row.id).values())
    if not fresh:
        return
    kinds = {str(kind): [p for p, k in fresh if k is kind] for kind in Fault}
    counts = {kind: len(paths) for kind, paths in kinds.items()}
    paths = [path for path, _ in fresh[:NAMED]]
    audit.record(work, None, "scrub-fault", row.id, paths=paths, **counts)
    for path, kind in fresh[:NAMED]:
        _log.error("scrub: file %r of dataset %s is %s", path, row.id, kind)


def _end_round(work: Work, row: Dataset) -> None:
    counts = {str(kind): count for kind, count in _faults(work, row.id).items()}
    audit.record(
        work,
        None,
        "scrub",
        row.id,
        files=row.files,
        bytes=row.bytes,
        confirmed=row.files - row.faults,
        **counts,
    )
    row.scrubbed_at, row.scrub_since, row.scrub_after = work.now, None, None


def _faults(work: Work, dataset: UUID) -> dict[Fault, int]:
    work.session.flush()
    rows = work.session.exec(
        select(File.fault, func.count())
        .where(File.dataset_id == dataset, col(File.fault).is_not(None))
        .group_by(col(File.fault))
    ).all()
    counted = {Fault(kind): count for kind, count in rows if kind is not None}
    return {kind: counted.get(kind, 0) for kind in Fault}


def alarms(work: Work) -> list[str]:
    """Name the files of closed datasets that the scrub found faulty, some of each."""
    rows = work.session.exec(
        select(Dataset.id, Dataset.faults)
        .where(col(Dataset.faults) > 0, Dataset.state == State.CLOSED)
        .order_by(col(Dataset.id))
    ).all()
    told = []
    for dataset, faults in rows:
        files = work.session.exec(
            select(File.path, File.fault)
            .where(File.dataset_id == dataset, col(File.fault).is_not(None))
            .order_by(col(File.path))
            .limit(NAMED)
        ).all()
        named = ", ".join(f"{path!r} is {kind}" for path, kind in files)
        more = f" and {faults - len(files)} more" if faults > len(files) else ""
        told.append(f"dataset {dataset}: {named}{more}")
    return told

"""Make files of what other tools left in the store, in the version that was listed.

Its sums are computed from that version, by the server; a delete marker takes its file
out. Until a transaction commits, nothing has happened: going on lists again, and finds
what is left.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

from hutch.contract.paths import fold, parse
from hutch.contract.problems import (
    ConflictError,
    FileChangedError,
    HutchError,
    PathBusyError,
    StoreError,
    StoreUnavailableError,
)
from hutch.contract.steps import Step, reached
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import OperationKind, Right, State
from hutch_api.domain.layout import key_of
from hutch_api.domain.lifecycle import require_open
from hutch_api.services import access, audit, operations, strays
from hutch_api.services.announcement import check_path, require_no_clash
from hutch_api.services.commit import Changes, put_file
from hutch_api.services.comparison import NAMED, PASSES, Difference, Oddity
from hutch_api.services.neighbours import Batch, Known, look_up
from hutch_api.services.parallel import in_parallel
from hutch_api.services.remains import delete_versions, free_keys
from hutch_api.services.removals import take_out
from hutch_api.services.strays import Look
from hutch_api.services.sums import Sums, compute
from hutch_api.services.work import Site, Work
from hutch_api.store.rows import FileRow
from hutch_api.store.tables import Dataset, Operation

FILES: Final = 64
BYTES: Final = 256 * 1024**2
"""Files, and bytes of them, that are read before they are committed together."""
KEEP_S: Final = 30
"""A lease is renewed so often while a file is read."""
_THERE: Final = (Oddity.ADDED, Oddity.OVERWRITTEN)
TAKEN: Final = (*_THERE, Oddity.DELETED)
"""What can be taken in or undone."""

Refused = dict[str, HutchError]
"""What could not be taken in, by its path, ``NAMED`` at most."""


@dataclass(frozen=True, slots=True)
class Read:
    """A version that was read, with its sums."""

    found: Difference
    sums: Sums


@dataclass(slots=True)
class _Lease:
    """Keeps an operation while something takes long."""

    site: Site
    operation: UUID
    done: int
    renewed: float = field(default_factory=time.monotonic)

    def keep(self) -> None:
        """Renew the lease now and then."""
        if time.monotonic() - self.renewed >= KEEP_S:
            self.renewed = time.monotonic()
            operations.advance(self.site, self.operation, self.done)


def take_in(site: Site, operation: Operation, *, only: Collection[str] = ()) -> Refused:
    """Make files of what tools left, some at a time.

    Args:
        site: The site.
        operation: The adoption, or the close, that this is part of.
        only: Only these paths; empty means all.

    Raises:
        EndedError: Others have ended the operation meanwhile.
        HutchError: It is no longer allowed.
        StoreUnavailableError: The store failed.
    """
    lease = _Lease(site, operation.id, operation.done)
    refused: Refused = {}
    for _ in range(PASSES):
        refused.clear()
        is_revealing = False
        for look in strays.looks(site, operation.dataset_id, only=only):
            is_revealing |= _clear(site, operation, look, refused)
            there = (d for d in look.differences if d.oddity in _THERE)
            for batch in _batches(_checked(site, there, refused)):
                read = _read_all(site, operation.dataset_id, batch, lease, refused)
                reached(Step.ADOPTED_READ)
                _commit(site, operation, read, [], refused)
        if not is_revealing:
            break
    return refused


def _clear(site: Site, operation: Operation, look: Look, refused: Refused) -> bool:
    """Take out what tools deleted, and clear those keys in the store.

    That goes first: a directory may be where a file was. On MinIO nothing below such a
    key is listed until it is cleared.

    Returns:
        Whether something may be listed now that was not.
    """
    gone = [d for d in look.differences if d.oddity is Oddity.DELETED]
    _commit(site, operation, [], gone, refused)
    cleared = [d for d in (*gone, *look.marked) if d.path not in refused]
    if cleared:
        with site.begin() as work:
            hold(work, operation)
        delete_versions(site, [v for d in cleared for v in d.foreign])
        free_keys(site, operation.dataset_id, [d.path for d in cleared])
    return bool(cleared)


def _checked(
    site: Site, found: Iterable[Difference], refused: Refused
) -> Iterator[Difference]:
    """Leave out what no file may be called, before it is read."""
    for difference in found:
        checked = check_path(difference.path, portable=site.portable_paths)
        if isinstance(checked, HutchError) and difference.oddity is Oddity.ADDED:
            _refuse(refused, difference.path, checked)
        else:
            yield difference


def _batches(found: Iterable[Difference]) -> Iterator[list[Difference]]:
    batch: list[Difference] = []
    size = 0
    for difference in found:
        batch.append(difference)
        size += difference.foreign[0].size
        if len(batch) >= FILES or size >= BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _read_all(
    site: Site,
    dataset: UUID,
    batch: Sequence[Difference],
    lease: _Lease,
    refused: Refused,
) -> list[Read]:
    read = in_parallel(lambda d: _read(site, dataset, d, lease), batch)
    for difference, outcome in zip(batch, read, strict=True):
        if isinstance(outcome, HutchError):
            _refuse(refused, difference.path, outcome)
    return [outcome for outcome in read if isinstance(outcome, Read)]


def _read(
    site: Site, dataset: UUID, found: Difference, lease: _Lease
) -> Read | HutchError:
    """Compute the sums of exactly the version that was listed."""
    version, key = found.foreign[0], key_of(dataset, found.path)
    try:
        sums = compute(site, key, version.version, beat=lease.keep)
    except StoreUnavailableError:
        raise
    except StoreError as error:
        return error
    if sums.size != version.size:
        return StoreError(
            f"the store gave {sums.size} bytes of {found.path!r} instead of "
            f"{version.size}; run 'hutch adopt' again",
            path=found.path,
        )
    return Read(found, sums)


def _commit(
    site: Site,
    operation: Operation,
    read: Sequence[Read],
    gone: Sequence[Difference],
    refused: Refused,
) -> None:
    """Make files of what was read, and take out what was deleted, all at once."""
    if not (read or gone):
        return
    with site.begin() as work:
        row, current = hold(work, operation)
        paths = [d.path for d in (*(r.found for r in read), *gone)]
        known = look_up(work, row.id, {fold(parse(p)) for p in paths}, paths)
        taking = _Taking(work, row, current.actor_id, known)
        for one in read:
            try:
                taking.add(one)
            except ConflictError as error:
                _refuse(refused, one.found.path, error)
        for difference in gone:
            try:
                taking.remove(difference)
            except ConflictError as error:
                _refuse(refused, difference.path, error)
        added, removed = taking.write()
        if added or removed:
            row.revision += 1
            row.updated_at = work.now
            actor = operations.actor_of(work, operation)
            facts = {"files": added, "removed": removed, "revision": row.revision}
            audit.record(work, actor, "adopted", row.id, **facts)
            count(current, adopted=added, removed=removed)
    reached(Step.ADOPTED_WRITTEN)


@dataclass(slots=True)
class _Taking:
    """One transaction: what becomes a file, and what is one no more."""

    work: Work
    row: Dataset
    user: UUID
    known: Known
    changes: Changes = field(default_factory=Changes)
    batch: Batch = field(default_factory=Batch)
    gone: list[FileRow] = field(default_factory=list)

    def add(self, one: Read) -> None:
        """Make a file of what was read.

        Raises:
            ConflictError: The path clashes with another, or has changed meanwhile.
        """
        path = parse(one.found.path)
        require_no_clash(path, self.known, self.batch)
        file = _unchanged(one.found, self.known)
        self.batch.add(path)
        taken = {
            "path": path,
            "fold": fold(path),
            "size": one.sums.size,
            "sha256": one.sums.sha256,
            "crc64nvme": one.sums.crc64nvme,
            "version": one.found.foreign[0].version,
            "intent_id": uuid4(),
            "confirmed": True,
            "confirmed_at": self.work.now,
            "committed_by": self.user,
        }
        put_file(self.work, self.changes, self.row, taken, file)

    def remove(self, found: Difference) -> None:
        """Take out a file that a tool deleted.

        Raises:
            ConflictError: It has changed meanwhile.
        """
        file = _unchanged(found, self.known)
        if file is not None:
            self.gone.append(file)

    def write(self) -> tuple[int, int]:
        """Write it; gives how many files were taken in and taken out."""
        self.changes.write(self.work)
        take_out(self.work, self.row, self.gone)
        return len(self.changes.added) + len(self.changes.replaced), len(self.gone)


def hold(work: Work, operation: Operation) -> tuple[Dataset, Operation]:
    """Lock a dataset and its operation, if it still may go on."""
    access.lock_datasets(work, [operation.dataset_id])
    current = operations.lock_running(work, operation.id)
    if current is None or operations.decided(current) is not None:
        raise operations.EndedError
    row = work.session.get_one(Dataset, operation.dataset_id)
    if current.kind is OperationKind.CLOSE:
        assert row.state is State.CLOSING  # noqa: S101 - its operation is running
        return row, current
    require_open(row.state, name=row.name)
    actor = operations.actor_of(work, current)
    access.require_active(work, actor)
    access.find(work, actor, row.id, right=Right.WRITE, scope=Scope.WRITE)
    return row, current


def _unchanged(found: Difference, known: Known) -> FileRow | None:
    """Give the file of a path, if it still is as it was when the store was listed.

    Raises:
        ConflictError: It is not, or somebody is pushing it.
    """
    folded = fold(parse(found.path))
    file, live = known.files.get(folded), known.live.get(folded)
    if live is not None:
        who = known.names.get(live.actor_id, "?")
        raise PathBusyError(
            f"{found.path!r} is being pushed by {who}; adopt it when that is over",
            path=found.path,
            by=who,
        )
    if (None if file is None else file.version) != found.base:
        raise FileChangedError(
            f"{found.path!r} was changed in the dataset meanwhile; run 'hutch adopt' "
            "again",
            path=found.path,
        )
    return file


def counts_of(row: Operation) -> dict[str, Any]:
    """Tell how many paths an operation has dealt with, in each way."""
    return {"adopted": 0, "removed": 0, "dropped": 0, **(row.result or {})}


def count(row: Operation, **more: int) -> None:
    """Add to what an operation has done, in the transaction that does it."""
    counts = counts_of(row)
    row.result = counts | {name: counts[name] + add for name, add in more.items()}
    row.done += sum(more.values())


def _refuse(refused: Refused, path: str, error: HutchError) -> None:
    if len(refused) < NAMED:
        refused[path] = error

"""Delete a dataset: the bytes go, a tombstone stays.

The tombstone keeps id and edges and, if the dataset was closed, digest, seal and
manifest, so that children can still name what they came from.
"""

from uuid import UUID

from sqlalchemy import delete as sql_delete
from sqlmodel import col, select

from hutch.contract.problems import (
    DatasetBusyError,
    DeletedError,
    InUseError,
)
from hutch.contract.steps import Step, reached
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import (
    OperationKind,
    OperationOut,
    Right,
    State,
)
from hutch_api.domain.access import Actor
from hutch_api.domain.lifecycle import may_become
from hutch_api.domain.runs import LIVE
from hutch_api.services import (
    about,
    access,
    audit,
    operations,
    previews,
    revocation,
    store_accounts,
)
from hutch_api.services.about import About
from hutch_api.services.remains import clear, end_uploads, forget
from hutch_api.services.sweep import AFTER
from hutch_api.services.work import Site, Work
from hutch_api.store.run_tables import Run, RunInput
from hutch_api.store.tables import (
    Dataset,
    File,
    Operation,
)


def delete(site: Site, actor: Actor, dataset: UUID) -> OperationOut:
    """Delete an open or closed dataset; large ones answer with an operation.

    A dataset that is being deleted already gives the operation it is in.

    Raises:
        DatasetBusyError: It is being closed.
        InUseError: A run reads it.
        DeletedError: It is gone.
    """
    with site.begin() as work:
        row = access.find(
            work, actor, dataset, right=Right.OWN, scope=Scope.DELETE, lock=True
        )
        if row.state is State.DELETING:
            joined = operations.running(work, dataset, OperationKind.DELETE)
            if joined is not None:
                return operations.operation_out(joined)
        _require_deletable(row)
        _require_unread(work, row)
        operation = _begin(work, actor, row)
    reached(Step.DELETING_WRITTEN)
    return operations.carry_out(site, operation, proceed)


def _require_deletable(row: Dataset) -> None:
    if row.state is State.DELETED:
        raise DeletedError(f"{row.name} was deleted", state=row.state)
    if not may_become(row.state, State.DELETING):
        raise DatasetBusyError(
            f"{row.name} is {row.state}; try again when that is over", state=row.state
        )


def _require_unread(work: Work, row: Dataset) -> None:
    reading = work.session.exec(
        select(Run.id)
        .join(RunInput, col(RunInput.run_id) == col(Run.id))
        .where(RunInput.dataset_id == row.id, col(Run.state).in_(LIVE))
    ).first()
    if reading is not None:
        raise InUseError(
            f"a run reads {row.name}; delete it when that has ended, or cancel the run",
            dataset=str(row.id),
        )


def _begin(work: Work, actor: Actor, row: Dataset) -> Operation:
    audit.record(
        work, actor, "delete", row.id, state=row.state, files=row.files, name=row.name
    )
    row.state = State.DELETING
    row.updated_at = work.now
    about.changed(work, row)
    revocation.writing_ended(work, dataset=row.id)
    store_accounts.retire(work, row.id)  # those that read, too
    return operations.start(
        work,
        actor,
        OperationKind.DELETE,
        row,
        options={},
    )


def proceed(site: Site, operation: Operation) -> None:
    """Bring a deletion to its end, from whichever step it had reached.

    Raises:
        StoreUnavailableError: The store failed; any worker can go on later.
    """
    dataset = operation.dataset_id
    store_accounts.settle(site, dataset)
    end_uploads(site, dataset)
    reached(Step.DELETE_FENCED)
    _write_tombstone(site, dataset)
    previews.remove_all(site, dataset)
    clear(site, dataset, tell=lambda n: operations.advance(site, operation.id, n))
    reached(Step.VERSIONS_DELETED)
    with site.begin() as work:
        row = work.session.get_one(Dataset, dataset, with_for_update=True)
        if operations.end(work, operation.id) is None:
            about.changed(work, row)  # this one's record may have replaced a later one
            return
        work.session.exec(sql_delete(File).where(col(File.dataset_id) == dataset))
        forget(work, dataset)
        row.state = State.DELETED
        row.deleted_at = row.updated_at = work.now
        row.sweep_at, row.sweeps = work.now + AFTER[0], 0
        row.faults = 0
        about.changed(work, row)
        actor = operations.actor_of(work, operation)
        audit.record(work, actor, "deleted", dataset)
    reached(Step.DELETED_WRITTEN)


def _write_tombstone(site: Site, dataset: UUID) -> None:
    """Note beside the records of a closed dataset that it goes, before its files do.

    A database that is lost and rebuilt from them must not bring it back.
    """
    with site.look() as work:
        row = work.session.get_one(Dataset, dataset)
        closed, described = row.digest is not None, About.of(work, row)
    if closed:
        about.write(site, dataset, described)

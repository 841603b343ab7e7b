"""Adopt what other tools did in the store into a dataset, or undo it.

The operation is all that is kept of it; a worker carries it out.
"""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from hutch.contract.problems import (
    ConflictError,
    DatasetBusyError,
    DeletedError,
    ForbiddenError,
    NotFoundError,
    UnauthenticatedError,
    to_problem,
)
from hutch.contract.steps import Step, reached
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import OperationKind, OperationOut, Right
from hutch.contract.wire.tools import AdoptIn
from hutch_api.domain.access import Actor
from hutch_api.domain.lifecycle import require_open
from hutch_api.services import access, audit, operations, strays
from hutch_api.services.comparison import NAMED, PASSES
from hutch_api.services.intake import (
    TAKEN,
    Refused,
    count,
    counts_of,
    hold,
    take_in,
)
from hutch_api.services.remains import delete_versions
from hutch_api.services.strays import Look
from hutch_api.services.work import Site
from hutch_api.store.tables import Operation

_OVER: Final = (
    ConflictError,
    DeletedError,
    ForbiddenError,
    NotFoundError,
    UnauthenticatedError,
)
"""Errors that end an adoption: going on would meet them again."""


def adopt(site: Site, actor: Actor, dataset: UUID, wanted: AdoptIn) -> OperationOut:
    """Begin to take in, or to undo, what tools did; a worker does it.

    The same wish again gives the operation that is under way.

    Raises:
        NotFoundError: No such dataset for the actor.
        ForbiddenError: The actor may not write to it.
        ConflictError: It is not open, or others adopt something else there.
    """
    options = {"paths": sorted(set(wanted.paths)), "drop": wanted.drop}
    with site.begin() as work:
        row = access.find(
            work, actor, dataset, right=Right.WRITE, scope=Scope.WRITE, lock=True
        )
        require_open(row.state, name=row.name)
        under_way = operations.running(work, dataset, OperationKind.ADOPT)
        if under_way is not None:
            if (under_way.options, under_way.actor_id) == (options, actor.user):
                return operations.operation_out(under_way)
            raise DatasetBusyError(
                f"what tools did to {row.name} is being adopted already; try again "
                "when that is over",
                operation=str(under_way.id),
            )
        audit.record(
            work, actor, "adopt", dataset, paths=len(wanted.paths), drop=wanted.drop
        )
        operation = operations.start(
            work, actor, OperationKind.ADOPT, row, options=options, inline=False
        )
        return operations.operation_out(operation)


def proceed(site: Site, operation: Operation) -> None:
    """Bring an adoption to its end, from wherever it had come.

    Raises:
        StoreUnavailableError: The store failed; any worker can go on later.
    """
    refused: Refused = {}
    only = operation.options.get("paths", ())
    try:
        if operation.options.get("drop"):
            _drop(site, operation, only)
        else:
            refused = take_in(site, operation, only=only)
        with site.begin() as work:
            _, current = hold(work, operation)
            problems = [to_problem(error) for error in refused.values()]
            current.result = {**counts_of(current), "problems": problems}
            current.total = current.done
            operations.end(work, current.id)
    except operations.EndedError:
        return
    except _OVER as error:
        with site.begin() as work:
            operations.end(work, operation.id, problem=to_problem(error))


def _drop(site: Site, operation: Operation, only: Collection[str]) -> None:
    """Delete what tools put over the dataset's versions, or where it has none.

    Again and again, because on MinIO an object can hide others until it is gone.
    """
    for _ in range(PASSES):
        dropped = [
            _drop_seen(site, operation, look)
            for look in strays.looks(site, operation.dataset_id, only=only)
        ]
        if not any(dropped):
            return


def _drop_seen(site: Site, operation: Operation, look: Look) -> bool:
    """Delete what a look has found; tell whether there was anything."""
    found = [d for d in look.differences if d.oddity in TAKEN]
    foreign = [v for d in (*found, *look.marked) for v in d.foreign]
    if not foreign:
        return False
    with site.begin() as work:  # said first: killed between the two, it is known
        row, current = hold(work, operation)
        actor = operations.actor_of(work, operation)
        audit.record(
            work,
            actor,
            "dropped",
            row.id,
            versions=len(foreign),
            files=len(found),
            paths=[d.path for d in found[:NAMED]],
        )
        count(current, dropped=len(found))
    reached(Step.DROP_ANNOUNCED)
    delete_versions(site, foreign)
    return True

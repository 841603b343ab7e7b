"""Close a dataset, for good.

``close`` checks and takes it from open to closing in one transaction; ``proceed``
does the rest in steps that any worker can repeat: end what can still write, compare
the store with the manifest, write the records, and commit ``closed``.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlmodel import col, select

from hutch.contract import manifest as contract
from hutch.contract.problems import (
    CloseRefusedError,
    StoreError,
    to_problem,
)
from hutch.contract.records import Edge, inputs_of
from hutch.contract.steps import Step, reached
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import (
    CloseIn,
    OperationKind,
    OperationOut,
    Right,
    State,
)
from hutch_api.domain.access import Actor
from hutch_api.domain.layout import prefix_of
from hutch_api.domain.lifecycle import require_open
from hutch_api.domain.types import validate_attributes
from hutch_api.ports.objects import Version
from hutch_api.services import (
    about,
    access,
    audit,
    operations,
    records,
    revocation,
    store_accounts,
)
from hutch_api.services.about import About
from hutch_api.services.comparison import NAMED, PASSES, Comparison, Oddity, compare
from hutch_api.services.files import pinned, walk
from hutch_api.services.intake import TAKEN, Refused, take_in
from hutch_api.services.remains import (
    dead_of,
    delete_versions,
    end_uploads,
    forget,
)
from hutch_api.services.sweep import AFTER
from hutch_api.services.work import Site, Work
from hutch_api.store.indexes import IS_LIVE
from hutch_api.store.tables import (
    Dataset,
    Input,
    Intent,
    Operation,
    User,
)

_ABSENT: Final = {Oddity.MISSING, Oddity.HIDDEN}


def close(site: Site, actor: Actor, dataset: UUID, wanted: CloseIn) -> OperationOut:
    """Close a dataset; large ones answer with an operation to poll.

    A dataset that is closing already gives the operation it is in.

    Raises:
        CloseRefusedError: With the reasons; the dataset is open as before.
        DatasetClosedError: It is closed.
    """
    with site.begin() as work:
        row = access.find(
            work, actor, dataset, right=Right.OWN, scope=Scope.CLOSE, lock=True
        )
        if row.state is State.CLOSING:
            joined = operations.running(work, dataset, OperationKind.CLOSE)
            if joined is not None:
                return operations.operation_out(joined)
        require_open(row.state, name=row.name)
        _require_ready(work, row, wanted)
        operation = _begin(work, actor, row, wanted)
    reached(Step.CLOSING_WRITTEN)
    return operations.carry_out(site, operation, proceed)


def _require_ready(work: Work, dataset: Dataset, wanted: CloseIn) -> None:
    reasons: list[dict[str, Any]] = [
        {"reason": "attributes", "detail": fault}
        for fault in validate_attributes(
            dataset.type, dataset.type_version, dataset.attributes
        )
    ]
    uploads = work.session.exec(
        select(Intent.path, User.name)
        .join(User, col(User.id) == col(Intent.actor_id))
        .where(Intent.dataset_id == dataset.id, IS_LIVE)
        .limit(NAMED)
    ).all()
    if not wanted.abandon:
        reasons += [
            {
                "reason": "upload",
                "path": path,
                "detail": f"{path!r} is being pushed by {name}; let the push end, or "
                "close with --abandon",
            }
            for path, name in uploads
        ]
    if not wanted.adopt:  # else that is known later
        reasons += _emptiness(dataset, allowed=wanted.empty)
    if reasons:
        raise _refusal(dataset.name, reasons)


def _emptiness(dataset: Dataset, *, allowed: bool) -> list[dict[str, Any]]:
    detail = "it holds no file; push some, or close with --empty"
    is_fine = allowed or dataset.files > 0
    return [] if is_fine else [{"reason": "empty", "detail": detail}]


def _refusal(name: str, reasons: list[dict[str, Any]]) -> CloseRefusedError:
    first = reasons[0]["detail"]
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return CloseRefusedError(
        f"{name} cannot be closed yet: {first}{more}", reasons=reasons
    )


def _begin(work: Work, actor: Actor, dataset: Dataset, wanted: CloseIn) -> Operation:
    dataset.state = State.CLOSING
    abandoned = revocation.writing_ended(work, dataset=dataset.id)
    audit.record(work, actor, "close", dataset.id, abandoned=abandoned)
    return operations.start(
        work,
        actor,
        OperationKind.CLOSE,
        dataset,
        options={
            "adopt": wanted.adopt,
            "drop": wanted.drop,
            "empty": wanted.empty,
        },
        inline=not wanted.adopt,
    )


def proceed(site: Site, operation: Operation) -> None:
    """Bring a close to its end, from whichever step it had reached.

    Raises:
        StoreUnavailableError: The store failed; any worker can go on later.
    """
    dataset = operation.dataset_id
    store_accounts.settle(site, dataset)
    end_uploads(site, dataset)
    reached(Step.CLOSE_FENCED)
    closed_at = operations.decided(operation) or _compare(site, operation)
    reached(Step.CLOSE_DECIDED)
    if closed_at is None:
        return
    written = records.write_pieces(
        site,
        dataset,
        walk(site, dataset),
        tell=partial(operations.advance, site, operation.id),
    )
    reached(Step.PIECES_WRITTEN)
    with site.look() as work:
        row = work.session.get_one(Dataset, dataset)
        record, edges = _describe(work, row, written.digest)
        described = About.of(work, row).as_closed(closed_at)
    about.write(site, dataset, described)
    reached(Step.ABOUT_WRITTEN)
    seal = records.write_seal(site, dataset, written, record=record, edges=edges)
    reached(Step.SEAL_WRITTEN)
    _commit(
        site,
        operation,
        digest=written.digest,
        seal=seal,
        closed_at=closed_at,
        described=described,
    )
    reached(Step.CLOSED_WRITTEN)


def _compare(site: Site, operation: Operation) -> datetime | None:
    """Compare the store with the manifest and decide; as ``_decide``."""
    try:
        refused: Refused = {}
        reasons: list[dict[str, Any]] = []
        adopts = operation.options.get("adopt", False)
        for _ in range(2 if adopts else 1):  # what lay above may have hidden some
            if adopts:
                refused = take_in(site, operation)
            reasons = _tidy(site, operation, refused)
            if all(reason["path"] in refused for reason in reasons):
                break
        reached(Step.CLOSE_COMPARED)
        return _decide(site, operation, reasons)
    except operations.EndedError:
        return None


def _tidy(site: Site, operation: Operation, refused: Refused) -> list[dict[str, Any]]:
    """Make the listing equal the manifest, or tell what stands against it.

    Args:
        site: The site.
        operation: The close.
        refused: What could not be adopted, and why.

    Raises:
        EndedError: Others have ended the operation meanwhile.
        StoreError: Whatever is deleted, the store goes on listing more.
    """
    dataset = operation.dataset_id
    takes = {Oddity.MARKED, *(TAKEN if operation.options.get("drop") else ())}
    with site.look() as work:
        tools = work.session.get_one(Dataset, dataset).tools_since is not None
    for _ in range(PASSES):
        found = compare(
            dataset,
            pinned(site, dataset),
            site.objects.versions(prefix_of(dataset)),
            is_dead=dead_of(site, dataset),
            remove=partial(_remove, site, operation.id),
            takes=takes,
            tell=partial(operations.advance, site, operation.id),
        )
        # On MinIO an object that went may have hidden what lies below its key.
        missed = tools or not _ABSENT.isdisjoint(found.counts)
        revealing = found.removed and missed
        if not found.taken and not revealing:
            return _reasons(found, refused)
    raise StoreError(
        f"the store goes on listing more below dataset {dataset} than was left there",
        dataset=str(dataset),
    )


def _remove(site: Site, operation: UUID, versions: Sequence[Version]) -> None:
    """Delete versions that were listed while the dataset was closing.

    Whoever was slow may have listed what was pushed after others had refused the
    close. What was listed before a look that finds the operation running was not.
    """
    if versions:
        operations.require_running(site, operation)
        delete_versions(site, versions)


def _reasons(found: Comparison, refused: Refused) -> list[dict[str, Any]]:
    advice = "close with --adopt to take that in, or with --drop to undo it"
    words = {
        Oddity.ADDED: f"is in the store but was never pushed; {advice}",
        Oddity.OVERWRITTEN: f"was overwritten in the store by another tool; {advice}",
        Oddity.DELETED: f"was deleted in the store by another tool; {advice}",
        Oddity.MISSING: "is no longer in the store; push it again",
        Oddity.HIDDEN: "is hidden in the store by an object above it",
    }
    return [
        {
            "reason": str(d.oddity),
            "path": d.path,
            "detail": (
                refused[d.path].detail
                if d.path in refused
                else f"{d.path!r} {words[d.oddity]}"
            ),
            "count": found.counts[d.oddity],
        }
        for d in found.differences
    ]


def _decide(
    site: Site, operation: Operation, reasons: list[dict[str, Any]]
) -> datetime | None:
    """Decide a close, once: back to open, or forward to closed and nowhere else.

    Records are written only after that, so that nobody who was slow replaces those
    of a later close. The time is part of it: all who go on write the same.

    Returns:
        When it was decided that the dataset is closed; None if it is not, or was
        ended by others.
    """
    with site.begin() as work:
        row = work.session.get_one(Dataset, operation.dataset_id, with_for_update=True)
        current = operations.lock_running(work, operation.id)
        if current is None:
            return None
        if (decided := operations.decided(current)) is not None:
            return decided
        empty = operation.options.get("empty", True)
        reasons = reasons or _emptiness(row, allowed=empty)
        if not reasons:
            at = work.now.isoformat()
            current.options = {**current.options, operations.DECIDED: at}
            return work.now
        refusal = _refusal(row.name, reasons)
        operations.end(work, current.id, problem=to_problem(refusal))
        row.state = State.OPEN
        actor = operations.actor_of(work, operation)
        paths = [reason["path"] for reason in reasons if "path" in reason]
        audit.record(work, actor, "close-refused", row.id, paths=paths)
    return None


def _describe(
    work: Work, row: Dataset, digest: str
) -> tuple[dict[str, Any], tuple[Edge, ...]]:
    """Build what the seal covers, and the edges with the parents' digests."""
    inputs = work.session.exec(
        select(Input).where(Input.child_id == row.id).order_by(col(Input.position))
    )
    edges = tuple(Edge(str(i.parent_id), i.digest, i.seal) for i in inputs)
    record = contract.seal_record(
        dataset=str(row.id),
        type_name=row.type,
        type_version=row.type_version,
        attributes=row.attributes,
        inputs=inputs_of(edges),
        run=row.run,
        digest=digest,
    )
    return record, edges


def _commit(
    site: Site,
    operation: Operation,
    *,
    digest: str,
    seal: str,
    closed_at: datetime,
    described: About,
) -> None:
    with site.begin() as work:
        row = work.session.get_one(Dataset, operation.dataset_id, with_for_update=True)
        if operations.end(work, operation.id) is None:
            about.changed(work, row)  # this one's record may have replaced a later one
            return
        row.state = State.CLOSED
        row.digest, row.seal = digest, seal
        row.closed_at = row.updated_at = closed_at
        row.sweep_at, row.sweeps = work.now + AFTER[0], 0
        row.attempt_id = None  # what a run has made is there for its owner now
        row.rules_at = work.now
        if About.of(work, row) != described:  # renamed or given away meanwhile
            about.changed(work, row)
        forget(work, row.id)
        actor = operations.actor_of(work, operation)
        audit.record(
            work, actor, "closed", row.id, files=row.files, digest=digest, seal=seal
        )

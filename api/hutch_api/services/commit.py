"""Files become part of a dataset: one transaction, one new revision."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import col, select

from hutch.contract.problems import HutchError, UploadGoneError
from hutch_api.domain.access import Actor
from hutch_api.domain.lifecycle import require_open
from hutch_api.services import audit
from hutch_api.services.announcement import require_base
from hutch_api.services.files import user_names
from hutch_api.services.work import Work
from hutch_api.store.tables import (
    Dataset,
    File,
    Intent,
    IntentState,
    Superseded,
)


@dataclass(frozen=True, slots=True)
class Committed:
    """A file that is in the dataset now."""

    path: str
    version: str


def commit_files(
    work: Work,
    actor: Actor | None,
    dataset: UUID,
    arrived: Sequence[tuple[Intent, str]],
    *,
    left: Collection[UUID] = (),
) -> dict[UUID, Committed | HutchError]:
    """Take arrived files into an open dataset.

    An intent is taken only while it is ``completing`` and its base is still what the
    dataset holds; what it replaces waits as superseded for its deletion.

    Args:
        work: The transaction; it holds the lock of the dataset.
        actor: Who finishes; None means the worker, for those who began.
        dataset: The dataset of all of them.
        arrived: Intents with the versions that the store shows.
        left: Those of which the store may hold more than the version.
    """
    if not arrived:
        return {}
    row = work.session.get_one(Dataset, dataset)
    intents, files = _fetch(work, dataset, [intent for intent, _ in arrived])
    names = user_names(work, {f.committed_by for f in files.values()})
    outcomes: dict[UUID, Committed | HutchError] = {}
    added = 0
    for known, version in arrived:
        intent, file = intents[known.id], files.get(known.path)
        try:
            if intent.state is not IntentState.DONE:
                require_open(row.state, name=row.name)
                _require_completing(intent)
                if not intent.force:
                    require_base(intent.path, file, intent.base, known=names)
                _take(work, row, intent, file, version)
                intent.cleared = intent.id not in left
                added += 1
        except HutchError as error:
            if intent.state is IntentState.COMPLETING:
                intent.state, intent.touched_at = IntentState.ABORTED, work.now
            outcomes[intent.id] = error
        else:
            outcomes[intent.id] = Committed(intent.path, intent.version or version)
    if added:
        row.revision += 1
        row.updated_at = work.now
        audit.record(work, actor, "commit", dataset, files=added, revision=row.revision)
    return outcomes


def _fetch(
    work: Work, dataset: UUID, known: Sequence[Intent]
) -> tuple[dict[UUID, Intent], dict[str, File]]:
    """Lock the intents as they are now, and fetch the files that lie there."""
    intents = work.session.exec(
        select(Intent)
        .where(col(Intent.id).in_([i.id for i in known]))
        .order_by(col(Intent.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    files = work.session.exec(
        select(File).where(
            File.dataset_id == dataset, col(File.path).in_([i.path for i in known])
        )
    )
    return {i.id: i for i in intents}, {f.path: f for f in files}


def _require_completing(intent: Intent) -> None:
    if intent.state is not IntentState.COMPLETING:
        raise UploadGoneError(
            f"the upload of {intent.path!r} has ended; announce the file again",
            path=intent.path,
            intent=str(intent.id),
        )


def supersede(work: Work, file: File) -> None:
    """Note that a version has left the dataset; the worker deletes it later."""
    work.session.add(
        Superseded(
            dataset_id=file.dataset_id,
            path=file.path,
            version=file.version,
            since=work.now,
        )
    )


def _take(
    work: Work, dataset: Dataset, intent: Intent, file: File | None, version: str
) -> None:
    assert intent.crc64nvme is not None  # noqa: S101 - set before completing
    assert intent.sha256 is not None  # noqa: S101 - set before completing
    if file is None:
        file = File(
            dataset_id=dataset.id,
            path=intent.path,
            fold=intent.fold,
            size=0,
            sha256="",
            crc64nvme="",
            version="",
            intent_id=intent.id,
            committed_at=work.now,
            committed_by=intent.actor_id,
        )
        work.session.add(file)
        dataset.files += 1
    else:
        supersede(work, file)
    dataset.bytes += intent.size - file.size
    file.size = intent.size
    file.sha256, file.crc64nvme = intent.sha256, intent.crc64nvme
    file.version, file.intent_id = version, intent.id
    file.confirmed = False
    file.committed_at, file.committed_by = work.now, intent.actor_id
    intent.state, intent.version, intent.touched_at = (
        IntentState.DONE,
        version,
        work.now,
    )

"""Files become part of a dataset: one transaction, one new revision."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlmodel import col, update

from hutch.contract.problems import HutchError, UploadGoneError
from hutch_api.domain.access import Actor
from hutch_api.domain.lifecycle import require_open
from hutch_api.services import audit
from hutch_api.services.announcement import require_base
from hutch_api.services.files import user_names
from hutch_api.services.work import Work
from hutch_api.store.rows import (
    FILES,
    INTENTS,
    FileRow,
    IntentRow,
    Upload,
    among,
    insert_rows,
    read_files,
    read_intents,
    update_rows,
)
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


@dataclass(frozen=True, slots=True)
class Changes:
    """What a commit writes at its end, one statement for each kind of row."""

    added: list[Mapping[str, Any]] = field(default_factory=list)
    replaced: list[Mapping[str, Any]] = field(default_factory=list)
    superseded: list[Mapping[str, Any]] = field(default_factory=list)
    done: list[Mapping[str, Any]] = field(default_factory=list)
    ended: list[UUID] = field(default_factory=list)

    def write(self, work: Work) -> None:
        """Write them."""
        session = work.session
        insert_rows(session, Superseded, self.superseded)
        update_rows(session, File, self.replaced, key=("dataset_id", "path"))
        insert_rows(session, File, self.added)
        update_rows(session, Intent, self.done, key=("id",))
        if self.ended:
            session.exec(
                update(Intent)
                .where(among(work.session, col(Intent.id), self.ended))
                .values(state=IntentState.ABORTED, touched_at=work.now)
            )


def commit_files(
    work: Work,
    actor: Actor | None,
    dataset: UUID,
    arrived: Sequence[tuple[Upload, str]],
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
    changes = Changes()
    for known, version in arrived:
        intent, file = intents[known.id], files.get(known.path)
        try:
            if intent.state is not IntentState.DONE:
                require_open(row.state, name=row.name)
                _require_completing(intent)
                if not intent.force:
                    require_base(intent.path, file, intent.base, known=names)
                intent = _done(intent, version, cleared=intent.id not in left)
                _take(work, changes, row, intent, file)
        except HutchError as error:
            if intent.state is IntentState.COMPLETING:
                intent = replace(intent, state=IntentState.ABORTED)
                changes.ended.append(intent.id)
            outcomes[intent.id] = error
        else:
            outcomes[intent.id] = Committed(intent.path, intent.version or version)
        intents[intent.id] = intent  # it may be named twice
    changes.write(work)
    if added := len(changes.done):
        row.revision += 1
        row.updated_at = work.now
        audit.record(work, actor, "commit", dataset, files=added, revision=row.revision)
    return outcomes


def _fetch(
    work: Work, dataset: UUID, known: Sequence[Upload]
) -> tuple[dict[UUID, IntentRow], dict[str, FileRow]]:
    """Lock the intents as they are now, and fetch the files that lie there."""
    intents = read_intents(
        work.session,
        INTENTS.where(among(work.session, col(Intent.id), [i.id for i in known]))
        .order_by(col(Intent.id))
        .with_for_update(),
    )
    files = read_files(
        work.session,
        FILES.where(
            col(File.dataset_id) == dataset,
            among(work.session, col(File.path), [i.path for i in known]),
        ),
    )
    return {i.id: i for i in intents}, {f.path: f for f in files}


def _require_completing(intent: IntentRow) -> None:
    if intent.state is not IntentState.COMPLETING:
        raise UploadGoneError(
            f"the upload of {intent.path!r} has ended; announce the file again",
            path=intent.path,
            intent=str(intent.id),
        )


def _done(intent: IntentRow, version: str, *, cleared: bool) -> IntentRow:
    return replace(intent, state=IntentState.DONE, version=version, cleared=cleared)


def superseded(work: Work, dataset: UUID, file: FileRow) -> Mapping[str, Any]:
    """Make the row of a version that has left; the worker deletes it later."""
    return {
        "dataset_id": dataset,
        "path": file.path,
        "version": file.version,
        "since": work.now,
    }


def _take(
    work: Work,
    changes: Changes,
    dataset: Dataset,
    intent: IntentRow,
    file: FileRow | None,
) -> None:
    assert intent.crc64nvme is not None  # noqa: S101 - set before completing
    assert intent.sha256 is not None  # noqa: S101 - set before completing
    taken = {
        "path": intent.path,
        "fold": intent.fold,
        "size": intent.size,
        "sha256": intent.sha256,
        "crc64nvme": intent.crc64nvme,
        "version": intent.version,
        "intent_id": intent.id,
        "confirmed": False,
        "confirmed_at": None,
        "committed_by": intent.actor_id,
    }
    put_file(work, changes, dataset, taken, file)
    changes.done.append(
        {
            "id": intent.id,
            "state": intent.state,
            "version": intent.version,
            "cleared": intent.cleared,
            "touched_at": work.now,
        }
    )


def put_file(
    work: Work,
    changes: Changes,
    dataset: Dataset,
    taken: Mapping[str, Any],
    file: FileRow | None,
) -> None:
    """Put a file into a dataset, in the place of the one that is there."""
    row = {**taken, "dataset_id": dataset.id, "committed_at": work.now}
    dataset.bytes += row["size"] - (0 if file is None else file.size)
    if file is None:
        changes.added.append(row)
        dataset.files += 1
        return
    changes.superseded.append(superseded(work, dataset.id, file))
    del row["fold"]
    changes.replaced.append(row)
